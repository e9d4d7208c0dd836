"""The documents that make up the figures of accounts: listed one by one, or summed.

The shares are those that are stored with documents; positions are their sums (see the checker).
A group's figure is made of its members' documents, so that lists take several accounts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from sqlalchemy import TextClause, text

from app.domain.accounts import Use
from app.domain.exposure import CATEGORIES, Category, Document, Figure, Mark, use_of
from app.domain.facts import NO_ORDER
from app.domain.money import Money
from app.store.database import Tx


@dataclass(frozen=True, slots=True)
class _Branch:
    """One kind of document in a figure: where it is, which rows count, by how much.

    Every part is SQL over the table `t`. A list goes by `due_date` first where `dated`.
    """

    table: str
    kind: str
    name: str
    minor: str
    counts: str
    order_id: str = "NULL"
    note_id: str = "NULL"
    note_kind: str = "NULL"
    note_status: str = "NULL"
    disputed_since: str = "NULL::date"
    invoiced: str = "NULL::bigint"
    due_date: str = "NULL::date"
    expires_at: str = "NULL::timestamptz"
    dated: bool = False


_ORDER_OF_INVOICE: Final = """(
    SELECT min(l.order_id) FROM invoice_line l
    WHERE l.segment_id = t.segment_id AND l.invoice_id = t.invoice_id
    HAVING count(DISTINCT l.order_id) = 1)"""
_DISPUTE_OF_INVOICE: Final = """(
    SELECT x.since FROM dispute x
    WHERE x.segment_id = t.segment_id AND x.invoice_id = t.invoice_id AND x.open)"""
_STATUS_OF_NOTE: Final = """(
    SELECT n.status FROM note n
    WHERE n.segment_id = t.segment_id AND n.note_id = t.note_id)"""


def _adjusted(category: Category) -> _Branch:
    return _Branch(
        "adjustment",
        "'adjustment'",
        "t.adjustment_id::text",
        "t.amount_minor",
        f"t.category = '{category}'",
    )


_ITEM: Final = _Branch(
    "invoice",
    "'invoice'",
    "t.invoice_id",
    "t.open_minor",
    "t.open_minor > 0",
    order_id=_ORDER_OF_INVOICE,
    disputed_since=_DISPUTE_OF_INVOICE,
    due_date="t.due_date",
    dated=True,
)
_BRANCHES: Final[Mapping[Category, Sequence[_Branch]]] = {
    "AUTHORIZED": (
        _Branch(
            "credit_order",
            "'order'",
            "t.order_id",
            "t.reserved_minor",
            "t.reserved_minor > 0",
            order_id="t.order_id",
            expires_at="t.expires_at",
        ),
    ),
    "OPEN_DELIVERY": (
        _Branch(
            "order_use",
            "'order'",
            "t.order_id",
            "t.delivered_minor - t.invoiced_minor",
            "t.delivered_minor > t.invoiced_minor",
            order_id="t.order_id",
            invoiced="t.invoiced_minor",
        ),
        _adjusted("OPEN_DELIVERY"),
    ),
    "OPEN_ITEM": (_ITEM, _adjusted("OPEN_ITEM")),
    "NOTE_RECEIVABLE": (
        _Branch(
            "payment",
            "'payment'",
            "t.payment_id",
            "t.note_receivable_minor",
            "(t.prepayment_minor > 0 OR t.note_receivable_minor > 0)"
            " AND t.note_receivable_minor > 0",
            note_id="t.note_id",
            note_kind="t.note_kind",
            note_status=_STATUS_OF_NOTE,
            due_date="t.note_due_date",
        ),
        _adjusted("NOTE_RECEIVABLE"),
    ),
    "PREPAYMENT": (
        _Branch(
            "payment",
            "'payment'",
            "t.payment_id",
            "t.prepayment_minor",
            "(t.prepayment_minor > 0 OR t.note_receivable_minor > 0) AND t.prepayment_minor > 0",
            note_id="t.note_id",
            note_kind="t.note_kind",
            note_status=_STATUS_OF_NOTE,
            expires_at="t.expires_at",
        ),
        _Branch(
            "invoice",
            "'invoice'",
            "t.invoice_id",
            "t.excess_minor",
            "t.excess_minor > 0",
            order_id=_ORDER_OF_INVOICE,
            disputed_since=_DISPUTE_OF_INVOICE,
        ),
        _Branch(
            "credit",
            "'credit_note'",
            "t.credit_id",
            "t.prepayment_minor",
            "t.prepayment_minor > 0 AND t.kind = 'credit_note'",
        ),
        _Branch(
            "credit",
            "'write_off'",
            "t.credit_id",
            "t.prepayment_minor",
            "t.prepayment_minor > 0 AND t.kind = 'write_off'",
        ),
        _adjusted("PREPAYMENT"),
    ),
}
"""What counts where. Conditions name the predicate of the partial index that finds them."""

_LATE: Final = replace(_ITEM, counts="t.open_minor > 0 AND t.due_date < :today")


def _page_of(branch: _Branch, place: int) -> str:
    """Write one branch of a list: at most a page of an account, from the last item seen on.

    The lower bound repeats what the comparison of rows says in a form that an index serves.
    """
    last = f"a.account_id = :account_id AND {place} = :branch"
    first = "t.due_date" if branch.dated else branch.name
    lowest = ":due_date ELSE '-infinity'::date" if branch.dated else ":name ELSE ''"
    key = f"{'t.due_date, ' if branch.dated else ''}{branch.name}, t.currency"
    seen = f"{':due_date, ' if branch.dated else ''}:name, :currency"
    return f"""(
    SELECT {place} AS branch, {"t.due_date" if branch.dated else "NULL::date"} AS sorted_due,
        {branch.kind} AS kind, {branch.name} AS name, {branch.order_id} AS order_id,
        {branch.note_id} AS note_id, {branch.note_kind} AS note_kind,
        {branch.note_status} AS note_status, {branch.disputed_since} AS disputed_since,
        t.currency, {branch.minor} AS minor, {branch.invoiced} AS invoiced,
        {branch.due_date} AS due_date, {branch.expires_at} AS expires_at
    FROM {branch.table} t
    WHERE t.account_id = a.account_id AND {branch.counts}
        AND {first} >= CASE WHEN {last} THEN {lowest} END
        AND (a.account_id, {place}, {key}) > (:account_id, :branch, {seen})
    ORDER BY {key} LIMIT :most)"""  # noqa: S608 - made of constants


def _list_of(branches: Sequence[_Branch]) -> TextClause:
    parts = " UNION ALL ".join(_page_of(one, place) for place, one in enumerate(branches))
    return text(f"""
SELECT a.account_id, h.customer_id, d.*
FROM unnest(CAST(:ids AS bigint[])) AS a(account_id)
JOIN account h ON h.account_id = a.account_id
CROSS JOIN LATERAL ({parts}) AS d
ORDER BY a.account_id, d.branch, d.sorted_due, d.name, d.currency LIMIT :most
""")  # noqa: S608 - made of constants


_LISTS: Final[Mapping[Figure, TextClause]] = {
    **{category: _list_of(branches) for category, branches in _BRANCHES.items()},
    "OVERDUE": _list_of([_LATE]),
}
_IN_ORDER: Final = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)


def keep_order(tx: Tx) -> None:
    """Let pages follow an index in its order until `tx` ends.

    The whole of a large account would be sorted for one, by plans of empty tables first of all.
    """
    tx.execute(_IN_ORDER)


_START: Final = Mark(-1, 0, date.min, "", "")


def documents(
    tx: Tx, account_ids: Collection[int], figure: Figure, today: date, page: tuple[Mark | None, int]
) -> list[Document]:
    """List what makes up a figure of accounts, from a place on; `page` has it and the most.

    By account, kind of document, and due date or id. OVERDUE was due before `today`.
    """
    after, most = page[0] or _START, page[1]
    keep_order(tx)
    rows = tx.execute(
        _LISTS[figure],
        {
            "ids": sorted(key for key in account_ids if key >= after.account_id),
            "today": today,
            "most": most,
            "account_id": after.account_id,
            "branch": after.branch,
            "due_date": after.due_date or date.min,
            "name": after.name,
            "currency": after.currency,
        },
    )
    return [_document(row) for row in rows]


def _document(row: Any) -> Document:  # noqa: ANN401 - a row
    place = Mark(row.account_id, row.branch, row.sorted_due, row.name, row.currency)
    kind, name, order_id = row.kind, row.name, row.order_id
    if name.startswith(NO_ORDER):
        kind, name, order_id = "delivery", name.removeprefix(NO_ORDER), None
    return Document(
        document_type=kind,
        document_id=name,
        order_id=order_id,
        note_id=row.note_id,
        note_kind=row.note_kind,
        note_status=row.note_status,
        disputed_since=row.disputed_since,
        customer_id=row.customer_id,
        amount=Money(int(row.minor), row.currency),
        invoiced=None if row.invoiced is None else Money(row.invoiced, row.currency),
        due_date=row.due_date,
        expires_at=row.expires_at,
        place=place,
    )


def sums_among(accounts: Mapping[Category, str]) -> str:
    """Write the query of what each account's own documents sum up to, by category and currency.

    `accounts` says of each category that is wanted which accounts count: a condition on
    `t.account_id`, a constant of the program. Columns: account_id, category, currency, minor.
    """
    return " UNION ALL ".join(
        f"SELECT account_id, '{category}' AS category, currency,"  # noqa: S608 - constants
        f" sum(minor)::bigint AS minor FROM ({_shares_of(category, among)}) AS of_{category}"
        " GROUP BY account_id, currency"
        for category, among in accounts.items()
    )


def _shares_of(category: Category, among: str) -> str:
    return " UNION ALL ".join(
        f"SELECT t.account_id, t.currency, {one.minor} AS minor"  # noqa: S608 - constants
        f" FROM {one.table} t WHERE t.account_id {among} AND {one.counts}"
        for one in _BRANCHES[category]
    )


_OWN: Final = text(sums_among(dict.fromkeys(CATEGORIES, "= ANY(:ids)")))


def own_positions(tx: Tx, account_ids: Collection[int]) -> dict[tuple[int, str], Use]:
    """Sum what documents of accounts themselves, not of members, come to: by account, currency."""
    found: dict[tuple[int, str], Use] = {}
    for row in tx.execute(_OWN, {"ids": sorted(account_ids)}):
        key = (row.account_id, row.currency)
        found[key] = found.get(key, Use()) + use_of(row.category, row.minor)
    return found
