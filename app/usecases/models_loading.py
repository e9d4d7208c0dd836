"""Load versions for predictions: what stands in the registry comes to stand in this process.

A version that fails a check leaves in place whatever served before, and is told three ways: a log
line, metrics, and the fault of the version in the registry.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final

import structlog

from app.domain.errors import BusyError
from app.domain.errors_models import ModelRefusedError
from app.domain.models import Alias, Fault, ModelState, RegisteredModel
from app.scoring.loadable import Loadable
from app.scoring.process import Place, ScoringProcess
from app.scoring.shelf import Shelf
from app.scoring.verification import checked_with, verify
from app.store import models
from app.store.database import Database
from app.telemetry.scoring import MODELS_FAULTY, MODELS_REFUSED

_log = structlog.get_logger(__name__)

AGAIN_S: Final = 60.0
"""How long a version that failed is left alone before it is tried again, in seconds."""

_ALIASES: Final = {ModelState.CHAMPION: Alias.CHAMPION, ModelState.SHADOW: Alias.SHADOW}


def load_version(
    database: Database, shelf: Shelf, found: RegisteredModel, at: datetime
) -> Loadable:
    """Read and check a version; its fault in the registry says afterwards how that went.

    Raises:
        ModelRefusedError: A check failed.
        BusyError: Database, store or trial process was out of reach.

    """
    rules = checked_with()
    with database.read() as tx:
        known = models.remembered(tx, [found.manifest_sha256], rules)
    try:
        signed = shelf.read(found.model, found.manifest)
        remembered = found.manifest_sha256 in known
        loaded = verify(signed, found, shelf.trust(), remembered=remembered)
    except ModelRefusedError as refused:
        tell_fault(database, found, Fault(refused.check, refused.detail, at))
        raise
    with database.begin() as tx:
        models.remember(tx, found.manifest_sha256, rules)
        if found.fault is not None:
            models.set_fault(tx, found.model, None)
    return loaded


def tell_fault(database: Database, found: RegisteredModel, fault: Fault) -> None:
    """Raise the alert: whoever watches the metrics, the log or the registry learns of it."""
    MODELS_REFUSED.labels(fault.check).inc()
    _log.error(
        "model_refused",
        model=found.manifest.name,
        version=found.manifest.version,
        state=found.state.value,
        check=fault.check,
        detail=fault.detail,
    )
    with database.begin() as tx:
        models.set_fault(tx, found.model, fault)


@dataclass(slots=True)
class RefreshModels:
    """Let the scoring process serve what stands in the registry; harmless to repeat."""

    database: Database
    shelf: Shelf
    process: ScoringProcess
    now: Callable[[], datetime]
    elapsed: Callable[[], float] = time.monotonic
    _again: dict[Place, tuple[int, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self) -> int:
        """Load what changed and return how many places do not have the version they should.

        Raises:
            BusyError: The database was out of reach; what served goes on serving.

        """
        with self._lock:
            with self.database.read() as tx:
                wanted = {
                    (one.manifest.name, _ALIASES[one.state]): one for one in models.serving(tx)
                }
            missing = sum(not self._settle(place, wanted) for place in self._places(wanted))
        MODELS_FAULTY.set(missing)
        return missing

    def _places(self, wanted: Mapping[Place, RegisteredModel]) -> list[Place]:
        """Name every place that has a version or should have one, champions before shadows."""
        return sorted({*wanted, *self.process.places()}, key=lambda one: (one[1], one[0]))

    def _settle(self, place: Place, wanted: Mapping[Place, RegisteredModel]) -> bool:
        """Bring one place up to date; False where it cannot be now."""
        found, has = wanted.get(place), self.process.places().get(place)
        if (None if found is None else found.model) == has:
            return True
        if found is None:
            return self._install(place, None)
        version, until = self._again.get(place, (0, 0.0))
        if version == found.manifest.version and self.elapsed() < until:
            return False
        try:
            loaded = load_version(self.database, self.shelf, found, self.now())
        except ModelRefusedError:
            self._again[place] = (found.manifest.version, self.elapsed() + AGAIN_S)
            return False
        except BusyError as busy:
            _log.warning("model_not_loaded", model=place[0], place=place[1], reason=busy.detail)
            return False
        return self._install(place, loaded, found)

    def _install(
        self, place: Place, loaded: Loadable | None, found: RegisteredModel | None = None
    ) -> bool:
        try:
            self.process.install(place, loaded)
        except ModelRefusedError as refused:
            if found is not None:
                tell_fault(self.database, found, Fault(refused.check, refused.detail, self.now()))
                self._again[place] = (found.manifest.version, self.elapsed() + AGAIN_S)
            return False
        except BusyError as busy:
            _log.warning("model_not_loaded", model=place[0], place=place[1], reason=busy.detail)
            return False
        version = None if loaded is None else loaded.manifest.version
        _log.info("model_serves", model=place[0], place=place[1].value, version=version)
        return True
