"""Put a trained model together as the registry takes it: the file, the manifest, the card."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import Final

import numpy as np

from app.domain.feature_catalogue import FEATURE
from app.domain.features import Unit
from app.domain.manifests import (
    MODEL_FILES,
    FeatureType,
    GoldenRow,
    Manifest,
    ModelFeature,
    PackageFile,
    TrainingData,
)
from app.scoring.training_run import Trained

GOLDEN: Final = 32
"""Rows whose predictions the manifest repeats, spread from the safest to the riskiest."""

_METRICS: Final = (
    "auc",
    "ks",
    "brier",
    "baseline_auc",
    "baseline_brier",
    "ece",
    "log_loss",
    "n_train",
    "n_test",
    "positives_test",
)


def package(
    trained: Trained,
    report: Mapping[str, object],
    attachments: Mapping[str, bytes],
    author: str,
) -> tuple[Manifest, bytes]:
    """Write the manifest, as version 0, and the model's file.

    `made_at` is midnight (UTC) after the last day the ledger knew: a manifest says the same of the
    same data, whenever it is written. When it was registered, and by whom, the registry keeps.
    """
    card, data = trained.wish.card, trained.model.text.encode()
    target = trained.wish.target
    manifest = Manifest(
        name=card.name,
        kind=trained.wish.kind,
        model=_file(MODEL_FILES[trained.wish.kind], data),
        features=tuple(_feature(name) for name in trained.names),
        target=f"an invoice more than {target.late_days} days late",
        late_days=target.late_days,
        horizon_days=target.horizon_days,
        minimum_history=card.minimum_history,
        training=_training(trained),
        metrics=_metrics(report),
        prior=trained.mean,
        calibration=trained.model.calibration,
        scaling=card.scaling,
        classes=card.classes,
        lights=card.lights,
        golden=_golden(trained),
        libraries=trained.libraries,
        author=author,
        made_at=datetime.combine(trained.observed.until, time(), UTC),
        attachments=tuple(_file(name, attachments[name]) for name in sorted(attachments)),
    )
    return manifest, data


def _file(name: str, data: bytes) -> PackageFile:
    return PackageFile(name, len(data), sha256(data).hexdigest())


def _feature(name: str) -> ModelFeature:
    found = FEATURE[name]
    return ModelFeature(
        name=name,
        type=FeatureType.WHOLE if found.unit is Unit.COUNT else FeatureType.NUMBER,
        lower=found.lower,
        upper=found.upper,
        monotone=found.monotone,
        reason=found.reason,
    )


def _training(trained: Trained) -> TrainingData:
    learn = trained.learn
    return TrainingData(
        window_from=np.min(learn.days).astype(object),
        window_until=np.max(learn.days).astype(object),
        data_sha256=learn.keep(trained.names).digest(),
        rows=len(learn),
        positives=int(np.sum(learn.labels)),
        seed=trained.wish.seed,
    )


def _metrics(report: Mapping[str, object]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _METRICS:
        value = report[name]
        if isinstance(value, int | float):
            found[name] = float(value)
    found["better_than_rule"] = float(report["verdict"] == "better than the rule")
    return found


def _golden(trained: Trained) -> tuple[GoldenRow, ...]:
    kept = trained.learn.keep(trained.names)
    predicted = trained.model.predict(kept)
    there = np.flatnonzero(~np.isnan(predicted))
    ranked = there[np.argsort(predicted[there], kind="stable")]
    chosen = ranked[np.linspace(0, len(ranked) - 1, GOLDEN).astype(np.intp)]
    return tuple(
        GoldenRow(
            tuple(None if np.isnan(value) else float(value) for value in kept.values[row]),
            float(predicted[row]),
        )
        for row in chosen
    )
