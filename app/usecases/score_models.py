"""Rate by the model that stands as champion, else by the scorecard; a shadow is rated beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal, Protocol

import structlog

from app.domain.decisions import Question
from app.domain.errors import BusyError, FieldError
from app.domain.manifests import Manifest
from app.domain.models import Alias, Prediction, Scorer
from app.domain.scores import Score
from app.domain.scores_model import model_score
from app.domain.whatif import Row
from app.scoring.observing import Copies, ObservingError
from app.store import customers, groups, portfolio, score_models, scores
from app.store.database import Tx
from app.store.scores import Subject
from app.telemetry.scores import SCORE_TROUBLE
from app.texts import PLACEHOLDERS
from app.usecases.score_raters import Bench, RateByCard, Rated, Rater, uses

_log = structlog.get_logger(__name__)

OLDEST_RATES_DAYS: Final = 35
"""The rates of all customers that features rest on may be so many days old."""


class Observer(Protocol):
    """Whoever computes features: a process behind a pipe."""

    def __call__(
        self, copies: Copies, asks: Sequence[Mapping[str, object]]
    ) -> list[dict[str, float | None]]:
        """Compute the features of the catalogue for each ask, in order.

        Raises:
            BusyError: It is out of reach.
            ObservingError: Of one of these they cannot be computed.

        """
        ...

    def stop(self) -> None:
        """End the process."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """A customer's features on its business date; amounts are in `currency`."""

    row: Row
    as_of: date
    currency: str


@dataclass(frozen=True, slots=True)
class RateByModel:
    """Rate by the champion called `name` (None: the first name that has one).

    Where there is none the scorecard rates. `trouble` says what holds while a champion cannot be
    reached: `keep` the last score, which is stale, or the `scorecard`.
    """

    scorer: Scorer
    observer: Observer
    name: str | None = None
    trouble: Literal["keep", "scorecard"] = "keep"
    card: Rater = field(default_factory=RateByCard)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        """Rate each subject, by customer id.

        Raises:
            BusyError: The champion is out of reach, and the last score is to be kept.
            ObservingError: Of one of these no features can be computed.

        """
        names = score_models.standing(tx, self.name)
        if names.champion is not None:
            try:
                return self._by_champion(tx, subjects, at, names)
            except ObservingError:  # somebody's data: no ground to doubt the model
                raise
            except (BusyError, FieldError) as trouble:
                self._tell(trouble)
                if self.trouble == "keep":
                    raise BusyError(f"the model cannot score now: {trouble.detail}") from trouble
        rated = self.card(tx, subjects, at)
        return rated if names.shadow is None else self._beside(tx, subjects, at, (names, rated))

    def stop(self) -> None:
        """End the process that computes features."""
        self.observer.stop()

    def bench(self, tx: Tx, subject: Subject, at: datetime) -> Bench:
        """Prepare to rate one customer as it is and as it would be.

        Raises:
            BusyError: The champion is out of reach; so may `Bench.rate`.

        """
        names = score_models.standing(tx, self.name)
        if names.champion is None:
            return self.card.bench(tx, subject, at)
        manifest = self._loaded(names.champion, Alias.CHAMPION)
        seen = self._see(tx, [subject], at)[subject.customer_id]

        def rate_rows(rows: Sequence[Row]) -> list[Score]:
            whole = [replace(seen, row={**seen.row, **row}) for row in rows]
            return self._predict(manifest, whole, reasons=False)

        known = {*manifest.feature_names, "invoices_known"}
        row = {name: value for name, value in seen.row.items() if name in known}
        return Bench(seen.as_of, row, rate_rows)

    def _by_champion(
        self, tx: Tx, subjects: Sequence[Subject], at: datetime, names: score_models.Standing
    ) -> dict[str, Rated]:
        manifest = self._loaded(names.champion, Alias.CHAMPION)
        seen = self._see(tx, subjects, at)
        scores = self._predict(manifest, list(seen.values()), reasons=True)
        shadows = self._shadows(names, list(seen.values()))
        return {
            key: Rated(score, one.as_of, _known(one.row), manifest, shadow)
            for (key, one), score, shadow in zip(seen.items(), scores, shadows, strict=True)
        }

    def _beside(
        self,
        tx: Tx,
        subjects: Sequence[Subject],
        at: datetime,
        found: tuple[score_models.Standing, Mapping[str, Rated]],
    ) -> Mapping[str, Rated]:
        """Add what the shadow says to what the scorecard said; its trouble harms nobody."""
        names, rated = found
        try:
            seen = self._see(tx, subjects, at)
        except BusyError as trouble:
            self._tell(trouble)
            return rated
        shadows = self._shadows(names, list(seen.values()))
        pairs = zip(seen, shadows, strict=True)
        return {key: replace(rated[key], shadow=shadow) for key, shadow in pairs}

    def _shadows(
        self, names: score_models.Standing, seen: Sequence[_Seen]
    ) -> Sequence[Score | None]:
        if names.shadow is not None:
            try:
                manifest = self._loaded(names.shadow, Alias.SHADOW)
                return self._predict(manifest, seen, reasons=False)
            except (BusyError, FieldError) as trouble:
                self._tell(trouble)
        return [None] * len(seen)

    def _loaded(self, model: score_models.Named | None, alias: Alias) -> Manifest:
        """Give the manifest of exactly the version that stands.

        Raises:
            BusyError: This process has not loaded it (yet).

        """
        manifest = None if model is None else self.scorer.standing(model.name, alias)
        if model is None or manifest is None or manifest.version != model.version:
            told = "no model" if model is None else f"{model.name} version {model.version}"
            raise BusyError(f"{told} is not loaded here yet")
        return manifest

    def _see(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> dict[str, _Seen]:
        """Compute the features of subjects as of the end of their business dates.

        Raises:
            BusyError: The process is away, or the rates of all customers were not counted.

        """
        if not subjects:
            return {}
        known = uses(tx, subjects, at)
        asks = [_asked(key, use.currency, day) for key, (use, day) in known.items()]
        rows = self.observer(_copies(tx, list(known), asks, at), asks)
        return {
            key: _Seen(row, day, use.currency)
            for (key, (use, day)), row in zip(known.items(), rows, strict=True)
        }

    def orders(
        self, tx: Tx, questions: Sequence[Question], at: datetime
    ) -> list[Prediction | None]:
        """Predict the PDs of orders as of the end of the day before, as training asks about orders.

        Each names the version that said so. None: the payer is not known, or the order is in
        another currency than its account.

        Raises:
            BusyError: There is no champion, or it is out of reach.
            FieldError: The champion takes features that are not computed.

        """
        manifest = self._loaded(score_models.standing(tx, self.name).champion, Alias.CHAMPION)
        owners = customers.owners(tx, {one.customer_id for one in questions})
        payers = [owners.get(one.customer_id, "") for one in questions]
        known = uses(tx, scores.read_subjects(tx, sorted({*owners.values()})), at)
        terms = groups.terms(tx, list(known))
        agreed = {(one.customer_id, one.segment_id): one.payment_terms_days for one in terms}
        asks = {
            place: _asked(payer, one.amount.currency, known[payer][1] - timedelta(days=1))
            | _order(one, agreed.get((payer, one.segment_id)))
            for place, (one, payer) in enumerate(zip(questions, payers, strict=True))
            if payer in known and known[payer][0].currency == one.amount.currency
        }
        found: list[Prediction | None] = [None] * len(questions)
        if asks:
            asked = list(asks.values())
            rows = self.observer(_copies(tx, list(known), asked, at), asked)
            named = [{name: row[name] for name in manifest.feature_names} for row in rows]
            model = score_models.Named(manifest.name, manifest.version).model
            told = self.scorer.predict(model, named, reasons=False)
            for place, each in zip(asks, told, strict=True):
                found[place] = each
        return found

    def _predict(self, manifest: Manifest, seen: Sequence[_Seen], *, reasons: bool) -> list[Score]:
        model = score_models.Named(manifest.name, manifest.version).model
        rows = [{name: one.row.get(name) for name in manifest.feature_names} for one in seen]
        found = self.scorer.predict(model, rows, reasons=reasons)
        return [
            model_score(one, manifest, each.row, (each.currency, PLACEHOLDERS))
            for one, each in zip(found, seen, strict=True)
        ]

    def _tell(self, trouble: BusyError | FieldError) -> None:
        SCORE_TROUBLE.inc()
        _log.warning("model_cannot_score", reason=trouble.detail)


def _order(one: Question, agreed_days: int | None) -> dict[str, object]:
    """Say of an order what an observation asks; terms not asked for are those agreed."""
    terms = agreed_days if one.payment_terms_days is None else one.payment_terms_days
    return {"order_amount_minor": one.amount.minor, "order_terms_days": terms}


def _copies(
    tx: Tx, customer_ids: Sequence[str], asks: Sequence[Mapping[str, object]], at: datetime
) -> Copies:
    """Copy out what features of customers need.

    The rates of all customers are the newest that each ask may know: counts of a later day would
    be none to who is asked about as of an earlier one, as west of UTC every evening, and those of
    an earlier day older than need be to all others.

    Raises:
        BusyError: The rates of all customers were not counted.

    """
    wanted = portfolio.relatives(tx, customer_ids) | set(customer_ids)
    parts = {name: portfolio.copy_out(tx, name, wanted) for name in portfolio.COLUMNS}
    days = {date.fromisoformat(str(one["as_of"])) for one in asks}
    newest = {one.day: one for day in days if (one := portfolio.newest_counts(tx, day))}
    counts = [one for _, one in sorted(newest.items()) if _is_new(one.day, at)]
    if not counts:
        raise BusyError("the rates of all customers are not counted yet")
    return Copies(parts, [{**asdict(one), "day": one.day.isoformat()} for one in counts])


def _is_new(counted: date, at: datetime) -> bool:
    return (at.date() - counted).days <= OLDEST_RATES_DAYS


def _asked(customer_id: str, currency: str, day: date) -> dict[str, object]:
    """Ask as training and the table do: use is what was open that day, not what is reserved now."""
    return {"customer_id": customer_id, "as_of": day.isoformat(), "currency": currency}


def _known(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.items() if value is not None}
