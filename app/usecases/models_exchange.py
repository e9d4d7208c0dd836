"""Models in and out: packages as folders, and MLflow's LightGBM flavour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from app.domain.errors import FieldError
from app.domain.errors_models import ModelRefusedError
from app.domain.feature_catalogue import FEATURE
from app.domain.manifests import (
    MANIFEST,
    MODEL_FILES,
    UNREGISTERED,
    Calibration,
    GoldenRow,
    Manifest,
    ModelFeature,
    ModelKind,
    PackageFile,
    TrainingData,
)
from app.domain.manifests_check import MOST_ATTACHMENT_BYTES, MOST_MODEL_BYTES, check_manifest
from app.domain.manifests_json import MOST_BYTES, manifest_from_bytes
from app.scoring.foreign_text import golden_rows, read_header
from app.scoring.mlflow_folder import Foreign, mlflow_files, read_mlflow
from app.scoring.packages import SIGNATURE
from app.scoring.shelf import Shelf
from app.scoring.verification import probabilities_of
from app.store import models, scores
from app.store.database import Database
from app.usecases.models import Candidate

UNKNOWN_DATA: Final = "0" * 64
"""The sha256 of training data that was never seen here."""

_SEED: Final = 0


def read_package(folder: Path) -> Candidate:
    """Read a package as training writes it, or as the store keeps it: its version does not count.

    Raises:
        FieldError: The manifest breaks a rule.
        ModelRefusedError: A file is larger than it may be.
        OSError: A file cannot be read.

    """
    manifest = manifest_from_bytes(_read(folder / MANIFEST, MOST_BYTES))
    return Candidate(
        manifest=replace(manifest, version=UNREGISTERED),
        model=_read(folder / manifest.model.name, MOST_MODEL_BYTES),
        attachments={
            one.name: _read(folder / one.name, MOST_ATTACHMENT_BYTES)
            for one in manifest.attachments
        },
    )


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ModelRefusedError(f"{path.name} has more than {most} bytes", "model.size")
    return data


@dataclass(frozen=True, slots=True)
class Origin:
    """What a foreign folder does not say of its model, and a manifest must.

    `rows` and `positives` count what it was trained on, from `since` to `until`, inclusive.
    """

    name: str
    author: str
    late_days: int
    horizon_days: int
    since: date
    until: date
    rows: int
    positives: int


@dataclass(frozen=True, slots=True)
class ExchangeModel:
    """Write a version for MLflow, and make candidates of what MLflow wrote."""

    database: Database
    shelf: Shelf

    def export(self, name: str, version: int) -> Mapping[str, bytes]:
        """Give the files of an MLflow folder by their path in it.

        Raises:
            NotFoundError: There is no such version.
            ModelRefusedError: It is no LightGBM model, or its files are not those registered.
            BusyError: Database or store was out of reach.

        """
        with self.database.read() as tx:
            found = models.read(tx, name, version)
        manifest = found.manifest
        if manifest.kind is not ModelKind.LIGHTGBM:
            told = f"{name} version {version} is a {manifest.kind}, MLflow has no flavour for it"
            raise ModelRefusedError(told, "model.manifest")
        package = self.shelf.read(found.model, manifest)
        if sha256(package.manifest).digest() != found.manifest_sha256:
            told = "the stored manifest is not the one that was registered"
            raise ModelRefusedError(told, "model.manifest")
        if sha256(package.model).hexdigest() != manifest.model.sha256:
            raise ModelRefusedError("the stored model is not the one registered", "model.sha256")
        signed = {MANIFEST: package.manifest, SIGNATURE: package.signature}
        return mlflow_files(manifest, signed, package.model)

    def read(self, folder: Path, origin: Origin | None, at: datetime) -> Candidate:
        """Make a candidate of a folder; what was exported here needs no `origin`.

        It is registered like any other, and signed by that: a signature that came along proves
        who signed it there, not that it may serve here. Attachments stay where they were.

        Raises:
            FieldError: What the folder does not say was not given, or breaks a rule.
            ModelRefusedError: The model is none that could be loaded.
            BusyError: The process that predicts the golden rows could not be started.
            OSError: A file cannot be read.

        """
        foreign = read_mlflow(folder)
        if foreign.manifest is not None:
            ours = replace(foreign.manifest, version=UNREGISTERED, attachments=())
            return Candidate(ours, foreign.text)
        if origin is None:
            raise FieldError("a folder that was not exported here needs its origin told", "name")
        return Candidate(self._describe(foreign, origin, at), foreign.text)

    def _describe(self, foreign: Foreign, origin: Origin, at: datetime) -> Manifest:
        """Write the manifest of a foreign text: the scale is that of the scorecard in use."""
        header = read_header(foreign.text)
        if foreign.inputs and foreign.inputs != header.names:
            raise ModelRefusedError("signature and text name other features", "model.manifest")
        with self.database.read() as tx:
            card = scores.active_scorecard(tx)
        file = PackageFile(
            MODEL_FILES[ModelKind.LIGHTGBM], len(foreign.text), sha256(foreign.text).hexdigest()
        )
        rows = golden_rows(header)
        manifest = Manifest(
            name=origin.name,
            kind=ModelKind.LIGHTGBM,
            model=file,
            features=_features(header.names, header.monotone),
            target=f"an invoice more than {origin.late_days} days late",
            late_days=origin.late_days,
            horizon_days=origin.horizon_days,
            minimum_history=card.minimum_history,
            training=TrainingData(
                origin.since, origin.until, UNKNOWN_DATA, origin.rows, origin.positives, _SEED
            ),
            metrics={},
            prior=origin.positives / max(1, origin.rows),
            calibration=Calibration(),
            scaling=card.scaling,
            classes=card.classes,
            lights=card.lights,
            golden=tuple(GoldenRow(row, 0.5) for row in rows),
            libraries={"lightgbm": foreign.library},
            author=origin.author,
            made_at=at,
        )
        check_manifest(manifest)
        told = probabilities_of(manifest, foreign.text)
        golden = tuple(GoldenRow(row, one) for row, one in zip(rows, told, strict=True))
        return replace(manifest, golden=golden)


def _features(names: Sequence[str], monotone: Sequence[int]) -> tuple[ModelFeature, ...]:
    """Describe the inputs of a text by the catalogue."""
    found = []
    for name, way in zip(names, monotone, strict=True):
        known = FEATURE.get(name)
        if known is None:
            raise FieldError(f"nobody computes the feature {name[:64]!r}", "features")
        found.append(
            ModelFeature(
                name=name,
                lower=known.lower,
                upper=known.upper,
                monotone=way,
                reason=known.reason,
            )
        )
    return tuple(found)
