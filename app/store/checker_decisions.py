"""Every stored decision against the journal at its seq, and against its own recorded figures.

A limit check takes no lock and may have met a limit or rate that nobody had written yet; it is held
to the journal as far as that cannot be (see `checker_met`). That a decline was justified is asked
of both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

import orjson

from app.store.checker_figures import Ask, Json, ceiling_of, reserved_in
from app.store.checker_ground import Difference, Snapshot, columns, undue, unpacked, used
from app.store.checker_met import Journal, checked_fault, locked_fault, read_journal
from app.store.checker_verdicts import verdict_faults

_DECISIONS: Final = """
SELECT d.decision_id, d.kind, d.account_id, d.outcome, d.judged, d.segment_id, d.order_id,
    d.customer_id, d.evaluated_at, d.rule_set_version, d.input_version, d.record,
    d.opens, r.customer_id AS owner, d.input_version = 0 OR i.version IS NOT NULL AS has_inputs
FROM decision d
LEFT JOIN account_input i ON i.account_id = d.account_id AND i.version = d.input_version
LEFT JOIN customer_ref r ON r.ref = d.customer_id
ORDER BY d.decision_id
"""

_AUTHORIZATIONS: Final = """
SELECT g.authorization_id, g.segment_id, g.order_id, r.customer_id FROM (
    SELECT authorization_id, segment_id, order_id, account_id FROM credit_order
    WHERE authorization_id = any(%(ids)s)
    UNION ALL
    SELECT authorization_id, segment_id, order_id, account_id FROM past_authorization
    WHERE authorization_id = any(%(ids)s)) AS g
LEFT JOIN account a ON a.account_id = g.account_id
LEFT JOIN customer_ref r ON r.ref = a.customer_id
"""

_HOLDS: Final = "SELECT hold_id FROM order_hold WHERE hold_id = any(%(ids)s)"

_RULES: Final = """
SELECT version, data FROM rule_set JOIN rule_set_life USING (version) WHERE status = 'APPROVED'
"""

_ANSWERED: Final = {
    "judged": "judged",
    "segment_id": "segment",
    "order_id": "order_id",
    "customer_id": "customer_id",
}
"""Columns by which decisions are found, and what the answer calls them."""

_AT_ONCE: Final = 1_000
_LOCKED: Final = frozenset({"AUTHORIZATION", "RELEASE"})


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What a portion of decisions is held to: the journal, authorizations, holds, rules.

    `authorizations` maps an id to the order that has it, or had it, and its payer: (segment, order
    id, customer). What was merged is the customer's that it was merged into.
    """

    journal: Journal
    authorizations: Mapping[str, tuple[str, str, str]]
    holds: frozenset[str]
    rules: Mapping[int, Json]

    def tolerance(self, row: Json) -> str:
        return str(self.rules.get(row["rule_set_version"], {}).get("tolerance_percent", "0"))


def check_decisions(snapshot: Snapshot) -> Iterator[Difference]:
    """Go through all decisions in the order of their ids, portion by portion."""
    snapshot.look_up_by_index()
    rules = {row["version"]: row["data"] for row in snapshot.rows(_RULES)}
    decisions = snapshot.stream(_DECISIONS)
    while portion := list(islice(decisions, _AT_ONCE)):
        read: list[Json] = []
        for raw in portion:
            try:
                read.append(_unpacked(raw))
            except ValueError as damage:
                told = f"decision {raw['decision_id']}: cannot be read: {damage}"
                yield Difference(raw["account_id"], told)
        evidence = _evidence(snapshot, read, rules)
        for row in read:
            text = _fault(row, evidence)
            if text:
                yield Difference(row["account_id"], f"decision {row['decision_id']}: {text}")


def _unpacked(row: Json) -> Json:
    inputs, answer = unpacked(row["record"])
    return {**row, "inputs": orjson.loads(inputs), "answer": orjson.loads(answer)}


def _ask(row: Json) -> Ask:
    return Ask(row["inputs"]["question"], row["inputs"]["situation"])


def _evidence(snapshot: Snapshot, portion: Sequence[Json], rules: Mapping[int, Json]) -> _Evidence:
    wanted, checked = set[tuple[int, int]](), set[int]()
    for row in portion:
        locked = row["kind"] in _LOCKED
        for account in _met(_ask(row)):
            seq = account.get("seq", 0)
            wanted |= {(account["id"], one) for one in ((seq, seq + 1) if locked else (seq,))}
            checked |= set() if locked else {account["id"]}
    ids = [UUID(row["answer"]["authorization_id"]) for row in portion if _authorizes(row)]
    named = [row["answer"].get("order_hold_id") for row in portion]
    held = [UUID(one) for one in named if one is not None]
    known = snapshot.rows(_AUTHORIZATIONS, {"ids": ids})
    return _Evidence(
        read_journal(snapshot, wanted, checked),
        {str(one["authorization_id"]): _whose(one) for one in known},
        frozenset(str(one["hold_id"]) for one in snapshot.rows(_HOLDS, {"ids": held})),
        rules,
    )


def _whose(row: Json) -> tuple[str, str, str]:
    return row["segment_id"], row["order_id"], row["customer_id"]


def _met(ask: Ask) -> tuple[Json, ...]:
    """Give all accounts that a decision met."""
    return (*ask.accounts, *ask.freed)


def _authorizes(row: Json) -> bool:
    return row["kind"] in _LOCKED and row["answer"].get("authorization_id") is not None


def _fault(row: Json, evidence: _Evidence) -> str | None:
    ask, answer = _ask(row), row["answer"]
    if answer["outcome"] != row["outcome"]:
        return f"outcome: expected {answer['outcome']} as answered, found {row['outcome']}"
    for account in _met(ask):
        fault = _met_fault(row, ask, account, evidence)
        if fault:
            return f"account {account['id']}: {fault}"
    return (
        _verdict_fault(row, ask, evidence)
        or _grant_fault(row, ask, evidence)
        or _horizon_fault(row, ask)
        or _found_by_fault(row, evidence)
        or _dates_fault(ask)
    )


def _found_by_fault(row: Json, evidence: _Evidence) -> str | None:
    """Hold what a decision is found by to what it says, and look up what it names."""
    answer, situation = row["answer"], row["inputs"]["situation"]
    payer = situation["accounts"][0]
    judged = {
        "account_id": payer["id"],
        "input_version": payer["input_version"],
        "evaluated_at": datetime.fromisoformat(situation["at"]),
    }
    said = [(name, answer[told], "answered") for name, told in _ANSWERED.items()]
    for name, expected, how in said + [(name, one, "judged") for name, one in judged.items()]:
        if expected != row[name]:
            return f"{name}: expected {expected} as {how}, found {row[name]}"
    if bool(situation.get("releasing")) != (row["kind"] == "RELEASE"):
        return (
            f"kind: expected RELEASE where a person releases, and only there, found {row['kind']}"
        )
    if row["opens"]:
        named, own = answer["authorization_id"], str(row["decision_id"])
        whose = row["segment_id"], row["order_id"], row["owner"]
        if named != own or evidence.authorizations.get(own) != whose:
            return f"opens: expected an authorization of its own id, order and payer, found {named}"
    if not row["has_inputs"]:
        return f"inputs: expected version {row['input_version']} of the account's, found none"
    held = answer.get("order_hold_id")
    if held is not None and held not in evidence.holds:
        return f"order_hold_id: expected a hold {held}, as answered, found none"
    return None


def _met_fault(row: Json, ask: Ask, account: Json, evidence: _Evidence) -> str | None:
    """Hold what a decision met, and what it then did to it, to the journal."""
    if row["kind"] in _LOCKED:
        fault = locked_fault(account, evidence.journal)
        return fault or _effect_fault(row, ask, account, evidence)
    return checked_fault(account, evidence.journal, date.fromisoformat(ask.situation["today"]))


def _effect_fault(row: Json, ask: Ask, account: Json, evidence: _Evidence) -> str | None:
    """Hold what a decision did to an account to what its question and answer call for."""
    seq = account.get("seq", 0)
    entry = evidence.journal.entry(account["id"], seq + 1)
    found = entry is not None and entry["decision_id"] == row["decision_id"]
    granted = row["outcome"] == "APPROVE" and ask.is_sale and not _goes_without(row)
    moved = ask.moved_on(account["id"]) if granted else {}
    if found != bool(moved):
        expected = "its journal entry" if moved else "no journal entry of its own"
        return f"expected {expected} {seq + 1}, found {'one' if found else 'none'}"
    before = evidence.journal.entry(account["id"], seq)
    if entry is None or before is None:
        return None
    ceiling = ceiling_of(entry["limit_minor"] or 0, evidence.tolerance(row))
    if found and entry["kind"] == "TOLERANCE" and used(columns(entry)) > ceiling:
        return (
            f"journal entry {seq + 1} (TOLERANCE): expected a use of at most {ceiling} minor units,"
            f" found {used(columns(entry))}"
        )
    own = account["currency"]
    for currency, minor in moved.items():
        change = _reserved(entry, own, currency) - _reserved(before, own, currency)
        if change != minor:
            return (
                f"journal entry {seq + 1}: expected {minor} minor units of {currency} more"
                f" reserved, found {change}"
            )
    return None


def _goes_without(row: Json) -> bool:
    """Tell whether nothing was reserved for want of a rate, in a mode that stops nothing."""
    answer = row["answer"]
    return answer["mode"] != "ENFORCE" and answer["authorization_id"] is None


def _reserved(entry: Json, own: str, currency: str) -> int:
    return reserved_in(columns(entry), entry["foreign_use"], own, currency)


def _verdict_fault(row: Json, ask: Ask, evidence: _Evidence) -> str | None:
    """Let the verdict follow from the figures recorded with it, by the rules it names."""
    rules = evidence.rules.get(row["rule_set_version"])
    if rules is None:
        return f"expected an approved rule set {row['rule_set_version']}, found none"
    try:
        return next(verdict_faults(row, ask, rules), None)
    except ValueError as error:
        return str(error)


def _grant_fault(row: Json, ask: Ask, evidence: _Evidence) -> str | None:
    """Hold an approval to the authorization it answered, and any answer to its place."""
    grants = row["kind"] in _LOCKED and row["outcome"] == "APPROVE" and ask.is_sale
    grants = grants and not _goes_without(row)
    named: Any = row["answer"]["authorization_id"]
    if grants and named not in evidence.authorizations:
        return f"authorization: expected an order with {named}, found none"
    payer = ask.accounts[0]
    seq = payer.get("seq", 0) + (grants and bool(ask.moved_on(payer["id"])))
    if row["answer"]["account_seq"] != seq:
        return f"account_seq: expected {seq}, found {row['answer']['account_seq']}"
    return None


def _horizon_fault(row: Json, ask: Ask) -> str | None:
    """Hold the day from which an approved order counts to its ship date and the horizon."""
    expected = ask.counts_from if row["outcome"] == "APPROVE" else None
    found = row["answer"].get("counts_from")
    return None if found == expected else f"counts_from: expected {expected}, found {found}"


def _dates_fault(ask: Ask) -> str | None:
    """Hold the business day to the moment, wherever the segment was, and the rates to that day."""
    at = datetime.fromisoformat(ask.situation["at"]).astimezone(UTC).date()
    today = date.fromisoformat(ask.situation["today"])
    if abs((today - at).days) > 1:
        return f"today: expected {at} or a day beside it, for it was judged then, found {today}"
    return undue(ask.situation.get("rates", {}).values(), today)
