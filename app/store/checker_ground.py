"""What the checker stands on: one snapshot of the database, differences, and its own arithmetic.

Nothing here or in any other `checker_*` file is shared with what writes the ledger, so that one
mistake cannot be in both.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from importlib import resources
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
import zstandard
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_loads

CATEGORIES: Final = ("authorized", "open_delivery", "open_item", "note_receivable", "prepayment")
NOTHING: Final = (0, 0, 0, 0, 0)

NO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
"""Currencies of ISO 4217 that have no fraction digits, or three; the others have two."""

Amounts = tuple[int, ...]
"""Minor units of one currency, in the order of `CATEGORIES`."""

_OLDEST_DAYS: Final = 7
"""A conversion takes no rate that is older than this, and none of a later day than its own."""

_ROWS_AT_ONCE: Final = 2_000


_FIRST: Final = resources.files("app.store").joinpath("packing_1.txt").read_bytes()
_MOST_BYTES: Final = 1 << 26
_SECOND: Final = resources.files("app.store").joinpath("packing_2.bin").read_bytes()


def _inflated(data: bytes) -> bytes:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS, _FIRST)
    return inflating.decompress(data) + inflating.flush()


def _decompressed(data: bytes) -> bytes:
    if zstandard.frame_content_size(data) > _MOST_BYTES:
        raise zstandard.ZstdError("its size is none")
    return _ZSTD.decompress(data, allow_extra_data=False)


_ZSTD: Final = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(_SECOND))
_UNPACK: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    b"\x01": _inflated,
    b"\x02": _decompressed,
}
"""By the first byte of what is stored. One thread checks at a time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it must be; `account_id` None: it belongs to no account."""

    account_id: int | None
    text: str


class Snapshot:
    """What one transaction sees; rows come from the server in portions.

    Whole tables are joined over CTEs, whose size the planner takes for a few rows: a nested loop
    over a million invoices would not end. So there is none, until single keys are looked up.
    """

    def __init__(self, connection: psycopg.Connection[DictRow]) -> None:
        """Set the transaction up; settings end with it."""
        self._connection = connection
        self._cursors = 0
        self._by_index = False
        set_json_loads(orjson.loads, connection)
        connection.execute(
            "SELECT set_config('statement_timeout', '0', true), set_config('jit', 'off', true),"
            " set_config('idle_in_transaction_session_timeout', '0', true),"
            " set_config('max_parallel_workers_per_gather', '0', true),"
            " set_config('work_mem', '64MB', true), set_config('enable_nestloop', 'off', true)"
        )

    def rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[DictRow]:
        """Fetch all rows; for what is small."""
        return self._connection.execute(query, values).fetchall()

    def hashed_rows(self, query: str) -> list[DictRow]:
        """Fetch all rows of what joins all documents by what they say; for what is small.

        Joins by order would sort everything by many texts first, which takes twice as long.
        """
        switch = "SELECT set_config('enable_mergejoin', %s, true)"
        self._connection.execute(switch, ("off",))
        found = self.rows(query)
        self._connection.execute(switch, ("on",))
        return found

    def stream(self, query: str, values: Mapping[str, Any] | None = None) -> Iterator[DictRow]:
        """Give row after row without ever holding all of them."""
        self._cursors += 1
        with self._connection.cursor(f"checker_{self._cursors}") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            yield from cursor.execute(query, values)

    def look_up_by_index(self) -> None:
        """Keep the planner from reading whole tables to look up a few keys, from here on."""
        self._plan(by_index=True)

    def looked_up(self, query: str, values: Mapping[str, Any]) -> list[DictRow]:
        """Fetch all rows of what looks up a few keys; what comes after is planned as before."""
        before = self._by_index
        self._plan(by_index=True)
        found = self.rows(query, values)
        self._plan(by_index=before)
        return found

    def _plan(self, *, by_index: bool) -> None:
        self._by_index = by_index
        one, others = ("on", "off") if by_index else ("off", "on")
        self._connection.execute(
            "SELECT set_config('enable_nestloop', %(one)s, true),"
            " set_config('enable_seqscan', %(others)s, true),"
            " set_config('enable_hashjoin', %(others)s, true),"
            " set_config('enable_mergejoin', %(others)s, true)",
            {"one": one, "others": others},
        )


def connect(url: str) -> psycopg.Connection[DictRow]:
    """Connect for one REPEATABLE READ transaction that only reads.

    Raises:
        psycopg.OperationalError: Nobody listens there, or not to us.

    """
    connection = psycopg.connect(
        url, row_factory=dict_row, connect_timeout=10, prepare_threshold=None
    )
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def unpacked(record: bytes) -> tuple[bytes, bytes]:
    """Give inputs and answer of a decision: a line of JSON each, plain after 0, else packed.

    Raises:
        ValueError: It is damaged, or was packed in a way that is not known here.

    """
    kind, text = record[:1], record[1:]
    try:
        if kind != b"\x00":
            text = _UNPACK[kind](text)
    except KeyError:
        raise ValueError(f"packed in a way that is not known here ({kind.hex()})") from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise ValueError(f"a packed decision is damaged: {error}") from error
    inputs, split, answer = text.partition(b"\n")
    if not split:
        raise ValueError("a packed decision is damaged: it has one part")
    return inputs, answer


def month_of(decision_id: UUID) -> UUID:
    """Give the least id of the month (UTC): decisions are dropped by whole months only."""
    at = datetime.fromtimestamp((decision_id.int >> 80) / 1000, UTC)
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return UUID(int=int(first.timestamp() * 1000) << 80)


def digits_of(currency: str) -> int:
    """Give the number of fraction digits of an ISO 4217 currency."""
    if currency in NO_DIGITS:
        return 0
    return 3 if currency in THREE_DIGITS else 2


def money(minor: int | None, currency: str) -> str:
    """Write minor units for people: 1250000 CNY is `12500.00 CNY`; None is `none`."""
    if minor is None:
        return "none"
    digits = digits_of(currency)
    number = f"{abs(int(minor)):0{digits + 1}d}"
    text = f"{number[:-digits]}.{number[-digits:]}" if digits else number
    return f"{'-' if minor < 0 else ''}{text} {currency}"


def amounts(held: Mapping[str, Any]) -> Amounts:
    """Read the categories of a position as it is stored; what is absent is 0."""
    return tuple(int(held.get(name, 0)) for name in CATEGORIES)


def columns(row: Mapping[str, Any], prefix: str = "") -> Amounts:
    """Read the categories from columns `<prefix><category>_minor`."""
    return tuple(int(row[f"{prefix}{name}_minor"]) for name in CATEGORIES)


def used(held: Sequence[int]) -> int:
    """Add up what counts against a limit: everything, with prepayment the other way."""
    return sum(held[:4]) - held[4]


def plus(one: Sequence[int], other: Sequence[int]) -> Amounts:
    """Add category by category."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def minus(one: Sequence[int], other: Sequence[int]) -> Amounts:
    """Subtract category by category."""
    return tuple(a - b for a, b in zip(one, other, strict=True))


def worth(held: Sequence[int], currency: str, own: str, rate: Sequence[Any]) -> Amounts:
    """Value a position in `own`, the account's currency.

    `rate` is [base, quote, rate, …] as stored: 1 base = rate quote. What uses credit is rounded
    up, prepayment down.

    Raises:
        ValueError: The rate is not between these two currencies.

    """
    base, quote, number = str(rate[0]), str(rate[1]), Fraction(str(rate[2]))
    if {base, quote} != {currency, own} or number <= 0:
        message = f"{base}/{quote} {rate[2]} does not value {currency} in {own}"
        raise ValueError(message)
    factor = number if base == currency else 1 / number
    factor *= Fraction(10) ** digits_of(own) / Fraction(10) ** digits_of(currency)
    up = tuple(-(-amount * factor // 1) for amount in held[:4])
    return (*(int(one) for one in up), int(held[4] * factor // 1))


def worth_of_all(foreign: Mapping[str, Any] | None, own: str) -> Amounts:
    """Value all foreign positions of an account as they are stored, by their own rates.

    Raises:
        ValueError: A rate is not between its position's currency and `own`.

    """
    total: Amounts = NOTHING
    for currency, held in (foreign or {}).items():
        total = plus(total, worth(amounts(held), currency, own, held["rate"]))
    return total


def undue(rates: Iterable[Sequence[Any]], day: date, slack: int = 0) -> str | None:
    """Tell of a rate that a conversion of a business day may not take, for its date.

    Rates are [base, quote, rate, date, …] as stored; the day may be `slack` days off either way.
    """
    first = day - timedelta(days=_OLDEST_DAYS + slack)
    last = day + timedelta(days=slack)
    for rate in rates:
        dated = next(iter(rate[3:]), "")
        if not first.isoformat() <= str(dated) <= last.isoformat():
            told = " ".join(map(str, rate[2:3]))
            pair = "/".join(map(str, rate[:2]))
            return f"rate {pair} {told}: expected one dated {first} to {last}, found {dated}"
    return None
