"""A LightGBM text is refused, or LightGBM loads it and predicts finite numbers."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors_models import ModelRefusedError
from app.domain.models import Package
from app.scoring.loadable import Loadable
from app.scoring.process_link import Link
from app.scoring.validator import check_text, loadable_part
from app.scoring.verification import try_in_child
from tests.scoring.packages import constant, edited, resized, sample, with_model


def line(key: str, change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """Edit the values of a key in the first tree that has it."""

    def edit(text: str) -> str:
        def values(found: re.Match[str]) -> str:
            return f"\n{key}=" + " ".join(change(found[1].split(" ")))

        return re.sub(rf"\n{key}=(.*)", values, text, count=1)

    return edit


def swap(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def first(value: str) -> Callable[[list[str]], list[str]]:
    return lambda values: [value, *values[1:]]


def last(value: str) -> Callable[[list[str]], list[str]]:
    return lambda values: [*values[:-1], value]


EDITS: dict[str, Callable[[str], str]] = {
    # the four that crash or hang LightGBM 4.7
    "child-far-away": line("left_child", first("100000")),
    "child-is-the-root": line("left_child", last("0")),
    "leaf-far-away": line("right_child", last("-100000")),
    "feature-far-away": line("split_feature", first("100000")),
    "line-without-equals": swap("\nshrinkage=", "\nshrinkage "),
    # and what else a hand can do
    "child-is-itself": line("right_child", first("0")),
    "leaf-hangs-twice": line("left_child", last("-1")),
    "feature-below-zero": line("split_feature", first("-1")),
    "leaf-is-nan": line("leaf_value", first("nan")),
    "leaf-is-infinite": line("leaf_value", first("1e999")),
    "leaf-beyond-reason": line("leaf_value", first("5000")),
    "leaf-in-hex": line("leaf_value", first("0x1p3")),
    "threshold-is-nan": line("threshold", first("-nan")),
    "threshold-below-everything": line("threshold", first("-inf")),
    "one-value-too-few": line("threshold", lambda values: values[1:]),
    "one-value-too-many": line("leaf_value", lambda values: [*values, "0.1"]),
    "two-blanks": line("leaf_value", lambda values: ["", *values]),
    "categorical-split": line("decision_type", first("1")),
    "unknown-missing-type": line("decision_type", first("12")),
    "rows-do-not-add-up": line("leaf_count", first("1")),
    "no-rows-in-a-leaf": line("leaf_count", first("0")),
    "more-leaves-than-told": line("num_leaves", lambda _: ["8"]),
    "leaves-beyond-the-bound": line("num_leaves", lambda _: ["100000"]),
    "a-categorical-feature": line("num_cat", lambda _: ["1"]),
    "linear-leaves": line("is_linear", lambda _: ["1"]),
    "trees-out-of-order": swap("Tree=1\n", "Tree=2\n"),
    "a-key-twice": swap("num_cat=0\n", "num_cat=0\nnum_cat=0\n"),
    "three-classes": swap("num_class=1", "num_class=3"),
    "another-objective": swap("objective=binary sigmoid:1", "objective=regression"),
    "an-older-format": swap("version=v4", "version=v3"),
    "features-permuted": swap("on_time_rate mean_days_late", "mean_days_late on_time_rate"),
    "a-feature-renamed": swap("order_habit", "order_hobbit"),
    "a-feature-more": swap("max_feature_idx=5", "max_feature_idx=6"),
    "a-range-of-levels": line("feature_infos", first("0:1:2")),
    "constraints-lifted": swap("monotone_constraints=-1", "monotone_constraints=0"),
    "constraints-left-out": lambda text: re.sub("monotone_constraints=.*\n", "", text),
    "unknown-header-line": swap("num_class=1\n", "num_class=1\naverage_output\n"),
    "no-end": swap("end of trees", "end of treez"),
    "carriage-returns": lambda text: text.replace("\n", "\r\n"),
    "a-byte-beyond-ascii": swap("shrinkage=1", "shrinkage=１"),
    "a-zero-byte": swap("shrinkage=1", "shrinkage=1\0"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_text_is_refused(name: str) -> None:
    package = edited(sample(), EDITS[name])
    with pytest.raises(ModelRefusedError) as refusal:
        check_text(package.model, package.manifest)
    assert refusal.value.check == "structure"


@pytest.mark.parametrize(
    "cut", [0, 10, 300, 1500, 5000, 12_000], ids=lambda count: f"after-{count}-bytes"
)
def test_a_truncated_text_is_refused(cut: int) -> None:
    package = sample()
    with pytest.raises(ModelRefusedError):
        check_text(package.model[:cut], package.manifest)


def test_wrong_sizes_are_refused() -> None:
    package = sample()
    text = package.model.decode().replace("tree_sizes=", "tree_sizes=1", 1)
    with pytest.raises(ModelRefusedError):
        check_text(text.encode(), package.manifest)


def test_a_manifest_of_other_features_is_refused() -> None:
    package = sample()
    other = replace(package.manifest, features=package.manifest.features[:-1])
    with pytest.raises(ModelRefusedError):
        check_text(package.model, other)


def test_a_sound_text_passes_and_what_follows_the_trees_is_left_out() -> None:
    package = sample()
    sound = check_text(package.model, package.manifest)
    assert (sound.trees, sound.leaves) == (15, 105)
    assert sound.loadable.endswith("end of trees\n")
    assert "parameters" not in sound.loadable
    assert loadable_part(package.model) == sound.loadable


DIAMOND = """Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
split_gain=1 1
threshold=0.5 5
decision_type=10 10
left_child=-1 -2
right_child=1 -2
leaf_value=0.1 0.2 0.3
leaf_weight=1 1 1
leaf_count=10 5 5
internal_value=0 0
internal_weight=1 1
internal_count=20 10
is_linear=0
shrinkage=1


"""
"""Leaf 1 hangs twice and leaf 2 nowhere, with rows that add up; so could a split, 2^64 times."""


@pytest.mark.parametrize(("right", "sound"), [("-3", True), ("-2", False)])
def test_what_hangs_twice_is_refused(right: str, sound: bool) -> None:
    before = constant(0.25)
    head = before.model.decode().partition("Tree=0")[0]
    text = f"{head}{DIAMOND}end of trees\n".replace("right_child=1 -2", f"right_child=1 {right}")
    package = with_model(before, resized(text).encode())
    if sound:
        assert check_text(package.model, package.manifest).leaves == 3
        return
    with pytest.raises(ModelRefusedError, match="split 1"):
        check_text(package.model, package.manifest)


@pytest.fixture(scope="module")
def child() -> Iterator[Link]:
    link = Link(cpu_seconds=60)
    yield link
    link.kill()


def test_a_split_of_missing_from_the_rest_passes_and_predicts(child: Link) -> None:
    package = edited(sample(), line("threshold", first("inf")))
    loadable = Loadable(package.manifest, check_text(package.model, package.manifest).loadable)
    answer = child.ask(loadable.load_message(), 20)
    assert all(isinstance(one, float) for one in answer["log_odds"] + answer["sums"])


def test_a_tree_of_one_leaf_passes_and_predicts() -> None:
    package = constant(0.25)
    loadable = Loadable(package.manifest, check_text(package.model, package.manifest).loadable)
    try_in_child(loadable)


SWAPS = st.sampled_from(
    ["0", "-1", "7", "99999", "inf", "1e308", "-0.0", "nan", "=", " ", "\n", "x", ""]
)
TOKEN = re.compile(r"[^\s=]+")


@st.composite
def mutations(draw: st.DrawFn) -> Package:
    """Replace some words, or cut and repeat a stretch; the sizes of the trees are put right."""
    package = sample()
    text = package.model.decode().partition("feature_importances")[0]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text) - 1))
        kind = draw(st.sampled_from(["word", "char", "cut", "repeat"]))
        if kind == "word":
            found = TOKEN.search(text, start)
            where = found.span() if found else (start, start + 1)
            text = text[: where[0]] + draw(SWAPS) + text[where[1] :]
        elif kind == "char":
            text = text[:start] + draw(SWAPS) + text[start + 1 :]
        else:
            end = start + draw(st.integers(1, 200))
            piece = "" if kind == "cut" else text[start:end] * 2
            text = text[:start] + piece + text[end:]
    return Package(package.manifest, resized(text).encode())


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(mutations())
def test_a_mutated_text_is_refused_or_predicts(child: Link, package: Package) -> None:
    try:
        sound = check_text(package.model, package.manifest)
    except ModelRefusedError:
        return
    answer = child.ask(Loadable(package.manifest, sound.loadable).load_message(), 20)
    assert "error" not in answer
    assert all(isinstance(one, float) for one in answer["log_odds"] + answer["sums"])
