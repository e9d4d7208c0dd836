"""Where this installation keeps its models, which key it signs with, and whose it trusts."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import structlog

from app.domain.errors import BusyError
from app.domain.manifests import MANIFEST, Manifest
from app.domain.manifests_check import MOST_MODEL_BYTES
from app.domain.manifests_json import MOST_BYTES
from app.domain.scores import ModelVersion
from app.scoring import signing
from app.scoring.artefacts import ArtefactStore, open_store
from app.scoring.signing import SIGNATURE, KeyFileError, SigningKey, TrustedKeys
from app.scoring.verification import SignedPackage

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Shelf:
    """Opened at first need: a service without models needs neither folder nor key.

    `place` is a folder or `s3://bucket/prefix`. `makes_key` lets a missing key be made, where its
    file is the installation's own. `trusted` are public keys in base64, besides its own.
    """

    place: str
    key_file: Path
    makes_key: bool = True
    trusted: tuple[str, ...] = ()
    _store: ArtefactStore | None = None
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def at(cls, state_dir: Path, place: str | None, key_file: Path | None, trusted: str) -> "Shelf":
        """Make it of settings: what is None lies in the state directory; keys by commas."""
        return cls(
            place=place or str(state_dir / "models"),
            key_file=key_file or state_dir / "model-signing-key.pem",
            makes_key=key_file is None,
            trusted=tuple(one for part in trusted.split(",") if (one := part.strip())),
        )

    def signer(self) -> SigningKey:
        """Read the key to sign with; made with mode 0600 where it may be and is not there.

        Raises:
            BusyError: There is no usable key; says why.

        """
        try:
            if self.makes_key and not self.key_file.exists():
                with suppress(KeyFileError):  # somebody else was faster, or reading tells why not
                    made = signing.make_key(self.key_file)
                    _log.info("model_key_made", file=str(self.key_file), key_id=made.key_id)
            return signing.read_key(self.key_file)
        except KeyFileError as error:
            raise BusyError(f"models cannot be signed here: {error}") from error

    def trust(self) -> TrustedKeys:
        """Give the keys that are trusted now: those of the settings, and its own if it has one."""
        own: tuple[str, ...] = ()
        if self.key_file.exists():
            with suppress(KeyFileError):
                own = (signing.read_key(self.key_file).public,)
        return TrustedKeys.of((*self.trusted, *own))

    def read(self, model: ModelVersion, manifest: Manifest) -> SignedPackage:
        """Read what must be checked of a version.

        Raises:
            ModelRefusedError: A file is missing or too large.
            BusyError: The store was out of reach.

        """
        store = self._open()
        return SignedPackage(
            manifest=store.read(model, MANIFEST, MOST_BYTES),
            signature=store.read(model, SIGNATURE, signing.MOST_BYTES),
            model=store.read(model, manifest.model.name, MOST_MODEL_BYTES),
        )

    def read_file(self, model: ModelVersion, name: str, most_bytes: int) -> bytes:
        """Read one file of a version; raises what `read` does."""
        return self._open().read(model, name, most_bytes)

    def write(self, model: ModelVersion, files: Mapping[str, bytes]) -> None:
        """Write a version, once.

        Raises:
            ModelStateError: It is there already.
            BusyError: The store was out of reach.

        """
        self._open().write(model, files)

    def _open(self) -> ArtefactStore:
        with self._lock:
            if self._store is None:
                self._store = open_store(self.place)
            return self._store
