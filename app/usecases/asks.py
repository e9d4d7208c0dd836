"""What comes into a lane and what leaves it: asks with their keys, answers as bytes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from app.domain.callers import Caller
from app.domain.decisions import Question
from app.domain.snapshots import question_to_json
from app.domain.values import quick

_DIGEST_BYTES: Final = 16
"""Enough to tell two requests under one key apart; each key keeps one for years."""


@dataclass(frozen=True, slots=True)
class Release:
    """A person lets an order pass, up to `max_amount` (minor units of its currency).

    `valid_until` None: as long as the authorization. `proposal_id` is what another proposed and
    this one approves, `asked` what the order was held for as it was looked at (see `asked_for`).
    """

    hold_id: str
    max_minor: int
    valid_until: datetime | None
    reason_code: str
    note: str | None
    forced: bool
    proposal_id: str | None
    asked: Mapping[str, Any]


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """One question with who asks it; `key` is None for limit checks, and `hash` empty.

    `asked` is the question as JSON where it was written already. `seen` is the newest version of
    the order that was known when it was held (-1: none), of a question that is put again without
    a version of its own.
    """

    kind: Literal["CHECK", "AUTHORIZATION", "RELEASE"]
    caller: Caller
    question: Question
    decision_id: str
    key: str | None = None
    hash: bytes = b""
    release: Release | None = None
    asked: bytes = b""
    seen: int | None = None

    @property
    def question_json(self) -> bytes:
        """The question as it is stored: canonical JSON."""
        return self.asked or canonical(self.question)


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: the stored bytes, and whether they were stored before."""

    status: int
    body: bytes
    replayed: bool = False


def to_json(value: object) -> bytes:
    """Write JSON that is kept for a while, in as much memory as it is long.

    What orjson returns keeps the buffer it was written in, 4 or 16 KiB of an answer of one.
    """
    return memoryview(orjson.dumps(value)).tobytes()


def canonical(question: Question) -> bytes:
    """Write a question as canonical JSON: equal questions are equal bytes."""
    return to_json(question_to_json(question))


def fingerprint(route: bytes, asked: bytes) -> bytes:
    """Digest a request after validation: method and route, and the body as canonical JSON."""
    return hashlib.blake2b(route + asked, digest_size=_DIGEST_BYTES).digest()
