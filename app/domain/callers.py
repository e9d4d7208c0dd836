"""Who asks: an authenticated client, what it may do and what it may see."""

from dataclasses import dataclass
from typing import Final

from app.domain.errors import ForbiddenError, SegmentUnknownError

SCOPES: Final = frozenset(
    {
        "score:read",
        "score:write",
        "check:write",
        "authorization:read",
        "authorization:write",
        "ledger:read",
        "ledger:write",
        "rate:write",
        "hold:read",
        "hold:write",
        "hold:release",
        "hold:release_forced",
        "customer:read",
        "customer:write",
        "limit:propose",
        "limit:approve",
        "rule:read",
        "rule:write",
        "rule:approve",
        "model:read",
        "model:admin",
        "audit:read",
        "admin",
    }
)
"""Every scope of the contract; `admin` implies all others."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client.

    `client` is the API key's name: the scope of idempotency keys. `actor` is the person that the
    client asserts (`Aval-Actor`), kept but never trusted. `segments` None: all of them.
    """

    client: str
    scopes: frozenset[str]
    segments: frozenset[str] | None = None
    actor: str | None = None

    def may(self, scope: str) -> bool:
        """Tell whether the caller holds a scope."""
        return scope in self.scopes or "admin" in self.scopes

    def need(self, scope: str) -> None:
        """Insist on a scope.

        Raises:
            ForbiddenError: The caller lacks it.

        """
        if not self.may(scope):
            raise ForbiddenError(f"this needs the scope {scope}")

    def sees(self, segment_id: str) -> bool:
        """Tell whether a segment lies within what the caller may see."""
        return self.segments is None or segment_id in self.segments

    def visit(self, segment_id: str) -> None:
        """Insist on seeing a segment.

        Raises:
            SegmentUnknownError: It lies outside; the answer is that of an unknown one.

        """
        if not self.sees(segment_id):
            raise SegmentUnknownError(f"no segment {segment_id[:64]!r}", "segment")
