"""Names that only some policies read: filled where the rule set in force reads them.

`context.py` fills what every policy reads. What cannot be known is left out, so that rows that read
it say MISSING_INPUT.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache, partial
from math import ceil, isfinite
from typing import Any, Final

from app.domain.accounts import Account
from app.domain.decisions import Question, Situation
from app.domain.money import convert
from app.domain.rules import Subject, Value
from app.domain.rules_names import attribute_key
from app.domain.signals import COUNTS

_PPM: Final = 1_000_000


_BEHAVIOUR: Final = (
    "on_time_rate",
    "mean_days_late",
    "max_days_late",
    "recent_trend",
    "invoices_known",
)


def behaviour_of(features: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a customer's features what rules may read; it goes with the score, as its inputs."""
    found = {name: features.get(name) for name in _BEHAVIOUR}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and isfinite(value)
    }


def behaviour_read(score: Mapping[str, Any] | None) -> dict[str, int]:
    """Give the payment behaviour beside a score as JSON in whole days, percent and invoices.

    So rules read it: rounded up, but a share of what was good is rounded down, else 99.9 % would
    be all.
    """
    kept: Mapping[str, Any] = {} if score is None else score.get("behaviour") or {}
    return {
        name: int(value * 100 + 1e-9) if name == "on_time_rate" else ceil(value)
        for name, value in kept.items()
        if value is not None
    }


def subject_of(question: Question, situation: Situation) -> Subject:
    """Say whom a question is about, as the scopes of rules name it."""
    accounts, more = situation.accounts, situation.inputs.more
    score = situation.inputs.score
    return Subject(
        check_point=question.check_point,
        segment=question.segment_id,
        customer=accounts[0].customer_id,
        groups=tuple(account.customer_id for account in accounts),
        risk_class="" if score is None else str(score["risk_class"]),
        country=more.get("country"),
        industry=more.get("industry"),
    )


def more_context(
    wanted: frozenset[str], question: Question, situation: Situation
) -> dict[str, Value]:
    """Fill those of the wanted names that are filled here and can be known."""
    found: dict[str, Value] = {}
    for name, fill in _fills(wanted):
        value = fill(question, situation)
        if value is not None:
            found[name] = value
    return found


Fill = Callable[[Question, Situation], Value | None]


@lru_cache(maxsize=64)  # a rule set wants the same names for every order
def _fills(wanted: frozenset[str]) -> tuple[tuple[str, Fill], ...]:
    found = [(name, _FILLED[name]) for name in sorted(wanted) if name in _FILLED]
    keys = [(name, attribute_key(name)) for name in sorted(wanted)]
    return (*found, *((name, partial(_attribute, key)) for name, key in keys if key is not None))


def _attribute(key: str, question: Question, _: Situation) -> str | None:
    return question.attributes.get(key)


def _amount(question: Question, situation: Situation) -> int | None:
    """Value the order in the payer's account's currency, rounded up."""
    currency = situation.accounts[0].currency
    if question.amount.currency == currency:
        return question.amount.minor
    rate = situation.rates.get(currency)
    if rate is None:
        return None
    return convert(question.amount.minor, rate.factor(question.amount.currency, currency), up=True)


def _terms(question: Question, situation: Situation) -> int | None:
    """Give the terms asked for, else those agreed with the payer."""
    asked = question.payment_terms_days
    agreed: int | None = situation.inputs.more.get("payment_terms_days")
    return agreed if asked is None else asked


def _ship_in(question: Question, situation: Situation) -> int | None:
    ship_date = question.ship_date
    return None if ship_date is None else (ship_date - situation.today).days


def _limit(account: Account) -> int | None:
    return None if account.unlimited else account.limit_minor


def _utilization(account: Account) -> int | None:
    limit = _limit(account)
    return -(-100 * max(0, account.use.total) // limit) if limit else None


def _headroom(account: Account) -> int | None:
    return None if account.unlimited else (account.limit_minor or 0) - account.use.total


def _tenure(situation: Situation) -> int | None:
    since = situation.inputs.more.get("since")
    return None if since is None else max(0, (situation.today - date.fromisoformat(since)).days)


def _score(situation: Situation, key: str) -> Any:  # noqa: ANN401 - JSON
    score = situation.inputs.score
    return None if score is None else score.get(key)


def _ppm(situation: Situation) -> int | None:
    known = _score(situation, "probability_of_default")
    return None if known is None else round(known * _PPM)


def _paid(situation: Situation, key: str) -> int | None:
    """Read a number of the payment behaviour that the score was computed from."""
    return behaviour_read(situation.inputs.score).get(key)


def _paid_age(situation: Situation) -> int | None:
    as_of = _score(situation, "features_as_of")
    return None if as_of is None else max(0, (situation.today - date.fromisoformat(as_of)).days)


def _signal(name: str, _: Question, situation: Situation) -> int | None:
    """Read a count of what registries know; None where none was ever asked of this customer."""
    signals: Mapping[str, Any] = situation.inputs.more.get("signals") or {}
    found: int | None = signals.get("counts", {}).get(name)
    return found


def _signals_age(situation: Situation) -> int | None:
    """Give the days since a registry was asked last."""
    signals: Mapping[str, Any] = situation.inputs.more.get("signals") or {}
    day = signals.get("checked_on")
    return None if day is None else max(0, (situation.today - date.fromisoformat(day)).days)


def _fx_age(question: Question, situation: Situation) -> int | None:
    currency = situation.accounts[0].currency
    if question.amount.currency == currency:
        return 0
    rate = situation.rates.get(currency)
    return None if rate is None else (situation.today - date.fromisoformat(rate.rate_date)).days


_FILLED: Final[Mapping[str, Fill]] = {
    "check_point": lambda question, _: question.check_point,
    "order_amount_minor": _amount,
    "order_currency": lambda question, _: question.amount.currency,
    "order_type": lambda question, _: question.order_type,
    "payment_terms_days": _terms,
    "ship_in_days": _ship_in,
    "account_limit_minor": lambda _, situation: _limit(situation.accounts[0]),
    "account_exposure_minor": lambda _, situation: situation.accounts[0].use.exposure,
    "account_headroom_minor": lambda _, situation: _headroom(situation.accounts[0]),
    "account_utilization_percent": lambda _, situation: _utilization(situation.accounts[0]),
    "customer_kind": lambda _, situation: situation.inputs.more.get("kind"),
    "customer_country": lambda _, situation: situation.inputs.more.get("country"),
    "customer_industry": lambda _, situation: situation.inputs.more.get("industry"),
    "customer_tenure_days": lambda _, situation: _tenure(situation),
    "score_value": lambda _, situation: _score(situation, "score"),
    "score_pd_ppm": lambda _, situation: _ppm(situation),
    "order_pd_ppm": lambda question, _: question.order_pd_ppm,
    "payment_on_time_percent": lambda _, situation: _paid(situation, "on_time_rate"),
    "payment_days_late_mean": lambda _, situation: _paid(situation, "mean_days_late"),
    "payment_days_late_max": lambda _, situation: _paid(situation, "max_days_late"),
    "payment_trend_days": lambda _, situation: _paid(situation, "recent_trend"),
    "payment_invoices": lambda _, situation: _paid(situation, "invoices_known"),
    **{f"signals_{name}": partial(_signal, name) for name in COUNTS},
    "fx_age_days": _fx_age,
    "payment_age_days": lambda _, situation: _paid_age(situation),
    "signals_age_days": lambda _, situation: _signals_age(situation),
}

FILLED_HERE: Final = frozenset(_FILLED)
"""The names that are filled here; those of the orders' attributes are too."""
