"""What ERP and CRM read all day: an account, a stored score, a card; all over the read lane."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError, NotScoredError, SegmentUnknownError
from app.domain.scores import StoredScore, TrafficLight, worse_light
from app.store.read_rows import Want, found_card, found_score
from app.usecases.accounts import AccountGlance, ReadAccount, glance_at, no_account
from app.usecases.read_lane import ReadLane
from app.usecases.score_reads import COOLDOWN, aged


@dataclass(frozen=True, slots=True)
class ReadScore:
    """Read the stored score of a customer."""

    lane: ReadLane
    cooldown: timedelta = COOLDOWN

    async def __call__(self, caller: Caller, ref: str) -> StoredScore:
        """Return the score of the customer that `ref`, an id or alias, names.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            NotScoredError: The customer has no score yet.
            BusyError: The database was out of reach, or too many questions wait.

        """
        read = await self.lane.read(caller.client, Want("SCORE", ref, sight=caller.segments))
        found = found_score(read.row)
        if found.customer_id is None or not found.in_sight:
            raise _unknown(ref)
        if found.score is None:
            raise NotScoredError(f"{found.customer_id} was never scored", "customer_id")
        return aged(found.score, read.at, self.cooldown)


@dataclass(frozen=True, slots=True)
class Card:
    """A customer at a glance, for CRM and phone; `account` is None where there is none in sight.

    The light is the worse of score and account; without a score it is YELLOW or worse.
    """

    customer_id: str
    name: str
    traffic_light: TrafficLight
    score: StoredScore | None
    account: AccountGlance | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Read a customer's card in one snapshot."""

    lane: ReadLane

    async def __call__(self, caller: Caller, ref: str, segment_id: str | None = None) -> Card:
        """Return the card; without a segment the account is that of `main`, else the first seen.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            NotFoundError: The customer has no account in the segment that was asked for.
            BusyError: The database was out of reach, or too many questions wait.

        """
        if segment_id is not None:
            caller.visit(segment_id)
        read = await self.lane.read(caller.client, Want("CARD", ref, segment_id, caller.segments))
        found = found_card(read.row)
        if found.customer_id is None or not found.in_sight:
            raise _unknown(ref)
        if segment_id is not None and found.segment_id is None:
            raise SegmentUnknownError(f"no segment {segment_id[:64]!r}", "segment")
        if segment_id is not None and found.state is None:
            raise no_account(found.customer_id, segment_id)
        score = None if found.score is None else aged(found.score, read.at)
        account = None if found.state is None else glance_at(found.state)
        light = score.score.traffic_light if score else TrafficLight.YELLOW
        if account is not None:
            light = worse_light(light, account.traffic_light)
        return Card(found.customer_id, found.name, light, score, account, read.at)


def _unknown(ref: str) -> CustomerUnknownError:
    return CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")


@dataclass(frozen=True, slots=True)
class Reads:
    """The use cases of the read lane together, one field each."""

    account: ReadAccount
    score: ReadScore
    card: ReadCard

    @classmethod
    def over(cls, lane: ReadLane, cooldown: timedelta = COOLDOWN) -> Self:
        """Make them on one lane."""
        return cls(ReadAccount(lane), ReadScore(lane, cooldown), ReadCard(lane))
