"""The accounts as a decision met them, held to the journal at the seq that each of them names.

A decision that locked met exactly that entry. A limit check took no lock and wrote nothing: it may
have valued positions by rates, and met a limit, that nobody had written yet. What it met is held to
the journal as far as neither can have changed it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any, Final

from app.store.checker_figures import Json
from app.store.checker_ground import Snapshot, amounts, columns, minus, used, worth_of_all

_ENTRIES: Final = """
SELECT j.* FROM unnest(%(accounts)s::bigint[], %(seqs)s::bigint[]) AS n(account_id, seq)
JOIN journal j ON j.account_id = n.account_id AND j.seq = n.seq
"""

_TURNS: Final = """
SELECT account_id, valid_from AS turn, limit_id::text AS begins FROM credit_limit
WHERE account_id = any(%(accounts)s)
UNION ALL
SELECT account_id, valid_to + 1, NULL FROM credit_limit
WHERE account_id = any(%(accounts)s) AND valid_to < DATE '9999-12-31'
"""
"""Days on which time alone may have changed a limit: of all rows, whatever became of them."""

_UNUSED: Final[Json] = {
    "limit_minor": None,
    "unlimited": False,
    "forced_minor": 0,
    "foreign_use": None,
    "decision_id": None,
    **{f"{name}_minor": 0 for name in ("authorized", "open_delivery", "open_item")},
    **{f"{name}_minor": 0 for name in ("note_receivable", "prepayment")},
}
"""How an account stands before its first journal entry."""


@dataclass(frozen=True, slots=True)
class Journal:
    """Entries by (account, seq), and the days on which accounts' limits may begin or lapse.

    With a day on which one begins goes which.
    """

    entries: Mapping[tuple[int, int], Json]
    turns: Mapping[int, Sequence[tuple[date, str | None]]]

    def entry(self, account_id: int, seq: int) -> Json | None:
        """Give an entry; an unused account for seq 0, None where there is none."""
        return _UNUSED if seq == 0 else self.entries.get((account_id, seq))

    def surely_holds(self, account_id: int, entry: Json, today: date) -> bool:
        """Tell whether the limit of an entry still stood, whatever time did, on a business date.

        Who writes an entry first puts the limit of its business date in force, which is that of
        UTC or a day off: segments have time zones, and may change them. A change of a segment's
        currency alone does not. What an entry says has begun begins no more.
        """
        if entry.get("kind") == "CURRENCY":
            return False
        since = entry["at"].astimezone(UTC).date() - timedelta(days=1) if "at" in entry else None
        begun = entry["ref"] if entry.get("kind") == "LIMIT" else ""
        return not any(
            (since is None or since < turn) and turn <= today
            for turn, begins in self.turns.get(account_id, ())
            if begins != begun
        )


def read_journal(
    snapshot: Snapshot, wanted: Iterable[tuple[int, int]], checked: Iterable[int]
) -> Journal:
    """Read entries by (account, seq), and the turns of the accounts that were only checked."""
    keys = sorted(wanted)
    entries = snapshot.rows(
        _ENTRIES,
        {"accounts": [account for account, _ in keys], "seqs": [seq for _, seq in keys]},
    )
    turns: dict[int, list[tuple[date, str | None]]] = {}
    for row in snapshot.rows(_TURNS, {"accounts": sorted(checked)}):
        turns.setdefault(row["account_id"], []).append((row["turn"], row["begins"]))
    return Journal({(one["account_id"], one["seq"]): one for one in entries}, turns)


def locked_fault(account: Json, journal: Journal) -> str | None:
    """Hold the figures that were met under a lock to the journal entry of their seq."""
    seq = account.get("seq", 0)
    entry = journal.entry(account["id"], seq)
    if entry is None:
        return _missing(seq)
    met = {"use": tuple(account["use"]), **_limit(account)}
    met |= {"forced": account.get("forced", 0), "foreign": account.get("foreign")}
    journalled = {"use": columns(entry), **_limit(entry)}
    journalled |= {"forced": entry["forced_minor"], "foreign": entry["foreign_use"]}
    return _first(met, journalled, seq)


def checked_fault(account: Json, journal: Journal, today: date) -> str | None:
    """Hold to the journal what a limit check met: what neither a rate nor a day can have changed.

    Positions are what they were in their own currencies, whatever rate valued them; the limit is
    left alone where one may have begun or lapsed unwritten; what is above it is `forced`.
    """
    seq = account.get("seq", 0)
    entry = journal.entry(account["id"], seq)
    if entry is None:
        return _missing(seq)
    own = account["currency"]
    try:
        met = _positions(account["use"], account.get("foreign"), own)
        journalled = _positions(columns(entry), entry["foreign_use"], own)
    except ValueError as error:
        return str(error)
    if journal.surely_holds(account["id"], entry, today):
        met, journalled = met | _limit(account), journalled | _limit(entry)
    forced, found = _above(account), account.get("forced", 0)
    return _first(met, journalled, seq) or (
        None if found == forced else f"forced: expected {forced}, what is above it, found {found}"
    )


def _missing(seq: int) -> str:
    return f"expected a journal entry {seq}, on which it rests, found none"


def _first(met: Json, journalled: Json, seq: int) -> str | None:
    for name, expected in journalled.items():
        if met[name] != expected:
            return f"{name}: expected {expected} as in journal entry {seq}, found {met[name]}"
    return None


def _limit(held: Json) -> dict[str, Any]:
    """Give the limit of an account or an entry."""
    return {"limit": held.get("limit_minor"), "unlimited": held.get("unlimited", False)}


def _positions(use: Sequence[int], foreign: Json | None, own: str) -> dict[str, Any]:
    """Give what is held in the account's own currency, and in each of the others.

    Raises:
        ValueError: A stored rate does not value its position.

    """
    others = {currency: amounts(held) for currency, held in (foreign or {}).items()}
    return {"use": minus(use, worth_of_all(foreign, own)), "foreign": others}


def _above(account: Json) -> int:
    """Say what stands above the limit that was met."""
    if account.get("unlimited", False):
        return 0
    return max(0, used(account["use"]) - int(account.get("limit_minor") or 0))
