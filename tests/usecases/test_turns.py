"""Turns: never more at once than there are, first come first served, and nobody waits for ever."""

import asyncio
from contextlib import suppress

import pytest

from app.domain.errors import BusyError
from app.usecases.turns import Turns


def test_no_more_at_once_and_in_the_order_of_arrival() -> None:
    async def work() -> tuple[int, list[int]]:
        turns, inside, most, order = Turns(2, 5.0), 0, 0, list[int]()

        async def take(place: int) -> None:
            nonlocal inside, most
            async with turns.one():
                inside += 1
                most = max(most, inside)
                order.append(place)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(take(place) for place in range(9)))
        return most, order

    assert asyncio.run(work()) == (2, [*range(9)])


def test_who_waits_too_long_is_turned_away_and_takes_no_turn_along() -> None:
    async def work() -> str:
        turns, gate = Turns(1, 0.02), asyncio.Event()

        async def hold() -> None:
            async with turns.one():
                await gate.wait()

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            async with turns.one():
                raise AssertionError
        hanging_up = asyncio.create_task(hold())
        await asyncio.sleep(0)
        hanging_up.cancel()
        with suppress(asyncio.CancelledError):
            await hanging_up
        gate.set()
        await holding
        async with turns.one():
            return "free"

    assert asyncio.run(work()) == "free"


def test_a_turn_ends_with_the_trouble_in_it() -> None:
    async def work() -> str:
        turns = Turns(1, 0.02)
        with pytest.raises(ZeroDivisionError):
            async with turns.one():
                raise ZeroDivisionError
        async with turns.one():
            return "free"

    assert asyncio.run(work()) == "free"
