"""The parameters of limits in a segment: read, and put as a new version."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.callers import Caller
from app.domain.errors import VersionStaleError
from app.domain.limits_policy import LimitPolicy, default_policy, read_policy
from app.domain.segments import Segment
from app.store import limits_policy, segments
from app.store.database import Database, Tx


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A version of a segment's parameters as JSON; 0 is what ships."""

    segment_id: str
    version: int
    data: Mapping[str, Any]


def view_of(tx: Tx, segment: Segment) -> PolicyView:
    """Read the version in force in a segment."""
    found = limits_policy.newest(tx, segment.segment_id)
    version, data = found or (0, default_policy(segment.currency))
    return PolicyView(segment.segment_id, version, data)


def policy_of(tx: Tx, segment: Segment) -> LimitPolicy:
    """Read the parameters in force in a segment."""
    found = view_of(tx, segment)
    return read_policy(found.version, found.data)


@dataclass(frozen=True, slots=True)
class ReadLimitPolicy:
    """Read the parameters in force."""

    database: Database

    def __call__(self, caller: Caller, segment_id: str) -> PolicyView:
        """Return them.

        Raises:
            SegmentUnknownError: No such segment within sight.

        """
        caller.visit(segment_id)
        with self.database.read() as tx:
            return view_of(tx, segments.read(tx, segment_id))


@dataclass(frozen=True, slots=True)
class PutLimitPolicy:
    """Put other parameters in force, as a new version; every version is kept."""

    database: Database

    def __call__(
        self,
        caller: Caller,
        segment_id: str,
        data: Mapping[str, Any],
        expected: Collection[int] | None = None,
    ) -> PolicyView:
        """Return the version in force after; what says the same makes none.

        `expected` are the versions the caller may have read (`If-Match`); None: any.

        Raises:
            SegmentUnknownError: No such segment within sight.
            VersionStaleError: It has none of the expected versions.
            BusyError: Somebody else changes the segment.

        """
        caller.visit(segment_id)
        with self.database.begin() as tx:
            before = view_of(tx, segments.lock(tx, segment_id))
            if expected is not None and before.version not in expected:
                raise VersionStaleError("the policy was changed since it was read", "If-Match")
            if before.data == data:
                return before
            after = PolicyView(segment_id, before.version + 1, data)
            limits_policy.add(tx, segment_id, after.version, data, caller)
        return after
