"""A quick value is its frozen dataclass in all but the time it takes to make one."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from app.domain.accounts import Account, Entry, Use
from app.domain.decisions import Figures, Judgement, Question, Situation
from app.domain.money import Money
from app.domain.orders import Order, OrderUse
from app.domain.values import changed, quick


@dataclass(frozen=True, slots=True)
class Slow:
    """The pattern: a field without default, one with, one with a factory, a method."""

    name: str
    count: int = 3
    more: Mapping[str, int] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Show that methods stay."""
        return self.name * self.count


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, quick."""

    name: str
    count: int = 3
    more: Mapping[str, int] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Show that methods stay."""
        return self.name * self.count


@pytest.mark.parametrize(
    ("given", "named"),
    [(("a",), {}), (("a", 4), {}), (("a", 4, {"b": 1}), {}), ((), {"name": "a", "count": 5})],
)
def test_it_is_made_as_the_frozen_one(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    slow, fast = Slow(*given, **named), Quick(*given, **named)
    assert [getattr(fast, one.name) for one in fields(fast)] == [
        getattr(slow, one.name) for one in fields(slow)
    ]
    assert fast.told == slow.told
    assert repr(fast) == repr(slow).replace("Slow", "Quick")
    assert fast == Quick(*given, **named)
    other = replace(fast, count=9)
    assert (other.count, other.name, fast == other) == (9, "a", False)


def test_what_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(TypeError):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Quick("a", other=1)  # type: ignore[call-arg]


def test_a_factory_is_asked_each_time() -> None:
    assert Quick("a").more is not Quick("a").more


@pytest.mark.parametrize("changes", [{}, {"count": 9}, {"name": "b", "more": {"c": 2}}])
def test_other_fields_make_another_one(changes: dict[str, Any]) -> None:
    value = Quick("a", 4, {"b": 1})
    assert changed(value, **changes) == replace(value, **changes)
    assert value == Quick("a", 4, {"b": 1})


def test_one_field_is_enough() -> None:
    @quick
    @dataclass(frozen=True, slots=True)
    class Single:
        text: str

    assert changed(Single("ab"), text="c") == Single("c")


def test_what_is_worked_out_would_not_be() -> None:
    @quick
    @dataclass(frozen=True, slots=True)
    class Worked:
        text: str
        length: int = field(init=False, default=0)

    with pytest.raises(TypeError, match="works something out"):
        changed(Worked("ab"), text="c")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(AttributeError):
        changed(Quick("a"), other=1)


def test_equal_ones_have_equal_hashes() -> None:
    assert len({Money(1, "CNY"), Money(1, "CNY"), Money(2, "CNY")}) == 2
    assert len({Use(1), Use(authorized=1)}) == 1


def test_there_is_no_room_for_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Quick("a").other = 1  # type: ignore[attr-defined]


def test_the_frozen_pattern_is_frozen_and_the_checker_takes_both_for_it() -> None:
    """The `type: ignore` below is needed for both: mypy refuses where it is not."""
    with pytest.raises(FrozenInstanceError):
        Slow("a").name = "b"  # type: ignore[misc]
    fast = Quick("a")
    fast.name = "b"  # type: ignore[misc]
    assert fast.name == "b"


@pytest.mark.parametrize(
    "kind", [Account, Entry, Figures, Judgement, Money, Order, OrderUse, Question, Situation, Use]
)
def test_the_values_of_a_decision_are_quick(kind: type) -> None:
    """A control for the speed: the slow way leaves its mark on the class."""
    assert "__setattr__" not in vars(kind)
