"""What a shelf of models works with, by name and form: the libraries behind it come when needed."""

from collections.abc import Mapping
from typing import Final, Protocol

from app.domain.scores import ModelVersion

SIGNATURE: Final = "signature.json"
"""The name of the signatures' file within a package."""

MOST_SIGNATURE_BYTES: Final = 16_384


class Signer(Protocol):
    """A private key to sign manifests with."""

    @property
    def public(self) -> str:
        """The public half in base64, as `AVAL_MODEL_TRUSTED_KEYS` takes it."""
        ...

    @property
    def key_id(self) -> str:
        """The name under which signatures mention the key."""
        ...

    def sign(self, manifest: bytes) -> bytes:
        """Make the content of `signature.json` for a manifest's bytes."""
        ...


class Trusted(Protocol):
    """The keys whose signatures let a model in."""

    @property
    def keys(self) -> Mapping[str, object]:
        """The public keys, by id."""
        ...

    def check(self, manifest: bytes, signatures: bytes) -> str:
        """Find a signature of the manifest's bytes by a trusted key, and return the key's id.

        Raises:
            ModelRefusedError: There is none.

        """
        ...


class Packages(Protocol):
    """Where versions are kept."""

    def read(self, model: ModelVersion, name: str, most_bytes: int) -> bytes:
        """Read a file of a version.

        Raises:
            ModelRefusedError: It is not there, or larger.
            BusyError: The store was out of reach.

        """
        ...

    def write(self, model: ModelVersion, files: Mapping[str, bytes]) -> None:
        """Write a version's files, once.

        Raises:
            ModelStateError: The version is there already.
            BusyError: The store was out of reach.

        """
        ...
