"""What comes into a lane and what leaves it: asks with their keys, answers as bytes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import orjson

from app.domain.callers import Caller
from app.domain.decisions import Question
from app.domain.snapshots import question_to_json

_DIGEST_BYTES: Final = 16
"""Enough to tell two requests under one key apart; each key keeps one for years."""


@dataclass(frozen=True, slots=True)
class Release:
    """A person lets an order pass, up to `max_amount` (minor units of its currency).

    `valid_until` None: as long as the authorization.
    """

    hold_id: str
    max_minor: int
    valid_until: datetime | None
    reason_code: str
    note: str | None
    forced: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """One question with who asks it; `key` and `hash` are None for limit checks."""

    kind: Literal["CHECK", "AUTHORIZATION", "RELEASE"]
    caller: Caller
    question: Question
    decision_id: str
    key: str | None = None
    hash: bytes = b""
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: the stored bytes, and whether they were stored before."""

    status: int
    body: bytes
    replayed: bool = False


def fingerprint(route: str, question: Question, extra: Sequence[object] = ()) -> bytes:
    """Digest a request after validation: method and route, and the body as canonical JSON."""
    body = orjson.dumps([route, question_to_json(question), *extra], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
