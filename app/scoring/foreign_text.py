"""What a LightGBM text of unknown origin says of its inputs, before anybody loads it."""

import re
from dataclasses import dataclass
from typing import Final

from app.domain.errors_models import ModelRefusedError

GOLDEN: Final = 24
"""Rows made up within the ranges that the text was trained on; one more has all missing."""

_LONGEST_HEADER: Final = 200_000
_RANGE: Final = re.compile(r"\[([-0-9.e+]{1,40}):([-0-9.e+]{1,40})\]", re.ASCII)
_STEPS: Final = 0.6180339887498949
"""The golden ratio's fraction: its multiples, modulo 1, leave no part of a range out."""


@dataclass(frozen=True, slots=True)
class TextHeader:
    """Names of the inputs, their constraints, the range of each in training (None: constant)."""

    names: tuple[str, ...]
    monotone: tuple[int, ...]
    ranges: tuple[tuple[float, float] | None, ...]


def read_header(data: bytes) -> TextHeader:
    """Read the header of a text; whether the whole is sound is for `check_text`.

    Raises:
        ModelRefusedError: There is no such header.

    """
    head = data[:_LONGEST_HEADER].partition(b"\nTree=0\n")[0].decode("ascii", "replace")
    lines = dict(line.partition("=")[::2] for line in head.split("\n"))
    names = tuple(lines.get("feature_names", "").split(" "))
    infos = lines.get("feature_infos", "").split(" ")
    told = lines.get("monotone_constraints", " ".join("0" for _ in names)).split(" ")
    if not names[0] or len(infos) != len(names) or len(told) != len(names):
        raise ModelRefusedError("the text does not name its features", "model.structure")
    if not {"-1", "0", "1"}.issuperset(told):
        raise ModelRefusedError("monotone_constraints must be -1, 0 or 1", "model.structure")
    return TextHeader(names, tuple(map(int, told)), tuple(map(_range, infos)))


def _range(text: str) -> tuple[float, float] | None:
    found = _RANGE.fullmatch(text)
    try:
        return (float(found[1]), float(found[2])) if found else None
    except ValueError:
        return None


def golden_rows(header: TextHeader) -> tuple[tuple[float | None, ...], ...]:
    """Make up rows that touch every part of each range, each feature missing now and then."""
    rows = tuple(
        tuple(_value(header.ranges[place], row, place) for place in range(len(header.names)))
        for row in range(GOLDEN)
    )
    return (*rows, (None,) * len(header.names))


def _value(known: tuple[float, float] | None, row: int, place: int) -> float | None:
    if known is None or (row + place) % 7 == 0:
        return None
    share = (_STEPS * (row + 1) * (place + 1)) % 1.0
    return known[0] + (known[1] - known[0]) * share
