"""The registry of models on a database and a shelf, for tests."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from app.domain.callers import Caller
from app.domain.models import Alias, Move, Package, Promotion, RegisteredModel
from app.domain.scores import ModelVersion
from app.scoring.process import Place
from app.scoring.shelf import Shelf
from app.store.database import Database
from app.store.ids import IdSource
from app.usecases.models import Candidate
from app.usecases.models_moves import MoveAsk
from app.usecases.registry import ModelPolicy, Models
from tests.scoring.packages import constant, points
from tests.server import Clock

ANN = Caller("ann", frozenset({"model:admin"}), actor="Ann")
BOB = Caller("bob", frozenset({"model:admin"}))

_number = count(1)


@dataclass(frozen=True, slots=True)
class Room:
    """The use cases on a shelf of their own, and a name that no other test uses."""

    models: Models
    database: Database
    shelf: Shelf
    name: str

    @property
    def champion(self) -> Place:
        """Name the place of the version that decides."""
        return (self.name, Alias.CHAMPION)

    def register(self, package: Package) -> RegisteredModel:
        """Register a package as Ann."""
        made, _ = self.models.register(ANN, Candidate(package.manifest, package.model))
        return made

    def candidates(self, count: int) -> list[ModelVersion]:
        """Register scorecards, which need no process to be tried."""
        return [self.register(points(self.name, 500 + number)).model for number in range(count)]

    def constants(self, *chances: float) -> list[ModelVersion]:
        """Register LightGBM texts that say one number each."""
        return [self.register(constant(one, self.name)).model for one in chances]

    def move(self, model: ModelVersion, move: Move, caller: Caller = ANN) -> Promotion | None:
        """Move a version, for a reason that says nothing."""
        return self.models.move(caller, MoveAsk(model, move, "because"))

    def promote(self, model: ModelVersion, caller: Caller = ANN) -> Promotion | None:
        """Let a version decide, or propose it."""
        return self.move(model, Move.PROMOTE, caller)

    def states(self) -> dict[int, str]:
        """Give the state of each version."""
        found = self.models.read.versions(self.name, None, 50)
        return {one.manifest.version: one.state.value for one in found}

    def file(self, model: ModelVersion, name: str) -> Path:
        """Find a stored file on the disk."""
        return Path(self.shelf.place) / model.name / str(model.version) / name


def open_room(database: Database, folder: Path, clock: Clock, policy: ModelPolicy) -> Room:
    """Make the use cases with store and key in a folder, under a name of its own."""
    shelf = Shelf.at(folder, None, None, "")
    models = Models.over(database, shelf, policy, clock, IdSource())
    return Room(models, database, shelf, f"model-{next(_number)}")
