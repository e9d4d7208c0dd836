"""Which limit is in force on a day, told again by a slow and simple model."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Account, Use
from app.domain.limits import (
    CreditLimit,
    EffectiveLimit,
    effective_limit,
    holds_some_day,
    last_day,
    makes_up,
    settle,
)

DAY = date(2026, 6, 15)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def limit(
    minor: int | None, first: int, last: int | None = None, order: int = 0, kind: str = "base"
) -> CreditLimit:
    """Make a limit by days from today; minor -1 is unlimited."""
    return CreditLimit(
        "temporary" if kind == "temporary" else "base",
        None if minor == -1 else minor,
        minor == -1,
        day(first),
        None if last is None else day(last),
        order,
    )


NONE = EffectiveLimit(None, unlimited=False, expired=False, changes_on=None, begun=False)
NONE_YET = replace(NONE, changes_on=day(1))


def held(minor: int | None, changes: int | None = None, *, expired: bool = False) -> EffectiveLimit:
    changes_on = None if changes is None else day(changes)
    return EffectiveLimit(minor, unlimited=False, expired=expired, changes_on=changes_on)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param([], NONE, id="never-any"),
        pytest.param([limit(5, 0)], held(5), id="from-today"),
        pytest.param([limit(5, 1)], NONE_YET, id="from-tomorrow"),
        pytest.param([limit(0, 0)], held(0), id="zero-is-a-limit"),
        pytest.param([limit(None, 0)], held(None), id="null-is-no-credit"),
        pytest.param([limit(5, -9, 0)], held(5, 1), id="last-day"),
        pytest.param([limit(5, -9, -1)], held(None, expired=True), id="ended-yesterday"),
        pytest.param([limit(9, -9, -1, kind="temporary")], held(None), id="temporary-only-lapses"),
        pytest.param([limit(5, 0), limit(9, 0, 3, 1, "temporary")], held(9, 4), id="temporary"),
        pytest.param(
            [limit(5, 0, None, 1), limit(3, 0, 0, 0, "temporary")], held(3, 1), id="lower-temporary"
        ),
        pytest.param([limit(5, -2), limit(7, 0, None, 1)], held(7), id="later-approved-wins"),
        pytest.param([limit(7, 0, None, 1), limit(5, -2)], held(7), id="rows-in-any-order"),
        pytest.param([limit(5, -2), limit(7, 1, None, 1)], held(5, 1), id="later-not-begun"),
        pytest.param(
            [limit(5, -9), limit(7, -2, -1, 1)], held(None, expired=True), id="replaced-for-good"
        ),
        pytest.param(
            [limit(5, 0), limit(7, -9, -5, 1)], held(5), id="history-told-later-replaces-nothing"
        ),
        pytest.param(
            [limit(5, -9), replace(limit(7, -5, -2, 1), over_when_told=True)],
            held(5),
            id="over-when-told-replaces-nothing",
        ),
        pytest.param(
            [replace(limit(7, -5, -2, 1), over_when_told=True)],
            held(None, expired=True),
            id="over-when-told-is-over",
        ),
    ],
)
def test_effective_limit(limits: Sequence[CreditLimit], expected: EffectiveLimit) -> None:
    assert effective_limit(limits, DAY) == expected


def test_the_last_day_there_is_does_not_end() -> None:
    forever = CreditLimit("base", 5, unlimited=False, valid_from=DAY, valid_to=date.max, order=0)
    assert effective_limit([forever], date.max).changes_on is None


@st.composite
def limits_of_an_account(draw: st.DrawFn) -> list[CreditLimit]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["base", "temporary"]),
                st.sampled_from([None, -1, 0, 1, 2, 3]),
                st.integers(0, 12),
                st.none() | st.integers(0, 6),
            ),
            max_size=6,
        )
    )
    return [
        limit(minor, first, None if length is None else first + length, order, kind)
        for order, (kind, minor, first, length) in enumerate(rows)
    ]


LAST = 20
"""No limit of `limits_of_an_account` begins or ends later than this day."""

Told = tuple[int | None, bool, bool]


def walk(limits: Sequence[CreditLimit]) -> list[Told]:
    """Walk through the days, as a clerk with a pile of base limits: a newer one clears the pile."""
    pile: list[CreditLimit] = []
    told: list[Told] = []
    ended = False
    for number in range(LAST + 1):
        begins = [one for one in limits if one.kind == "base" and one.valid_from == day(number)]
        for new in sorted(begins, key=lambda one: one.order):
            pile = [old for old in pile if old.order > new.order] + [new]
        yesterday = day(number - 1)
        ended = ended or any(one.kind == "base" and one.valid_to == yesterday for one in limits)
        valid = [one for one in pile if one.valid_to is None or day(number) <= one.valid_to]
        extra = [
            one
            for one in limits
            if one.kind == "temporary"
            and one.valid_from <= day(number) <= (one.valid_to or DAY.max)
        ]
        best = max(extra or valid, key=lambda one: one.order, default=None)
        told.append((best.limit_minor, best.unlimited, False) if best else (None, False, ended))
    return told


@given(limits=limits_of_an_account(), start=st.integers(0, LAST))
def test_every_day_is_as_walked(limits: list[CreditLimit], start: int) -> None:
    walked = walk(limits)
    found = effective_limit(limits, day(start))
    assert (found.limit_minor, found.unlimited, found.expired) == walked[start]
    until = LAST + 1 if found.changes_on is None else (found.changes_on - DAY).days
    assert until > start
    assert set(walked[start:until]) == {walked[start]}


covers = st.lists(
    st.builds(
        lambda minor, first, length: replace(
            limit(minor, first, None if length is None else first + length, 99), kind="cover"
        ),
        st.integers(1, 5),
        st.integers(0, 12),
        st.none() | st.integers(0, 6),
    ),
    max_size=3,
)


@given(limits=limits_of_an_account(), covers=covers, start=st.integers(0, LAST))
def test_what_it_is_made_of_adds_up(
    limits: list[CreditLimit], covers: list[CreditLimit], start: int
) -> None:
    rows, on = [*covers, *limits], day(start)
    found, parts = effective_limit(rows, on), makes_up(rows, on)
    assert all(part.valid_on(on) and part in rows for part in parts)
    assert [part.kind == "cover" for part in parts] == [place > 0 for place in range(len(parts))]
    if not parts:
        assert (found.limit_minor, found.unlimited) == (None, False)
    elif parts[0].limit_minor:
        assert found.limit_minor == sum(part.limit_minor or 0 for part in parts)
        assert found.covers_minor == sum(part.limit_minor or 0 for part in parts[1:])
    else:
        assert len(parts) == 1
        assert (found.limit_minor, found.unlimited) == (parts[0].limit_minor, parts[0].unlimited)


ACCOUNT = Account(1, "C-1", "main", (1,), "CNY", use=Use(open_item=80), forced=80)


@pytest.mark.parametrize(
    ("minor", "forced"),
    [
        pytest.param(100, 0, id="room"),
        pytest.param(80, 0, id="limit-exactly-used"),
        pytest.param(79, 1, id="one-cent-over"),
        pytest.param(0, 80, id="zero"),
    ],
)
def test_settle_books_a_limit_as_a_fact(minor: int, forced: int) -> None:
    after, entry = settle(ACCOUNT, [limit(minor, 0)], DAY, "limit-id")
    assert (after.limit_minor, after.forced, after.seq) == (minor, forced, 1)
    assert entry is not None
    assert (entry.account, entry.kind, entry.ref) == (after, "LIMIT", "limit-id")
    assert settle(after, [limit(minor, 0)], DAY) == (after, None)


def test_settle_says_when_time_did_it() -> None:
    before, _ = settle(ACCOUNT, [limit(100, -5, 0)], DAY)
    after, entry = settle(before, [limit(100, -5, 0)], day(1))
    assert (after.limit_minor, after.limit_expired, after.forced) == (None, True, 80)
    assert entry is not None
    assert (entry.kind, entry.ref) == ("LIMIT_EFFECTIVE", "2026-06-16")


@pytest.mark.parametrize(
    ("before", "now", "withheld"),
    [
        pytest.param([], [], False, id="never-given"),
        pytest.param([], [limit(5, 1)], False, id="not-begun"),
        pytest.param([], [limit(None, 0)], True, id="null"),
        pytest.param([], [limit(0, 0)], False, id="zero-says-it-itself"),
        pytest.param([limit(5, -1)], [], True, id="ended"),
        pytest.param([limit(-1, -1)], [], True, id="unlimited-ended"),
        pytest.param([limit(5, -9, -1)], [], True, id="expired-one-ended"),
        pytest.param([], [limit(5, -9, -1)], False, id="expired-says-it-itself"),
        pytest.param([], [limit(5, -9, -1, kind="temporary")], True, id="temporary-lapsed"),
        pytest.param([limit(None, 0)], [], True, id="null-ended"),
        pytest.param([limit(None, 0)], [limit(5, 0)], False, id="granted-again"),
        pytest.param([limit(None, 0)], [limit(-1, 0)], False, id="unlimited-again"),
    ],
)
def test_what_was_given_once_is_withheld_when_it_is_gone(
    before: Sequence[CreditLimit], now: Sequence[CreditLimit], withheld: bool
) -> None:
    account, _ = settle(ACCOUNT, before, DAY)
    after, _ = settle(account, now, DAY)
    assert after.limit_withheld is withheld
    given = before or any(row.valid_from <= DAY for row in now)
    assert after.has_limit is (bool(given) and not after.unlimited)


def test_settle_keeps_dates_without_an_entry() -> None:
    before, _ = settle(ACCOUNT, [limit(100, 0)], DAY)
    after, entry = settle(before, [limit(100, 0), limit(100, 9, None, 1)], DAY)
    assert (after.limit_changes_on, after.seq, entry) == (day(9), before.seq, None)


def test_unlimited_forces_nothing() -> None:
    after, entry = settle(ACCOUNT, [limit(-1, 0)], DAY)
    assert (after.unlimited, after.forced) == (True, 0)
    assert entry is not None


@pytest.mark.parametrize(
    ("last", "others", "expected"),
    [
        pytest.param(None, [], None, id="no-end"),
        pytest.param(9, [], 9, id="its-own"),
        pytest.param(None, [limit(5, 4, None, 2)], 3, id="before-the-next"),
        pytest.param(2, [limit(5, 4, None, 2)], 2, id="ends-before-the-next"),
        pytest.param(None, [limit(5, 8, None, 2), limit(5, 4, None, 3)], 3, id="before-the-first"),
        pytest.param(None, [limit(5, 4, None, 0)], None, id="approved-before"),
        pytest.param(None, [limit(5, 0, None, 2)], None, id="began"),
        pytest.param(None, [limit(5, 4, 9, 2, "temporary")], None, id="temporary-ones-lapse"),
    ],
)
def test_the_last_day_of_a_base_limit(
    last: int | None, others: Sequence[CreditLimit], expected: int | None
) -> None:
    base = limit(9, -5, last, 1)
    ends = None if expected is None else day(expected)
    assert last_day(base, [base, *others], DAY) == ends


@pytest.mark.parametrize(
    ("others", "holds"),
    [
        pytest.param([], True, id="alone"),
        pytest.param([limit(3, 0, 9, 1, "temporary")], True, id="under-a-temporary-one"),
        pytest.param([limit(3, 5, None, 1)], True, id="until-another-begins"),
        pytest.param([limit(3, 0, None, 1)], False, id="replaced"),
        pytest.param([limit(3, -5, -2, 1)], False, id="replaced-by-one-that-ran-out"),
    ],
)
def test_which_base_limit_holds_some_day(others: list[CreditLimit], *, holds: bool) -> None:
    first = limit(5, -9)
    assert holds_some_day(first, [first, *others], DAY) is holds
