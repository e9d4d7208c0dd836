"""Turns: never more at once than there are, first come first served, and nobody waits for ever."""

import asyncio
from contextlib import suppress

import pytest

from app.domain.errors import BusyError
from app.usecases.turns import Turns


def test_no_more_at_once_and_in_the_order_of_arrival() -> None:
    async def work() -> tuple[int, list[int]]:
        turns, inside, most, order = Turns(2, 2, 5.0), 0, 0, list[int]()

        async def take(place: int) -> None:
            nonlocal inside, most
            async with turns.one("erp"):
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
        turns, gate = Turns(1, 1, 0.02), asyncio.Event()

        async def hold() -> None:
            async with turns.one("erp"):
                await gate.wait()

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            async with turns.one("erp"):
                raise AssertionError
        hanging_up = asyncio.create_task(hold())
        await asyncio.sleep(0)
        hanging_up.cancel()
        with suppress(asyncio.CancelledError):
            await hanging_up
        gate.set()
        await holding
        async with turns.one("erp"):
            return "free"

    assert asyncio.run(work()) == "free"


def test_a_turn_ends_with_the_trouble_in_it() -> None:
    async def work() -> str:
        turns = Turns(1, 1, 0.02)
        with pytest.raises(ZeroDivisionError):
            async with turns.one("erp"):
                raise ZeroDivisionError
        async with turns.one("erp"):
            return "free"

    assert asyncio.run(work()) == "free"


def test_one_client_leaves_room_for_the_others() -> None:
    async def work() -> list[str]:
        turns, gate, told = Turns(3, 2, 0.05), asyncio.Event(), list[str]()

        async def hold(client: str) -> None:
            try:
                async with turns.one(client):
                    await gate.wait()
                    told.append(client)
            except BusyError:
                told.append(f"{client} was turned away")

        flood = [asyncio.create_task(hold("erp")) for _ in range(9)]
        await asyncio.wait(flood, timeout=0.1)
        other = asyncio.create_task(hold("shop"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(other, *flood)
        return sorted(told)

    assert asyncio.run(work()) == ["erp"] * 2 + ["erp was turned away"] * 7 + ["shop"]


def test_who_would_wait_too_long_is_turned_away_at_once() -> None:
    """At the pace of the turns before; a client with none in line is let in all the same."""

    async def work() -> list[str]:
        turns, gate = Turns(2, 1, 0.5), asyncio.Event()
        async with turns.one("erp"):
            await asyncio.sleep(0.3)  # from here on the pace is known
        told = list[str]()

        async def ask(name: str, client: str) -> None:
            try:
                async with turns.one(client):
                    await gate.wait()
            except BusyError:
                told.append(name)

        asking = [asyncio.create_task(ask(f"{place}", "erp")) for place in range(5)]
        asking.append(asyncio.create_task(ask("new", "shop")))
        for _ in range(5):
            await asyncio.sleep(0)
        at_once = [*told]
        gate.set()
        await asyncio.gather(*asking)
        return at_once

    at_once = asyncio.run(work())
    assert "4" in at_once  # three of its client wait for one turn of 0.3 s each
    assert {"0", "1", "new"}.isdisjoint(at_once)


def test_how_long_one_client_takes_is_not_held_against_another() -> None:
    async def work() -> list[str]:
        turns, told = Turns(4, 1, 0.5), list[str]()
        async with turns.one("slow"):
            await asyncio.sleep(0.6)

        async def ask(name: str) -> None:
            async with turns.one("quick"):
                told.append(name)
                await asyncio.sleep(0)

        await asyncio.gather(*(ask(str(place)) for place in range(6)))
        return told

    assert asyncio.run(work()) == [*"012345"]
