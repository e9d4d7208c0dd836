"""The probability of default of an order: its own size and terms beside what is known of the payer.

Computed before a lane takes the question, and only while a policy in force reads it: no transaction
waits for a model. What is not known in time is missing, and the policy then says MISSING_INPUT.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog

from app.domain.decisions import Question
from app.domain.errors import BusyError, FieldError
from app.domain.models import Prediction
from app.store import score_models
from app.store.database import Database, moment
from app.telemetry.scores import ORDER_PDS
from app.usecases.apart import FOR_ORDERS
from app.usecases.asks import Ask, canonical
from app.usecases.score_models import RateByModel

NAME: Final = "order_pd_ppm"
"""What rules call it, in parts per million."""

LOOKS_S: Final = 2.0
"""Pause between looks whether a policy in force reads it."""

_PPM: Final = 1_000_000
_MOST: Final = 1_000
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class OrderPds:
    """Fills questions while `wanted`; among what an application starts and stops.

    `deadline_s` is the longest that a question waits for its PD, `every_s` the pause between looks.
    """

    database: Database
    rater: RateByModel
    deadline_s: float = 0.5
    every_s: float = LOOKS_S
    wanted: bool = False
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, and go on looking."""
        await FOR_ORDERS.do(self.look)
        self._task = asyncio.create_task(self._watch(), name="order-pds")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def alive(self) -> bool:
        """Say yes: without it orders are decided all the same."""
        return True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            looking = FOR_ORDERS.do(self.look)
            await asyncio.wait([looking])
            trouble = looking.exception()
            # too many orders wait for their PD: at the next look, then
            if trouble is not None and not isinstance(trouble, BusyError):
                _log.error("policies_not_read", exc_info=trouble)

    def look(self) -> None:
        """See whether a policy that is in force, or comes to be, reads the name."""
        try:
            with self.database.read() as tx:
                self.wanted = score_models.is_read_by_rules(tx, NAME)
        except BusyError as busy:
            _log.warning("policies_not_read", reason=busy.detail)

    async def fill(self, asks: Sequence[Ask]) -> list[Ask]:
        """Give each question its PD, or leave it out where that is not known in time."""
        try:
            async with asyncio.timeout(self.deadline_s):
                found = await FOR_ORDERS.do(self.compute, [one.question for one in asks])
        except (TimeoutError, BusyError):
            found = [None for _ in asks]
        for known in found:
            ORDER_PDS.labels("missing" if known is None else "done").inc()
        return [_filled(one, known) for one, known in zip(asks, found, strict=True)]

    def compute(self, questions: Sequence[Question]) -> list[Prediction | None]:
        """Predict orders, in order; None where it cannot be known."""
        try:
            with self.database.read() as tx:
                told: Sequence[Prediction | None] = self.rater.orders(
                    tx, questions[:_MOST], moment(tx)
                )
        except (BusyError, FieldError) as trouble:
            _log.warning("order_pd_missing", reason=trouble.detail)
            told = ()
        return [*told, *[None] * (len(questions) - len(told))]


def _filled(ask: Ask, known: Prediction | None) -> Ask:
    """Put a PD into a question, and who says so; the key's fingerprint stays that of what was sent.

    The score may be of another version, while a promotion is carried through.
    """
    if known is None:
        return ask
    question = replace(
        ask.question,
        order_pd_ppm=round(known.grade.probability * _PPM),
        order_pd_model=(known.model.name, known.model.version),
    )
    return replace(ask, question=question, asked=canonical(question))
