"""Where this installation keeps its models, which key it signs with, and whose it trusts.

What signs and what stores is imported by its first use: cryptography and obstore are a tenth of a
service that has no models (docs/decisions/0082-a-service-carries-what-it-uses.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Lock

from app.domain.manifests import MANIFEST, Manifest
from app.domain.manifests_check import MOST_MODEL_BYTES
from app.domain.manifests_json import MOST_BYTES
from app.domain.scores import ModelVersion
from app.scoring.packages import MOST_SIGNATURE_BYTES, SIGNATURE, Packages, Signer, Trusted
from app.scoring.verification import SignedPackage


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
    _store: Packages | None = None
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

    def signer(self) -> Signer:
        """Read the key to sign with; made with mode 0600 where it may be and is not there.

        Raises:
            BusyError: There is no usable key; says why.

        """
        keys = import_module("app.scoring.shelf_keys")
        found: Signer = keys.find_signer(self.key_file, makes_key=self.makes_key)
        return found

    def trust(self) -> Trusted:
        """Give the keys that are trusted now: those of the settings, and its own if it has one."""
        keys = import_module("app.scoring.shelf_keys")
        found: Trusted = keys.trusted_keys(self.key_file, self.trusted)
        return found

    def read(self, model: ModelVersion, manifest: Manifest) -> SignedPackage:
        """Read what must be checked of a version.

        Raises:
            ModelRefusedError: A file is missing or too large.
            BusyError: The store was out of reach.

        """
        store = self._open()
        return SignedPackage(
            manifest=store.read(model, MANIFEST, MOST_BYTES),
            signature=store.read(model, SIGNATURE, MOST_SIGNATURE_BYTES),
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

    def _open(self) -> Packages:
        with self._lock:
            if self._store is None:
                self._store = import_module("app.scoring.artefacts").open_store(self.place)
            return self._store
