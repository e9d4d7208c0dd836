"""A question that has an effect: who asks, under which key."""

from dataclasses import dataclass

from app.domain.callers import Caller


@dataclass(frozen=True, slots=True)
class Keyed:
    """`digest` is the question's `fingerprint`: the same key never serves another question."""

    caller: Caller
    key: str
    digest: bytes
