"""Ed25519 signatures of manifests: who lets a model in says so with a key.

What is signed is the manifest's bytes behind a type and lengths (the pre-authentication encoding of
DSSE), so a signature for something else never fits. The manifest binds name, version and the
sha256 of every file. `signature.json` may hold signatures by several keys.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.domain.errors_models import ModelRefusedError
from app.scoring.packages import MOST_SIGNATURE_BYTES, SIGNATURE

PAYLOAD_TYPE: Final = "application/vnd.aval.manifest+json"

_MOST_SIGNATURES: Final = 8
_KEY_BYTES: Final = 32
_OTHERS: Final = 0o077
_BUT_GROUP_READS: Final = 0o037


class KeyFileError(Exception):
    """The file of the signing key cannot be used; one line that names it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; `key_id` names its public half."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """The public half in base64, as `AVAL_MODEL_TRUSTED_KEYS` takes it."""
        return b64encode(self.private.public_key().public_bytes_raw()).decode()

    @property
    def key_id(self) -> str:
        """The name under which signatures mention the key."""
        return _key_id(self.private.public_key())

    def sign(self, manifest: bytes) -> bytes:
        """Make the content of `signature.json` for a manifest's bytes."""
        signature = self.private.sign(_encoded(manifest))
        listed = [{"keyid": self.key_id, "sig": b64encode(signature).decode()}]
        return orjson.dumps({"payload_type": PAYLOAD_TYPE, "signatures": listed})


def read_key(path: Path) -> SigningKey:
    """Read a key file: PEM, PKCS #8, not encrypted, readable by its owner only.

    One that is root's may be readable by its group.

    Raises:
        KeyFileError: It is not there, others may read it, or it holds no Ed25519 key.

    """
    try:
        found = path.stat()
        # a mounted secret is root's, and its group is the process's: PostgreSQL's rule for keys
        if found.st_mode & (_OTHERS if found.st_uid else _BUT_GROUP_READS):
            raise KeyFileError(f"{path}: others than its owner may use it; chmod 600")
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: not an Ed25519 key")
    return SigningKey(key)


def make_key(path: Path) -> SigningKey:
    """Make a key and its file with mode 0600; a file that is there is never written over.

    It is there as a whole or not at all: whoever registers at the same time reads it.

    Raises:
        KeyFileError: The file is there already or cannot be written.

    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    new = path.with_name(f"{path.name}.{token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(new)  # a rename would take the place of one that is there
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            new.unlink()
    return SigningKey(key)


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The public keys whose signatures let a model in, by id."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def of(cls, public: Iterable[str]) -> "TrustedKeys":
        """Read public keys in base64.

        Raises:
            ValueError: One is none.

        """
        keys = [read_public_key(one) for one in public]
        return cls({_key_id(one): one for one in keys})

    def check(self, manifest: bytes, signatures: bytes) -> str:
        """Find a signature of the manifest's bytes by a trusted key, and return the key's id.

        Raises:
            ModelRefusedError: There is none; says whether the key is unknown or the bytes differ.

        """
        listed = _read_signatures(signatures)
        for key_id, signature in listed:
            key = self.keys.get(key_id)
            if key is None:
                continue
            try:
                key.verify(signature, _encoded(manifest))
            except InvalidSignature:
                line = f"the signature by {key_id} is not one of this manifest"
                raise ModelRefusedError(line, "model.signature") from None
            return key_id
        names = ", ".join(key_id[:16] for key_id, _ in listed) or "nobody"
        raise ModelRefusedError(f"signed by {names}, which is no trusted key", "model.signature")


def read_public_key(text: str) -> Ed25519PublicKey:
    """Read a public key in base64.

    Raises:
        ValueError: It is none.

    """
    try:
        raw = b64decode(text.strip(), validate=True)
    except Base64Error:
        raw = b""
    if len(raw) != _KEY_BYTES:
        message = "a public key is 32 bytes in base64"
        raise ValueError(message)
    return Ed25519PublicKey.from_public_bytes(raw)


def _key_id(key: Ed25519PublicKey) -> str:
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def _encoded(manifest: bytes) -> bytes:
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(manifest)} "
    return head.encode() + manifest


def _read_signatures(data: bytes) -> list[tuple[str, bytes]]:
    try:
        if len(data) > MOST_SIGNATURE_BYTES:
            raise ModelRefusedError(f"{SIGNATURE} is too long", "model.signature")
        parsed = orjson.loads(data)
        if parsed["payload_type"] != PAYLOAD_TYPE:
            raise ModelRefusedError(f"{SIGNATURE} signs something else", "model.signature")
        found = [
            (str(one["keyid"]), b64decode(one["sig"], validate=True))
            for one in parsed["signatures"][:_MOST_SIGNATURES]
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise ModelRefusedError(f"{SIGNATURE} cannot be read", "model.signature") from None
    return found
