"""Whether one tree of a LightGBM text is a tree: see `validator`."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from app.domain.errors_models import ModelRefusedError

MOST_LEAVES: Final = 1024
"""Leaves of one tree, inclusive."""

MOST_LEAVES_OF_ALL: Final = 100_000
MOST_DEPTH: Final = 64
"""Splits from the root to a leaf, inclusive: TreeSHAP takes memory by the square of it."""

MOST_LEAF: Final = 1000.0
"""The largest step of the log odds that one leaf may make, either way."""

_KEYS: Final = (
    "Tree",
    "num_leaves",
    "num_cat",
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
    "is_linear",
    "shrinkage",
)
_WHOLES: Final = (
    "split_feature",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_count",
    "internal_count",
)
_NUMBERS: Final = (
    "split_gain",
    "leaf_value",
    "leaf_weight",
    "internal_value",
    "internal_weight",
)
_OF_LEAVES: Final = frozenset({"leaf_value", "leaf_weight", "leaf_count"})
_ALL_THAT_IS_KNOWN: Final = "inf"
_WHOLE: Final = r"-?[0-9]{1,10}"
_NUMBER: Final = r"-?[0-9]{1,25}(?:\.[0-9]{0,25})?(?:e[-+]?[0-9]{1,3})?"
_WHOLE_LIST: Final = re.compile(rf"{_WHOLE}(?: {_WHOLE})*", re.ASCII)
_NUMBER_LIST: Final = re.compile(rf"{_NUMBER}(?: {_NUMBER})*", re.ASCII)
_LINEAR: Final = "\nis_linear=1\n"
_COUNT: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)

_DECISIONS: Final = frozenset({0, 2, 4, 6, 8, 10})
"""Numeric splits: bit 0 would be categorical, bit 1 is where missing goes, 4 and 8 what it is."""

_LARGEST_COUNT: Final = 2**31 - 1
_STUMP_LINES: Final = {
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_weight",
    "internal_value",
    "internal_weight",
    "internal_count",
}
"""What is empty in a tree of one leaf."""


def check_tree(text: str, number: int, features: int) -> int:
    """Check the text of one tree, from `Tree=` to its last empty line, and return its leaves.

    Raises:
        ModelRefusedError: Names the first broken rule.

    """
    if _LINEAR in text:
        raise _refused(number, "has linear leaves, which are not taken")
    lines = text.split("\n")
    if len(lines) != len(_KEYS) + 3 or any(lines[len(_KEYS) :]):
        raise _refused(number, f"must have {len(_KEYS)} lines and two empty ones")
    found: dict[str, str] = {}
    for key, line in zip(_KEYS, lines, strict=False):
        name, equals, value = line.partition("=")
        if name != key or not equals:
            raise _refused(number, f"has no {key} in its place")
        found[key] = value
    fixed = {"Tree": str(number), "num_cat": "0", "is_linear": "0"}
    for key, value in fixed.items():
        if found[key] != value:
            raise _refused(number, f"must have {key}={value}")
    if not _COUNT.fullmatch(found["num_leaves"]) or int(found["num_leaves"]) > MOST_LEAVES:
        raise _refused(number, f"must have 1 to {MOST_LEAVES} leaves")
    _read_numbers(number, found, "shrinkage", 1)
    leaves = int(found["num_leaves"])
    if leaves == 1:
        _check_stump(number, found)
    else:
        _check_nodes(number, found, leaves, features)
    return leaves


def _refused(number: int, rule: str) -> ModelRefusedError:
    line = f"the model's text cannot be loaded: tree {number} {rule}"
    return ModelRefusedError(line, "model.structure")


def _check_stump(number: int, found: Mapping[str, str]) -> None:
    for key in _STUMP_LINES:
        if found[key]:
            raise _refused(number, f"is one leaf, so {key} must be empty")
    _check_leaves(number, _read_numbers(number, found, "leaf_value", 1))
    # the count of a tree without a split is written or left out
    if found["leaf_count"]:
        _read_wholes(number, found, "leaf_count", 1)


def _check_leaves(number: int, values: Sequence[float]) -> None:
    if max(abs(value) for value in values) > MOST_LEAF:
        raise _refused(number, f"has a leaf beyond ±{MOST_LEAF:g}")


def _read_wholes(number: int, found: Mapping[str, str], key: str, count: int) -> list[int]:
    if not _WHOLE_LIST.fullmatch(found[key]):
        raise _refused(number, f"has a {key} that is no whole number")
    values = [int(one) for one in found[key].split(" ")]
    if len(values) != count:
        raise _refused(number, f"must have {count} {key}")
    return values


def _read_thresholds(number: int, text: str, count: int) -> None:
    """Insist on numbers; `inf` sets what is missing apart from all that is known."""
    listed = text.split(" ")
    if len(listed) != count:
        raise _refused(number, f"must have {count} threshold")
    known = [one for one in listed if one != _ALL_THAT_IS_KNOWN]
    if known:
        _read_numbers(number, {"threshold": " ".join(known)}, "threshold", len(known))


def _read_numbers(number: int, found: Mapping[str, str], key: str, count: int) -> list[float]:
    if not _NUMBER_LIST.fullmatch(found[key]):
        raise _refused(number, f"has a {key} that is no number")
    values = [float(one) for one in found[key].split(" ")]
    if len(values) != count:
        raise _refused(number, f"must have {count} {key}")
    if not all(math.isfinite(one) for one in values):
        raise _refused(number, f"has a {key} that is not finite")
    return values


def _check_nodes(number: int, found: Mapping[str, str], leaves: int, features: int) -> None:
    sizes = {key: leaves if key in _OF_LEAVES else leaves - 1 for key in (*_WHOLES, *_NUMBERS)}
    whole = {key: _read_wholes(number, found, key, sizes[key]) for key in _WHOLES}
    parts = {key: _read_numbers(number, found, key, sizes[key]) for key in _NUMBERS}
    _read_thresholds(number, found["threshold"], leaves - 1)
    _check_leaves(number, parts["leaf_value"])
    if not all(0 <= one < features for one in whole["split_feature"]):
        raise _refused(number, "splits by a feature that is not there")
    if not _DECISIONS.issuperset(whole["decision_type"]):
        raise _refused(number, "has a split that is not numeric")
    _check_shape(number, whole["left_child"], whole["right_child"], leaves)
    _check_counts(number, whole)


def _check_shape(number: int, left: Sequence[int], right: Sequence[int], leaves: int) -> None:
    """Insist that every split and leaf but the root hangs below exactly one earlier split.

    A child that is a split has the larger number, as it was made later, so there is no circle;
    a child that is a leaf is written as −1 − its number.
    """
    depth = [0] * (leaves - 1)
    seen: set[int] = set()
    for node in range(leaves - 1):
        for child in (left[node], right[node]):
            in_range = node < child < leaves - 1 if child >= 0 else -1 - child < leaves
            if not in_range or child in seen:
                raise _refused(number, f"has a child of split {node} that is not one: {child}")
            seen.add(child)
            if depth[node] >= MOST_DEPTH:
                raise _refused(number, f"is deeper than {MOST_DEPTH}")
            if child >= 0:
                depth[child] = depth[node] + 1


def _check_counts(number: int, whole: Mapping[str, Sequence[int]]) -> None:
    """Insist that rows add up from the leaves to the root: contributions divide by them."""
    of_leaf, of_split = whole["leaf_count"], whole["internal_count"]
    if not all(0 < count <= _LARGEST_COUNT for count in (*of_leaf, *of_split)):
        raise _refused(number, "has a split or leaf without rows")
    for node, count in enumerate(of_split):
        children = (whole["left_child"][node], whole["right_child"][node])
        rows = sum(of_split[one] if one >= 0 else of_leaf[-1 - one] for one in children)
        if rows != count:
            raise _refused(number, f"has {rows} rows below split {node}, not {count}")
