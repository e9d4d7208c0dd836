"""Models: register a version, and look at what is registered."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

import structlog

from app.domain.callers import Caller
from app.domain.errors import FieldError, NotFoundError
from app.domain.errors_models import ModelRefusedError
from app.domain.manifests import MANIFEST, UNREGISTERED, Manifest
from app.domain.manifests_check import check_manifest
from app.domain.manifests_json import manifest_to_bytes
from app.domain.models import ModelState, Package, Promotion, RegisteredModel, Standing
from app.domain.scores import ModelVersion
from app.scoring.packages import SIGNATURE
from app.scoring.shelf import Shelf
from app.scoring.verification import (
    check_attachments,
    check_bytes,
    check_package,
    checked_with,
)
from app.store import models
from app.store.database import Database
from app.telemetry.scoring import MODELS_REFUSED
from app.usecases.sight import need_everywhere

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What somebody brings: a manifest of version 0, the model's file and the attachments."""

    manifest: Manifest
    model: bytes
    attachments: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisterModel:
    """Check a candidate, give it a version, sign and store it."""

    database: Database
    shelf: Shelf
    now: Callable[[], datetime]
    known_features: Collection[str]
    known_reasons: Collection[str]

    def __call__(self, caller: Caller, brought: Candidate) -> tuple[RegisteredModel, bool]:
        """Return the version, and whether it is new: the same content is registered once.

        Raises:
            ForbiddenError: The caller may not, or only in some segments: versions are for all.
            FieldError: The manifest breaks a rule.
            ModelRefusedError: A check failed; nothing was stored.
            BusyError: Database, store, key or trial process was out of reach.

        """
        caller.need("model:admin")
        with self.database.read() as tx:
            need_everywhere(tx, caller)
        content = self._check(brought)
        name = brought.manifest.name
        with self.database.begin() as tx:
            known = models.same(tx, name, content)
            version = models.claim(tx, name) if known is None else 0
        if known is not None:
            return known, False
        return self._store(caller, brought, content, version)

    def _check(self, brought: Candidate) -> bytes:
        """Run every check that needs no version; returns what the content is recognised by."""
        manifest = brought.manifest
        check_manifest(manifest)
        if manifest.version != UNREGISTERED:
            raise FieldError(f"must be {UNREGISTERED}: registering gives the version", "version")
        for one in manifest.features:
            if one.name not in self.known_features:
                raise FieldError(f"nobody computes the feature {one.name!r}", "features")
            if one.reason is not None and one.reason not in self.known_reasons:
                raise FieldError(f"the reason {one.reason!r} has no text", "features")
        try:
            check_attachments(manifest, brought.attachments)
            check_package(Package(manifest, brought.model))
        except ModelRefusedError as refused:
            MODELS_REFUSED.labels(refused.check).inc()
            _log.warning(
                "model_not_registered",
                model=manifest.name,
                check=refused.check,
                detail=refused.detail,
            )
            raise
        return sha256(manifest_to_bytes(manifest)).digest()

    def _store(
        self, caller: Caller, brought: Candidate, content: bytes, version: int
    ) -> tuple[RegisteredModel, bool]:
        key, manifest = self.shelf.signer(), replace(brought.manifest, version=version)
        signed = manifest_to_bytes(manifest)
        files = {manifest.model.name: brought.model, MANIFEST: signed, SIGNATURE: key.sign(signed)}
        made = RegisteredModel(
            manifest=manifest,
            state=ModelState.CANDIDATE,
            manifest_sha256=sha256(signed).digest(),
            signed_by=key.key_id,
            client=caller.client,
            actor=caller.actor,
            registered_at=self.now(),
        )
        # the files first: a row without its files would be a version that cannot be loaded
        self.shelf.write(made.model, {**brought.attachments, **files})
        with self.database.begin() as tx:
            is_new = models.add(tx, made, content)
            models.remember(tx, made.manifest_sha256, checked_with())
            found = made if is_new else models.same(tx, manifest.name, content)
        if found is None:
            message = "a version of the same content is there and is not"
            raise LookupError(message)
        _log.info("model_registered", model=manifest.name, version=version, new=is_new)
        return found, is_new


@dataclass(frozen=True, slots=True)
class ReadModels:
    """Look at models, their versions and what was done with them."""

    database: Database
    shelf: Shelf

    def every(self, after: str, most: int) -> list[Standing]:
        """List models whose names come after one, in their order."""
        with self.database.read() as tx:
            return models.standings(tx, after, most)

    def standing(self, name: str) -> Standing:
        """Say where the versions of a model stand.

        Raises:
            NotFoundError: There is no such model.

        """
        with self.database.read() as tx:
            return models.standing(tx, name)

    def versions(self, name: str, below: int | None, most: int) -> list[RegisteredModel]:
        """List versions below a number, the newest first; raises what `standing` does."""
        with self.database.read() as tx:
            models.standing(tx, name)
            return models.versions(tx, name, below, most)

    def version(self, name: str, version: int) -> RegisteredModel:
        """Read a version.

        Raises:
            NotFoundError: There is none.

        """
        with self.database.read() as tx:
            return models.read(tx, name, version)

    def champion(self, name: str) -> RegisteredModel:
        """Read the version that decides.

        Raises:
            NotFoundError: There is no such model, or it has no champion.

        """
        with self.database.read() as tx:
            found = models.standing(tx, name).champion
            if found is None:
                raise NotFoundError(f"{name[:64]!r} has no champion")
            return models.read(tx, name, found)

    def promotions(self, name: str, before: str | None, most: int) -> list[Promotion]:
        """List promotions made before one, the newest first; raises what `standing` does."""
        with self.database.read() as tx:
            models.standing(tx, name)
            return models.promotions(tx, name, before, most)

    def file(self, name: str, version: int, file: str) -> bytes:
        """Read the model's file or an attachment of a version, as the manifest lists it.

        Raises:
            NotFoundError: There is no such version or file.
            ModelRefusedError: The stored file is not the one that was registered.
            BusyError: The store was out of reach.

        """
        manifest = self.version(name, version).manifest
        for one in (manifest.model, *manifest.attachments):
            if one.name == file:
                data = self.shelf.read_file(ModelVersion(name, version), file, one.size_bytes)
                check_bytes(one, data)
                return data
        raise NotFoundError(f"version {version} of {name[:64]!r} has no file {file[:64]!r}")
