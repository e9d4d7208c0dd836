"""Authorize orders and check limits: take a batch, lock, judge, write, commit, then answer."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from app.domain.advice import Advice, Outlook, advise, limits_needed
from app.domain.errors import BusyError, CreditError, KeyReusedError
from app.domain.judging import judge, require_unmoved
from app.domain.money import Money
from app.domain.payments import OpenInvoice
from app.domain.rates import find_rate
from app.domain.rules import RuleSet, read_rule_set
from app.domain.values import changed
from app.store.lane import Lane
from app.store.lane_rows import Claim, Known, Loaded, Want
from app.telemetry import (
    ORDER_HOLDS_CLOSED,
    ORDER_HOLDS_OPENED,
    SCORE_AGE_SECONDS,
    count_decisions,
)
from app.usecases.answers import Decided, render
from app.usecases.asks import Answer, Ask, to_json
from app.usecases.batches import Batch
from app.usecases.records import Judged, decision_row, hold_id_of, record_of
from app.usecases.releases_judged import let_pass, not_released

Outcome = Answer | CreditError


@dataclass(frozen=True, slots=True)
class AuthorizeOrders:
    """Judge orders together and reserve what is approved; what third parties know is stored.

    The same object checks limits: without a lock, without a key, in one snapshot.
    """

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    rule_sets: dict[int, RuleSet] = field(default_factory=dict)

    async def __call__(self, lane: Lane, asks: Sequence[Ask]) -> list[Outcome]:
        """Return one answer an ask, in order; an equal key gets the answer it had.

        Raises:
            BusyError: A lock or the database was out of reach; nothing was changed.

        """
        began, at = time.perf_counter(), self.now()
        by_key = _leaders(asks)
        leaders = list(by_key.values())
        claims = [
            Claim(ask.caller.client, ask.key, ask.hash, ask.decision_id)
            for ask in leaders
            if ask.key is not None
        ]
        loaded, known = await lane.load(_want(leaders, at), claims)
        remembered = ((id(ask), _remembered(ask, known)) for ask in leaders) if known else ()
        answers = {key: answer for key, answer in remembered if answer is not None}
        fresh = [ask for ask in leaders if id(ask) not in answers]
        batch = await self._batch(lane, at, loaded, fresh)
        judged = list[Judged]()
        for ask in fresh:
            await batch.breath.take()
            result = self._judge(batch, ask)
            if isinstance(result, Judged):
                judged.append(result)
            else:
                answers[id(ask)] = result
        done = await self._answer(lane, judged, batch)
        refused = [ask for ask in fresh if id(ask) in answers]
        record = record_of(batch, done, refused)
        await lane.record(record, batch.accounts)
        for one in done:
            answers[id(one.ask)] = Answer(one.status, one.body)
        _count(done, time.perf_counter() - began)
        if len(leaders) == len(asks) and not known:
            return [answers[id(ask)] for ask in asks]
        first = [by_key[ask.caller.client, ask.key] for ask in asks]
        return [
            _remembered(ask, known) or _followed(ask, leader, answers[id(leader)])
            for ask, leader in zip(asks, first, strict=True)
        ]

    async def check(self, lane: Lane, asks: Sequence[Ask]) -> list[Outcome]:
        """Answer limit checks; only the decision log is written.

        Raises:
            BusyError: The database was out of reach.

        """
        began, at = time.perf_counter(), self.now()
        # a batch whose COMMIT was lost is asked again: under new ids, as nobody heard of the old
        asks = [changed(ask, decision_id=self.new_id()) for ask in asks]
        loaded = await lane.look(_want(asks, at))
        batch = await self._batch(lane, at, loaded, asks)
        batch.keep_seqs()  # what is brought up to date here is not written
        results = list[Judged | CreditError]()
        for ask in asks:
            await batch.breath.take()
            results.append(self._judge(batch, ask))
        judged = [one for one in results if isinstance(one, Judged)]
        done = await self._answer(lane, judged, batch)
        await lane.log(at, [decision_row(one) for one in done])
        _count(done, time.perf_counter() - began)
        bodies = iter(done)
        return [
            one if isinstance(one, CreditError) else Answer(one.status, next(bodies).body)
            for one in results
        ]

    async def _batch(self, lane: Lane, at: datetime, loaded: Loaded, asks: Sequence[Ask]) -> Batch:
        """Load what only some batches need: rates, limits that change, rule sets."""
        batch = Batch(at, loaded)
        asked = [(ask.question, ask.caller) for ask in asks]
        if loaded.has_due:
            batch.uncounted = await lane.uncounted(at, batch.judged_on(asked))
        batch.require_ready(asked)
        currencies = batch.foreign_currencies([ask.question for ask in asks])
        if currencies:
            todays = [state.today for state in loaded.segments.values()]
            batch.rates = await lane.rates(currencies, min(todays), max(todays))
        released = {ask.release.hold_id for ask in asks if ask.release is not None}
        if released:
            batch.held_for = await lane.held_for(released)
        due = batch.due_limits()
        limits = await lane.limits(due) if due else {}
        batch.bring_up_to_date(limits)
        for state in loaded.segments.values():
            version = state.rule_set_version
            if version not in self.rule_sets:
                data = await lane.rule_set(version)
                if data is None:
                    message = f"no rule set {version} is stored"
                    raise LookupError(message)
                self.rule_sets[version] = read_rule_set(version, data)
        return batch

    def _judge(self, batch: Batch, ask: Ask) -> Judged | CreditError:
        """Judge one ask on the batch as it stands, and let the next one meet the effect."""
        try:
            situation = batch.situation(ask.question, ask.caller)
            if ask.release is not None:
                situation = let_pass(situation, ask.release, batch.held_for)
            rules = self.rule_sets[batch.segment(ask.question.segment_id).rule_set_version]
            # an authorization has the id of the decision that gives it, which is found by it
            judgement = judge(ask.question, situation, rules, ask.decision_id)
            require_unmoved(ask.question, ask.seen, situation)
            if ask.release is not None and not judgement.lets_pass:
                raise not_released(judgement)
        except BusyError:
            raise
        except CreditError as refusal:
            return refusal
        hold_id = None
        if ask.kind == "CHECK":
            hold_id = situation.order.hold_id if situation.order else None
        elif judgement.order is not None:
            hold_id, judgement = hold_id_of(judgement, self.new_id)
            batch.apply(judgement, ask.decision_id)
        return Judged(ask, situation, judgement, rules.version, hold_id)

    async def _answer(self, lane: Lane, judged: Sequence[Judged], batch: Batch) -> list[Judged]:
        """Render every answer; what was held gets its advice first."""
        held = [one for one in judged if one.judgement.outcome != "APPROVE"]
        advice = await self._advice(lane, held, batch) if held else {}
        answered = list[Judged]()
        for one in judged:
            await batch.breath.take()
            answered.append(one.answered(_body(one, advice.get(id(one), ()))))
        return answered

    async def _advice(
        self, lane: Lane, held: Sequence[Judged], batch: Batch
    ) -> dict[int, tuple[Advice, ...]]:
        """Work out what would unblock each held order, from the payers' open invoices."""
        payers = {one.situation.accounts[0].account_id for one in held}
        wanted = [limits_needed(one.judgement, one.situation) for one in held]
        rows, limits = await lane.outlook(payers, set().union(*wanted))
        invoices: dict[int, list[OpenInvoice]] = {key: [] for key in payers}
        for row in rows:
            open_money = Money(row.open_minor, row.currency)
            invoices[row.account_id].append(OpenInvoice(row.invoice_id, row.due_date, open_money))
        told = {}
        for one in held:
            await batch.breath.take()
            payer, today = one.situation.accounts[0].account_id, one.situation.today
            find = partial(find_rate, batch.rates, today=today)
            asked = (one.ask.question, self.rule_sets[one.rule_set_version])
            outlook = Outlook(invoices[payer], limits, find)
            told[id(one)] = advise(asked, one.situation, one.judgement, outlook)
        return told


def _body(one: Judged, advice: Sequence[Advice]) -> bytes:
    decided = Decided(
        one.ask.decision_id,
        one.rule_set_version,
        one.hold_id if one.judgement.outcome == "HOLD" or one.ask.kind == "CHECK" else None,
        one.ask.kind != "CHECK",
        advice,
    )
    return to_json(render(one.ask.question, one.situation, one.judgement, decided))


def _leaders(asks: Sequence[Ask]) -> dict[tuple[str, str | None], Ask]:
    """Keep the first ask of each (client, key)."""
    first: dict[tuple[str, str | None], Ask] = {}
    for ask in asks:
        first.setdefault((ask.caller.client, ask.key), ask)
    return first


def _followed(ask: Ask, leader: Ask, answer: Outcome | None) -> Outcome:
    """Give an ask the answer of the first with its key."""
    if answer is None:
        message = "a leader was left without an answer"
        raise AssertionError(message)
    if leader.hash != ask.hash:
        # a refusal leaves the key free, but only once this batch is over
        refused = isinstance(answer, CreditError)
        return BusyError("the key is being cleared away; try again") if refused else _reused(ask)
    if leader is not ask and isinstance(answer, Answer):
        return replace(answer, replayed=True)
    return answer


def _remembered(ask: Ask, known: dict[tuple[str, str], Known]) -> Outcome | None:
    """Give the answer an earlier request with this key got; None for a new key."""
    found = known.get((ask.caller.client, ask.key or ""))
    if found is None:
        return None
    if found.hash != ask.hash:
        return _reused(ask)
    return Answer(found.status, found.answer, replayed=True)


def _reused(ask: Ask) -> KeyReusedError:
    return KeyReusedError(f"the key {ask.key!r} was used before with another request")


def _want(asks: Sequence[Ask], at: datetime) -> Want:
    return Want(
        refs={(ask.question.segment_id, ask.question.customer_id) for ask in asks},
        orders={(ask.question.segment_id, ask.question.order_id) for ask in asks},
        at=at,
    )


def _count(done: Sequence[Judged], seconds: float) -> None:
    outcomes = Counter[tuple[str, str]](
        [(one.ask.question.check_point, one.judgement.outcome) for one in done]
    )
    codes = [row.reason for one in done for row in one.judgement.reasons]
    count_decisions(outcomes, codes, seconds)
    since = Counter([score["scored_at"] for one in done if (score := one.situation.inputs.score)])
    for told, times in since.items():  # of a batch, all are judged at one moment
        age = done[0].situation.at - datetime.fromisoformat(told)
        SCORE_AGE_SECONDS.repeat(age.total_seconds(), times)
    for one in done:
        if one.hold_id is not None or one.situation.order is not None:
            _count_hold(one)


def _count_hold(one: Judged) -> None:
    judgement, before = one.judgement, one.situation.order
    if one.ask.kind != "CHECK" and one.hold_id and (before is None or before.hold_id is None):
        ORDER_HOLDS_OPENED.labels(judgement.reasons[0].reason).inc()
    after = judgement.order
    if before and before.hold_id and after and after.hold_id is None and one.ask.kind != "CHECK":
        ORDER_HOLDS_CLOSED.labels(one.ask.kind).inc()
