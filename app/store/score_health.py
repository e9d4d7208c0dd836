"""What a version said of customers, and what became of them: for its health and its report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import DateTime, String

from app.domain.drift import Month
from app.store.behaviour import LOWERED
from app.store.database import Tx

# Always the same customers, spread over all: what is compared over time are the same people.
_SOME: Final = """
SELECT customer_id FROM customer_score ORDER BY hashtext(customer_id), customer_id LIMIT :most
"""
_OF_MODEL: Final = """
coalesce(z.data -> 'override' -> 'computed', z.data) -> 'model'
    = jsonb_build_object('name', CAST(:name AS text), 'version', CAST(:version AS int))
"""

_SAMPLE: Final = text(f"""
SELECT r.score, r.features FROM ({_SOME}) AS s CROSS JOIN LATERAL (
    SELECT (coalesce(z.data -> 'override' -> 'computed', z.data) ->> 'score')::float8 AS score,
        z.data -> 'features' AS features
    FROM score z WHERE z.customer_id = s.customer_id AND z.scored_at >= :since
        AND z.scored_at < :until AND {_OF_MODEL}
    ORDER BY z.score_id DESC LIMIT 1) AS r
""")  # noqa: S608 - constants

_SPAN: Final = text(f"""
SELECT min(z.scored_at), max(z.scored_at) FROM ({_SOME}) AS s
JOIN score z ON z.customer_id = s.customer_id WHERE {_OF_MODEL}
""")  # noqa: S608 - constants

# One invoice, and whether it was lowered to nothing by the end of the last day on which it would
# not have been late, as in training (`app/scoring/training_rows.py`), which looks at the ledger up
# to its last fact and not up to today.
_FORETOLD: Final = """
SELECT i.segment_id, i.invoice_id, i.amount_minor, i.currency, i.due_date + :late AS closes
FROM account a JOIN invoice i ON i.account_id = a.account_id
WHERE a.customer_id = p.customer_id AND i.amount_minor > 0 AND i.issue_date > p.day
    AND i.due_date + :late < p.day + :horizon
ORDER BY i.issue_date, i.segment_id, i.invoice_id LIMIT 1
"""

_DEFAULTED: Final = f"""
i.amount_minor > coalesce((
    SELECT sum(lowered.minor) FROM ({LOWERED}) AS lowered WHERE lowered.day <= i.closes), 0)
"""  # noqa: S608 - constants

_MONTHS: Final = text(f"""
SELECT date_trunc('month', p.day)::date AS month, count(i.closes) AS scored,
    avg(p.probability) FILTER (WHERE i.closes IS NOT NULL) AS told,
    count(*) FILTER (WHERE {_DEFAULTED}) AS defaulted,
    bool_and(p.day + :horizon <= :today) AS matured
FROM ({_SOME}) AS s CROSS JOIN LATERAL (
    SELECT DISTINCT ON (date_trunc('month', x.day)) s.customer_id, x.day, x.probability FROM (
        SELECT (z.data ->> 'features_as_of')::date AS day,
            (coalesce(z.data -> 'override' -> 'computed', z.data)
                ->> 'probability_of_default')::float8 AS probability
        FROM score z WHERE z.customer_id = s.customer_id AND {_OF_MODEL}
        UNION ALL
        SELECT h.day, h.probability FROM score_shadow h
        WHERE h.name = :name AND h.version = :version AND h.customer_id = s.customer_id) AS x
    WHERE x.probability IS NOT NULL ORDER BY date_trunc('month', x.day), x.day) AS p
LEFT JOIN LATERAL ({_FORETOLD}) AS i ON i.closes < :today
GROUP BY 1 HAVING count(i.closes) > 0 ORDER BY 1
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Version:
    """A version, what default means to it, and how many customers are looked at, at most."""

    name: str
    version: int
    late_days: int
    horizon_days: int
    most: int

    @property
    def _named(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "most": self.most}

    def span(self, tx: Tx) -> tuple[datetime, datetime] | None:
        """Say since when and until when it scored; None where it never did."""
        first, last = tx.execute(_SPAN, self._named).one()
        return None if first is None else (first, last)

    def sample(
        self, tx: Tx, since: datetime, until: datetime
    ) -> list[tuple[float | None, Mapping[str, float | None]]]:
        """Read score and features of customers, each as of its last score of a period."""
        values = self._named | {"since": since, "until": until}
        return [(row.score, row.features or {}) for row in tx.execute(_SAMPLE, values)]

    def months(self, tx: Tx, today: date) -> list[Month]:
        """Compare probabilities with what happened, as champion and as shadow, by month.

        What was foretold is the customer's next invoice: the first issued after the day of the
        score whose lateness shows within the horizon. Who has none, or none whose last day in time
        is over, is not counted, and a month without any is not there.
        """
        values = {"late": self.late_days, "horizon": self.horizon_days, "today": today}
        return [Month(*row) for row in tx.execute(_MONTHS, self._named | values)]


_SHADOWS: Final = text("""
SELECT n.place, h.score, h.probability, h.risk_class, h.version
FROM unnest(:ids, :moments) WITH ORDINALITY AS n(customer_id, at, place)
CROSS JOIN LATERAL (
    SELECT * FROM score_shadow h WHERE h.name = :name
        AND (CAST(:version AS int) IS NULL OR h.version = :version)
        AND h.customer_id = n.customer_id AND h.scored_at <= n.at
    ORDER BY h.scored_at DESC, h.version DESC LIMIT 1) AS h
""").bindparams(
    bindparam("ids", type_=ARRAY(String)),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a shadow had said of a customer last; score and probability are None in class N."""

    score: int | None
    probability: float | None
    risk_class: str
    version: int


def said_by(
    tx: Tx, model: tuple[str, int | None], asked: Sequence[tuple[str, datetime]]
) -> list[Said | None]:
    """Look up what a shadow (None: whichever of the name) had said of customers by some moments.

    Customers are asked for by their own ids. Of a day the last word alone is kept: what was said
    after the moment took the place of what the shadow had said earlier that day.
    """
    name, version = model
    values = {
        "name": name,
        "version": version,
        "ids": [customer_id for customer_id, _ in asked],
        "moments": [at for _, at in asked],
    }
    found: list[Said | None] = [None] * len(asked)
    for place, *row in tx.execute(_SHADOWS, values):
        found[place - 1] = Said(*row)
    return found
