"""The health of a version: does it meet the customers it met before, and were they as it said."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.domain.drift import Month, Stability, Verdict, stability, worst
from app.domain.errors import NotFoundError
from app.domain.models import RegisteredModel
from app.store import models, score_models
from app.store.database import Database, Tx, moment
from app.store.score_health import Version
from app.store.score_models import Named
from app.telemetry.scores import MODEL_CALIBRATION, MODEL_PSI
from app.usecases.portions import Cursor, Portion

SAMPLE: Final = 5_000
"""Customers looked at, at most: enough for a share, and read within a second or two."""

WINDOW: Final = timedelta(days=30)
"""What is compared are the first and the last so many days that a version scored; halves before."""

_SCORE: Final = "score"


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a version; `reference_until` and `recent_from` are None before it scored."""

    model: RegisteredModel
    reference: tuple[datetime, datetime] | None
    recent: tuple[datetime, datetime] | None
    counts: tuple[int, int]
    score: Stability
    features: Sequence[Stability]
    months: Sequence[Month]

    @property
    def verdict(self) -> Verdict:
        """The worst of the score's and the months'; a feature alone calls for a look."""
        features = worst([one.verdict for one in self.features])
        watched = Verdict.WATCH if features is Verdict.ACT else features
        return worst([self.score.verdict, watched, *(one.verdict for one in self.months)])

    @property
    def calibration(self) -> float | None:
        """Defaults per default told, over the months that are over; None where none is."""
        over = [one for one in self.months if one.matured]
        told = sum(one.predicted * one.scored for one in over)
        return sum(one.defaulted for one in over) / told if told else None


@dataclass(frozen=True, slots=True)
class ReadHealth:
    """Look at a version of a model."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, name: str, version: int | None = None) -> Health:
        """Return the health of a version; None: of the champion, else the shadow of that name.

        Raises:
            NotFoundError: No such model or version, or none of the name stands.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            if version is None:
                names = score_models.standing(tx, name)
                named = names.champion or names.shadow
                if named is None:
                    raise NotFoundError(f"no version of {name[:64]!r} stands", "name")
                version = named.version
            return look(tx, models.read(tx, name, version), self.now())


def look(tx: Tx, found: RegisteredModel, at: datetime) -> Health:
    """Compare what a version met and said with what it meets, and with what happened."""
    manifest = found.manifest
    one = Version(
        manifest.name, manifest.version, manifest.late_days, manifest.horizon_days, SAMPLE
    )
    months, span = one.months(tx, at.date()), one.span(tx)
    if span is None:
        return Health(found, None, None, (0, 0), Stability(_SCORE, None, 0, 0), (), months)
    width = min(WINDOW, (at - span[0]) / 2)
    reference, recent = (span[0], span[0] + width), (at - width, at)
    before, now = one.sample(tx, *reference), one.sample(tx, *recent)
    moved = [
        stability(name, [row.get(name) for _, row in before], [row.get(name) for _, row in now])
        for name in manifest.feature_names
    ]
    moved.sort(key=lambda each: -(each.psi or 0.0))
    score = stability(_SCORE, [value for value, _ in before], [value for value, _ in now])
    counts = len(before), len(now)
    return Health(found, reference, recent, counts, score, moved, months)


@dataclass(slots=True)
class WatchHealth:
    """Publish the health of the champion as metrics, once a day and after each start.

    Another champion is looked at at once: what the one before was told of is taken back, as where
    none is left.
    """

    database: Database
    name: str | None = None
    clock: Callable[[Tx], datetime] = moment
    _looked: tuple[Named, datetime] | None = None
    _told: frozenset[str] = frozenset()

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Look, unless that was done of this version within a day.

        Raises:
            BusyError: The database was out of reach.

        """
        del after
        with self.database.read() as tx:
            at, names = self.clock(tx), score_models.standing(tx, self.name)
            champion = names.champion
            if champion is None:
                self._looked = None
                self._publish({}, None)
                return Portion(0)
            if self._is_fresh(champion, at):
                return Portion(0)
            found = look(tx, models.read(tx, champion.name, champion.version), at)
        self._looked = champion, at
        moved = {one.name: one.psi for one in (found.score, *found.features)}
        known = {name: psi for name, psi in moved.items() if psi is not None}
        self._publish(known, found.calibration)
        return Portion(1)

    def _is_fresh(self, champion: Named, at: datetime) -> bool:
        if self._looked is None:
            return False
        version, looked = self._looked
        return version == champion and at - looked < timedelta(days=1)

    def _publish(self, known: Mapping[str, float], calibration: float | None) -> None:
        """Tell what is known now; what was told before and is not known any more is no number."""
        for name in self._told - known.keys():
            MODEL_PSI.labels(name).set(math.nan)
        for name, psi in known.items():
            MODEL_PSI.labels(name).set(psi)
        self._told = frozenset(known)
        MODEL_CALIBRATION.set(calibration or 0.0)
