"""The keys of a shelf: the one it signs with, and those it trusts."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from app.domain.errors import BusyError
from app.scoring import signing
from app.scoring.signing import KeyFileError, SigningKey, TrustedKeys

_log = structlog.get_logger(__name__)


def find_signer(key_file: Path, *, makes_key: bool) -> SigningKey:
    """Read the key to sign with; made with mode 0600 where it may be and is not there.

    Raises:
        BusyError: There is no usable key; says why.

    """
    try:
        if makes_key and not key_file.exists():
            with suppress(KeyFileError):  # somebody else was faster, or reading tells why not
                made = signing.make_key(key_file)
                _log.info("model_key_made", file=str(key_file), key_id=made.key_id)
        return signing.read_key(key_file)
    except KeyFileError as error:
        raise BusyError(f"models cannot be signed here: {error}") from error


def trusted_keys(key_file: Path, others: Iterable[str]) -> TrustedKeys:
    """Give the keys that are trusted now: others' in base64, and its own if it has one."""
    own: tuple[str, ...] = ()
    if key_file.exists():
        with suppress(KeyFileError):
            own = (signing.read_key(key_file).public,)
    return TrustedKeys.of((*others, *own))
