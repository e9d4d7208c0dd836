"""From bytes to a version that can be predicted with: every check, in the order of its cost.

Size, signature, whose manifest it is, sha256, structure, then a process of its own that loads it
and must give the golden predictions. A version that failed any of them serves nobody.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from app.domain.errors import BusyError, FieldError
from app.domain.errors_models import ModelRefusedError
from app.domain.manifests import Manifest, ModelKind, PackageFile
from app.domain.manifests_check import MOST_MODEL_BYTES
from app.domain.manifests_json import MOST_BYTES, manifest_from_bytes
from app.domain.models import Package, RegisteredModel
from app.domain.points_model import check_points
from app.domain.scorecard import Scorecard
from app.domain.scorecard_json import scorecard_from_json
from app.scoring.loadable import Loadable
from app.scoring.packages import Trusted
from app.scoring.process_frames import Message, PipeError
from app.scoring.process_link import Link, library_version
from app.scoring.validator import VALIDATOR, check_text, loadable_part

_TRIAL_S: Final = 30
"""Processor and wall-clock seconds that the trial process may take to load and predict."""


@dataclass(frozen=True, slots=True)
class SignedPackage:
    """A version's files as read: bytes that nobody has looked at yet."""

    manifest: bytes
    signature: bytes
    model: bytes


def checked_with() -> str:
    """Name what a check depends on besides the bytes: the rules, and the version of LightGBM."""
    return f"validator {VALIDATOR}, lightgbm {library_version()}"


def verify(
    signed: SignedPackage, expected: RegisteredModel, trusted: Trusted, *, remembered: bool
) -> Loadable:
    """Check a stored version; `remembered`: the same bytes passed structure and trial before.

    A signature alone is not enough: an older version, signed as well, must not pass for this one.

    Raises:
        ModelRefusedError: Says which check failed.
        BusyError: The trial process could not be started.

    """
    if len(signed.manifest) > MOST_BYTES or len(signed.model) > MOST_MODEL_BYTES:
        raise ModelRefusedError("a file is larger than any may be", "model.size")
    trusted.check(signed.manifest, signed.signature)
    manifest = read_manifest(signed.manifest)
    if (manifest.name, manifest.version) != (expected.model.name, expected.model.version):
        line = f"the manifest is that of {manifest.name} version {manifest.version}"
        raise ModelRefusedError(line, "model.manifest")
    if sha256(signed.manifest).digest() != expected.manifest_sha256:
        raise ModelRefusedError("the manifest is not the one that was registered", "model.manifest")
    return check_package(Package(manifest, signed.model), remembered=remembered)


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ModelRefusedError: It breaks a rule; says which.

    """
    try:
        return manifest_from_bytes(data)
    except FieldError as error:
        raise ModelRefusedError(f"the manifest: {error.detail}", "model.manifest") from error


def check_package(package: Package, *, remembered: bool = False) -> Loadable:
    """Check a model's file against its manifest: bytes, structure, trial, golden predictions.

    Raises:
        ModelRefusedError: Says which check failed.
        BusyError: The trial process could not be started.

    """
    manifest = package.manifest
    check_bytes(manifest.model, package.model)
    if manifest.kind is ModelKind.SCORECARD:
        loadable = Loadable(manifest, card=_read_card(package.model, manifest))
        rows = [row.values for row in manifest.golden]
        loadable.check_golden([one.grade.probability for one in loadable.points(rows)])
        return loadable
    if remembered:
        return Loadable(manifest, loadable_part(package.model))
    loadable = Loadable(manifest, check_text(package.model, manifest).loadable)
    try_in_child(loadable)
    return loadable


def check_bytes(file: PackageFile, data: bytes) -> None:
    """Hold a file's bytes against what the manifest says of them.

    Raises:
        ModelRefusedError: The size or the sha256 is another one.

    """
    if len(data) != file.size_bytes:
        line = f"{file.name} has {len(data)} bytes, the manifest says {file.size_bytes}"
        raise ModelRefusedError(line, "model.size")
    if sha256(data).hexdigest() != file.sha256:
        raise ModelRefusedError(f"the sha256 of {file.name} is not the manifest's", "model.sha256")


def check_attachments(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Hold all attachments against the manifest; each is there, and none besides.

    Raises:
        ModelRefusedError: One is missing, unknown or another one.

    """
    listed = {one.name: one for one in manifest.attachments}
    for name in sorted(listed.keys() ^ files.keys()):
        told = "is not there" if name in listed else "is unknown to the manifest"
        raise ModelRefusedError(f"the attachment {name[:100]!r} {told}", "model.manifest")
    for name, file in listed.items():
        check_bytes(file, files[name])


def _read_card(data: bytes, manifest: Manifest) -> Scorecard:
    try:
        card = scorecard_from_json(json.loads(data))
        check_points(card, manifest)
    except RecursionError:
        raise ModelRefusedError("the scorecard is nested too deeply", "model.structure") from None
    except FieldError as error:
        raise ModelRefusedError(f"the scorecard: {error.detail}", "model.structure") from error
    except ValueError as error:
        raise ModelRefusedError(f"the scorecard is not JSON: {error}", "model.structure") from None
    return card


def try_in_child(loadable: Loadable, seconds: int = _TRIAL_S) -> None:
    """Load and predict in a process that exists for nothing else, with little time and memory.

    Raises:
        ModelRefusedError: It crashed, hung, or gives other predictions.
        BusyError: The process could not be started.

    """
    loadable.check_loaded(ask_child(loadable, seconds))


def ask_child(loadable: Loadable, seconds: int = _TRIAL_S) -> Message:
    """Let a process of its own load a model and predict its golden rows.

    Raises:
        ModelRefusedError: It crashed or hung.
        BusyError: The process could not be started.

    """
    try:
        link = Link(cpu_seconds=seconds)
    except PipeError as error:
        raise BusyError(f"the model cannot be tried now: {error}") from error
    try:
        return link.ask(loadable.load_message(), seconds)
    except PipeError as error:
        told = f"the process that tried it failed: {error}"
        raise ModelRefusedError(told, "model.process") from error
    finally:
        link.kill()


def probabilities_of(manifest: Manifest, text: bytes) -> list[float]:
    """Predict the golden rows of a manifest that does not know their answers yet.

    Raises:
        ModelRefusedError: The text is not sound, or its process failed.
        BusyError: The process could not be started.

    """
    loadable = Loadable(manifest, check_text(text, manifest).loadable)
    answer = ask_child(loadable)
    if "error" in answer:
        told = f"LightGBM refuses the text: {answer['error']}"
        raise ModelRefusedError(told, "model.process")
    return [manifest.calibration.apply(float(one)) for one in answer["log_odds"]]
