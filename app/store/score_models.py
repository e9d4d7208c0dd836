"""Which versions stand, and what shadows said: one row a customer, version and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import orjson
from sqlalchemy import text

from app.domain.scores import ModelVersion, Score
from app.store.database import Tx


@dataclass(frozen=True, slots=True)
class Named:
    """A version of a model."""

    name: str
    version: int

    @property
    def model(self) -> ModelVersion:
        """The same, as scores name it."""
        return ModelVersion(self.name, self.version)


@dataclass(frozen=True, slots=True)
class Standing:
    """Which versions stand as champion and as shadow; None: none does."""

    champion: Named | None
    shadow: Named | None


_READ_BY_RULES: Final = text("""
SELECT EXISTS (
    SELECT FROM rule_set r WHERE strpos(r.data::text, :name) > 0 AND r.version IN (
        SELECT unnest(ARRAY[s.rule_set_version, s.next_rule_set_version]) FROM segment s
        UNION ALL SELECT unnest(ARRAY[d.rule_set_version, d.next_rule_set_version])
        FROM rule_set_default d))
""")
_STANDING: Final = text("""
SELECT DISTINCT ON (state) state, name, version FROM model_version
WHERE state IN ('CHAMPION', 'SHADOW') AND (CAST(:name AS text) IS NULL OR name = :name)
ORDER BY state, name
""")


def standing(tx: Tx, name: str | None) -> Standing:
    """Read what stands under a name; None: under the first name that something stands under."""
    found = {
        row.state: Named(row.name, row.version) for row in tx.execute(_STANDING, {"name": name})
    }
    return Standing(found.get("CHAMPION"), found.get("SHADOW"))


def is_read_by_rules(tx: Tx, name: str) -> bool:
    """Tell whether a policy that is in force in some segment, or comes to be, reads a name."""
    return bool(tx.execute(_READ_BY_RULES, {"name": name}).scalar_one())


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a shadow said of a customer beside the score that held."""

    customer_id: str
    day: date
    said: Score
    held: Score


_KEEP: Final = text("""
INSERT INTO score_shadow (name, version, customer_id, day, scored_at, score, probability,
    risk_class, held_score, held_probability, held_class, held_source)
SELECT n.name, n.version, n.customer_id, n.day, :at, n.score, n.probability, n.risk_class,
    n.held_score, n.held_probability, n.held_class, n.held_source
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(name text, version int, customer_id text,
    day date, score int, probability float8, risk_class text, held_score int,
    held_probability float8, held_class text, held_source text)
ON CONFLICT (name, version, customer_id, day) DO UPDATE SET scored_at = excluded.scored_at,
    score = excluded.score, probability = excluded.probability, risk_class = excluded.risk_class,
    held_score = excluded.held_score, held_probability = excluded.held_probability,
    held_class = excluded.held_class, held_source = excluded.held_source
""")


def keep_shadows(tx: Tx, found: Sequence[Shadowed], at: datetime) -> None:
    """Keep what a shadow said; the last of a day holds. The customers are locked for scoring."""
    rows = [
        {
            "name": one.said.model.name,
            "version": one.said.model.version,
            "customer_id": one.customer_id,
            "day": one.day.isoformat(),
            "score": one.said.score,
            "probability": one.said.probability_of_default,
            "risk_class": one.said.risk_class.value,
            "held_score": one.held.score,
            "held_probability": one.held.probability_of_default,
            "held_class": one.held.risk_class.value,
            "held_source": one.held.source.value,
        }
        for one in found
    ]
    if rows:
        tx.execute(_KEEP, {"rows": orjson.dumps(rows).decode(), "at": at})
