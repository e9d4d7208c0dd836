"""API keys: make, list, revoke, and recognise the client behind a token."""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from hashlib import sha256
from secrets import token_bytes
from threading import Lock
from typing import Final

from app.domain.callers import SCOPES, Caller
from app.domain.errors import BusyError, FieldError, NotFoundError, UnauthenticatedError
from app.store import keys
from app.store.database import Database, Tx
from app.store.keys import ApiKey, NewKey
from app.usecases.apart import LOOK_UPS

PREFIX: Final = "aval_"
"""What every token begins with, so that a leaked one is found by those who scan for secrets."""

TRUSTED_S: Final = 5.0
"""How long a token once recognised passes without a look-up: a revoked key dies within it."""

RENEWED_S: Final = 3.0
"""From this age on the token is looked up again while requests still pass, so that the end of
`TRUSTED_S` does not send all of them to the database at once."""

AGAIN_S: Final = 0.5
"""Pause between two such look-ups: one may find no thread free, or no database."""

PATIENCE_S: Final = 4.0
"""How long a request waits for a look-up: as long as behind a lane that hangs."""

MOST_TRUSTED: Final = 1024
FIRST_KEY: Final = "admin"
"""The name of the key that the embedded service makes on its first start."""

_TOKEN: Final = re.compile(r"aval_[A-Za-z0-9_-]{43}")
_NONE_OF_OURS: Final = "the token is not one of ours"
_LONGEST_NAME: Final = 64


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise FieldError(f"must be 1 to {_LONGEST_NAME} printable characters", "name")


def _check_scopes(scopes: Sequence[str]) -> None:
    if not scopes:
        raise FieldError("at least one scope is needed", "scope")
    for scope in scopes:
        if scope not in SCOPES:
            near = get_close_matches(scope, sorted(SCOPES), n=1)
            hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(sorted(SCOPES))
            raise FieldError(f"{scope[:64]!r} is not a scope; {hint}", "scope")


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Make a key; its token exists nowhere but in the answer."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, name: str, scopes: Sequence[str], segments: Sequence[str] = ()) -> str:
        """Store a key and return its token; no `segments`: all of them, later ones too.

        Raises:
            FieldError: The name, a scope or a segment is none.
            BusyError: The database was out of reach.

        """
        _check_name(name)
        _check_scopes(scopes)
        with self.database.begin() as tx:
            for unknown in keys.unknown_segments(tx, segments):
                raise FieldError(f"there is no segment {unknown[:64]!r}", "segment")
            return self.add(tx, name, scopes, segments)

    def add(self, tx: Tx, name: str, scopes: Sequence[str], segments: Sequence[str] = ()) -> str:
        """Store a key within a transaction and return its token; nothing is checked."""
        token = PREFIX + urlsafe_b64encode(token_bytes(32)).decode().rstrip("=")
        kept = sorted(set(scopes))
        confined = sorted(set(segments)) or None
        keys.add(tx, NewKey(name, _digest(token), kept, confined, self.now()))
        return token


@dataclass(frozen=True, slots=True)
class MakeFirstKey:
    """Make the first key of a service that never had one."""

    create: CreateKey

    def __call__(self, hand_over: Callable[[str], None]) -> bool:
        """Hand a new admin token over, and keep the key if that succeeded; say whether it was made.

        `hand_over` runs before the commit: a token that cannot be kept must not work, and one that
        was kept by a service killed right then is replaced on its next start.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.create.database.begin() as tx:
            if keys.any_ever(tx):
                return False
            hand_over(self.create.add(tx, FIRST_KEY, ["admin"]))
            return True


@dataclass(frozen=True, slots=True)
class ListKeys:
    """Read every key; tokens are not among what is stored."""

    database: Database

    def __call__(self) -> list[ApiKey]:
        """Return the keys, revoked ones too, by name and age.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            return keys.list_all(tx)


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Take a client's keys away; running services notice within `TRUSTED_S`."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, name: str) -> int:
        """Revoke every working key of this name and return how many those were.

        Raises:
            NotFoundError: No working key has the name.
            BusyError: The database was out of reach.

        """
        with self.database.begin() as tx:
            count = keys.revoke(tx, name, self.now())
            if not count:
                raise NotFoundError(f"no working key has the name {name[:64]!r}", "name")
            return count


@dataclass(slots=True)
class _Known:
    """A recognised client; the moments are of the clock `elapsed`, in seconds."""

    caller: Caller
    renew_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Recognise the client behind a token; hits are kept for `TRUSTED_S`, misses are not.

    `elapsed` is a clock that only runs forward, in seconds; `patience_s` is how long a request
    waits for a look-up.
    """

    database: Database
    elapsed: Callable[[], float]
    patience_s: float = PATIENCE_S
    _known: dict[bytes, _Known] = field(default_factory=dict)
    _adding: Lock = field(default_factory=Lock)
    _looking: dict[bytes, asyncio.Future[Caller]] = field(default_factory=dict)

    async def look_up(self, token: str) -> Caller:
        """Look a token up in a thread, once for all who ask for it meanwhile.

        Raises:
            UnauthenticatedError: No working key has this token.
            BusyError: The database was out of reach, or too many tokens are looked up.

        """
        if not _TOKEN.fullmatch(token):  # takes no thread from those that may be one
            raise UnauthenticatedError(_NONE_OF_OURS)
        try:
            async with asyncio.timeout(self.patience_s):
                # who asked first may go away, the others wait on
                return await asyncio.shield(self._look(token))
        except TimeoutError:
            raise BusyError("the database takes too long; try again in a moment") from None

    def _look(self, token: str) -> asyncio.Future[Caller]:
        """Begin to look a token up, or join who does."""
        digest = _digest(token)
        looking = self._looking.get(digest)
        if looking is None:
            looking = self._looking[digest] = LOOK_UPS.do(self, token)
            looking.add_done_callback(partial(self._looked, digest))
        return looking

    def _looked(self, digest: bytes, looking: asyncio.Future[Caller]) -> None:
        self._looking.pop(digest, None)
        if not looking.cancelled():
            looking.exception()  # nobody may have waited for it

    def trusted(self, token: str) -> Caller | None:
        """Return the client of a token that was recognised a moment ago; never waits.

        From `RENEWED_S` on it has the token looked up again meanwhile, which needs a running loop.
        """
        known = self._known.get(_digest(token))
        at = self.elapsed()
        if known is None or at >= known.ends_at:
            return None
        if at >= known.renew_at:
            known.renew_at = at + AGAIN_S
            _ = self._look(token)
        return known.caller

    def __call__(self, token: str) -> Caller:
        """Look a token up; waits for the database.

        Raises:
            UnauthenticatedError: No working key has this token.
            BusyError: The database was out of reach.

        """
        if not _TOKEN.fullmatch(token):
            raise UnauthenticatedError(_NONE_OF_OURS)
        digest, at = _digest(token), self.elapsed()
        with self.database.begin() as tx:
            key = keys.find(tx, digest)
        if key is None:
            self._known.pop(digest, None)
            raise UnauthenticatedError("the token is unknown or was revoked")
        segments = None if key.segments is None else frozenset(key.segments)
        caller = Caller(key.name, frozenset(key.scopes), segments)
        self._keep(digest, _Known(caller, at + RENEWED_S, at + TRUSTED_S))
        return caller

    def _keep(self, digest: bytes, known: _Known) -> None:
        with self._adding:  # handlers run in threads: two may find the dict full
            self._known.pop(digest, None)
            if len(self._known) >= MOST_TRUSTED:
                del self._known[next(iter(self._known))]  # the longest not looked up
            self._known[digest] = known
