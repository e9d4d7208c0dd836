"""Bringing accounts up to date for who judges: what time has changed is booked, whoever asks."""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime

import structlog

from app.domain.errors import BusyError
from app.store.database import Database
from app.store.facts_inbox import use_indexes
from app.store.orders_due import payers_behind
from app.usecases.facts_lapse import PATIENCE_S, lapse_on
from app.usecases.horizons import CountOrders

_log = structlog.get_logger(__name__)


def catch_up_on(
    database: Database, most: int, patience_s: float = PATIENCE_S
) -> Callable[[datetime, Collection[int]], bool]:
    """Make what lets provisional money lapse and orders count on accounts, `most` at once of each.

    It says whether the accounts are up to date, by it or by others: not where either takes longer
    than half of `patience_s`, or where somebody else holds a payment, an order or an account.
    """
    half_s = patience_s / 2
    lapse, count = lapse_on(database, most, half_s), count_on(database, most, half_s)

    def catch_up(at: datetime, account_ids: Collection[int]) -> bool:
        return lapse(at, account_ids) and count(at, account_ids)

    return catch_up


def count_on(
    database: Database, most: int, patience_s: float
) -> Callable[[datetime, Collection[int]], bool]:
    """Make what lets orders count on accounts whose day has come by a moment.

    Payers out of reach are left, and keep no other.
    """

    def behind(at: datetime, account_ids: Collection[int]) -> list[int]:
        with database.read() as tx:
            use_indexes(tx)
            return payers_behind(tx, at, account_ids)

    def count(at: datetime, account_ids: Collection[int]) -> bool:
        until = time.monotonic() + patience_s
        counting, counted = CountOrders(database, most, lambda _: at), 0
        for payer in behind(at, account_ids):
            with suppress(BusyError):  # what is left of it is seen below
                counted += counting.of_payer(payer, until)
        if counted:
            _log.info("orders_counted", orders=counted)
        return not behind(at, account_ids)

    return count
