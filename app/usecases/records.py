"""What a batch writes: orders, journal, holds and decisions as rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.domain.decisions import Judgement, Question, Situation
from app.domain.orders import Order
from app.domain.snapshots import question_to_json, situation_to_json
from app.domain.values import changed, quick
from app.store.lane_rows import DecisionRow, Record
from app.usecases.asks import Ask, to_json
from app.usecases.batches import Batch


@quick
@dataclass(frozen=True, slots=True)
class Judged:
    """An ask with its judgement; `body` is the rendered answer once it is there."""

    ask: Ask
    situation: Situation
    judgement: Judgement
    rule_set_version: int
    hold_id: str | None
    body: bytes = b""

    def answered(self, body: bytes) -> "Judged":
        """Give the same with its rendered answer."""
        return Judged(
            self.ask, self.situation, self.judgement, self.rule_set_version, self.hold_id, body
        )

    @property
    def status(self) -> int:
        """200 for a check and for an order that had an authorization already, else 201."""
        order = self.situation.order
        again = order is not None and order.authorization_id is not None
        return 200 if again or self.ask.kind != "AUTHORIZATION" else 201


def hold_id_of(judgement: Judgement, new_id: Callable[[], str]) -> tuple[str | None, Judgement]:
    """Give a held order its hold: the open one, else a new automatic one."""
    order = judgement.order
    if order is None or judgement.outcome != "HOLD":
        return None, judgement
    if order.hold_id is None:
        order = changed(order, hold_id=new_id(), hold_kind="AUTOMATIC")
    return order.hold_id, changed(judgement, order=order)


def record_of(batch: Batch, done: Sequence[Judged], refused: Iterable[Ask]) -> Record:
    """Collect what a batch writes."""
    record = Record(
        batch.at,
        past=batch.past,
        entries=batch.entries,
        decisions=[decision_row(one) for one in done],
        forget=[(ask.caller.client, ask.key) for ask in refused if ask.key is not None],
        rooms=batch.rooms,
    )
    loaded = batch.loaded.orders
    for key, order in batch.orders.items():
        if key not in loaded:
            record.fresh.append(order)
        elif order != loaded[key]:
            record.known.append(order)
    opened: dict[str, dict[str, Any]] = {}
    ended: dict[str, dict[str, Any]] = {}
    for one in done:
        before = one.situation.order
        if one.hold_id is None and (before is None or before.hold_id is None):
            continue  # nearly all
        row, event = _hold(one)
        if row is not None:
            # several asks of one order in a batch: what ends its hold leaves it as it was held last
            (opened if row["status"] == "OPEN" else ended)[row["hold_id"]] = row
            record.hold_events.append(event)
        release = one.ask.release
        if release is not None and release.proposal_id is not None:
            record.approvals.append(_approval(one, release.proposal_id))
    record.holds = [list(opened.values()), list(ended.values())]
    return record


def _approval(one: Judged, proposal_id: str) -> dict[str, Any]:
    """Say who approved what is carried out."""
    return {
        "proposal_id": proposal_id,
        "status": "APPROVED",
        "decided_by": one.ask.caller.client,
        "decided_actor": one.ask.caller.actor,
        "decided_at": one.situation.at,
    }


def decision_row(one: Judged) -> DecisionRow:
    """Write a decision with what it rests on."""
    ask, judgement = one.ask, one.judgement
    question, situation = ask.question, one.situation
    payer = situation.accounts[0]
    inputs = {
        "question": orjson.Fragment(ask.question_json),
        "situation": situation_to_json(situation),
    }
    return DecisionRow(
        ask.decision_id,
        ask.kind,
        payer.account_id,
        question.segment_id,
        payer.customer_id,
        question.order_id,
        judgement.outcome,
        judgement.judged,
        ask.caller.client,
        ask.caller.actor,
        one.rule_set_version,
        situation.inputs.version,
        one.status,
        _opens(one),
        to_json(inputs),
        one.body,
    )


def _opens(one: Judged) -> bool:
    """Whether a decision gave an authorization, which then has its id."""
    ask, order = one.ask, one.judgement.order
    return ask.kind != "CHECK" and order is not None and order.authorization_id == ask.decision_id


def _kept(question: Question, order: Order) -> dict[str, Any]:
    """Write a question that is held, with the order's version where it named none."""
    kept = question_to_json(question)
    if question.version is None:
        kept["seen"] = -1 if order.version is None else order.version
    return kept


def _hold(one: Judged) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Open, update or close the order's hold; None where there is none.

    What is rejected by rules is what an automatic hold waits with: nothing asked before comes back.
    """
    ask, judgement, before = one.ask, one.judgement, one.situation.order
    open_before = before.hold_id if before is not None else None
    automatic = before is not None and before.hold_kind == "AUTOMATIC"
    stays = judgement.outcome == "APPROVE" or (judgement.outcome == "REJECT" and automatic)
    hold_id = one.hold_id or (open_before if stays else None)
    order = judgement.order
    if hold_id is None or order is None or (judgement.outcome == "APPROVE" and order.hold_id):
        return None, {}
    at = one.situation.at
    answer = orjson.loads(one.body)
    approved = judgement.outcome == "APPROVE"
    row = {
        "hold_id": hold_id,
        "kind": order.hold_kind or "AUTOMATIC",
        "status": "RELEASED" if approved else "OPEN",
        "customer_id": one.situation.accounts[0].customer_id,
        "account_id": one.situation.accounts[0].account_id,
        "segment_id": order.segment_id,
        "order_id": order.order_id,
        "ask": _kept(ask.question, order),
        "reasons": answer["reasons"],
        "unblock": answer["unblock"],
        "decision_id": ask.decision_id,
        "authorization_id": order.authorization_id if judgement.lets_pass else None,
        "reason_code": None,
        "auto_release": all(row.row.auto_release for row in judgement.reasons),
        "opened_at": at,
        "updated_at": at,
        "closed_at": at if approved else None,
    }
    release = ask.release
    action = "open" if open_before is None else "update"
    event = {
        "hold_id": hold_id,
        "action": "release" if approved else action,
        "client": ask.caller.client,
        "actor": ask.caller.actor,
        "reason_code": release.reason_code if release else None,
        "note": release.note if release else None,
        "data": {"decision_id": ask.decision_id},
        "at": at,
    }
    return row, event
