"""Whether a LightGBM text can be given to LightGBM: its own parser trusts what it reads.

Four trivial edits of a model crash or hang LightGBM 4.7 (a child index out of range, a cycle, a
feature out of range, a line without `=`). So nothing is tolerated here that a binary classifier
does not write itself: every line in its place, every index in range, every tree a tree. Written
without LightGBM, so that a process that must not load it can refuse a file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.errors_models import ModelRefusedError
from app.domain.manifests import Manifest
from app.scoring.validator_trees import MOST_LEAVES_OF_ALL, check_tree

VALIDATOR: Final = 1
"""Which rules were applied; another number has every model checked anew."""

MOST_TREES: Final = 5000

_END: Final = "end of trees\n"
_OPTIONAL: Final = ("monotone_constraints",)
_HEADER: Final = (
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "feature_names",
    *_OPTIONAL,
    "feature_infos",
    "tree_sizes",
)
_FIXED: Final = {
    "version": "v4",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "label_index": "0",
    "objective": "binary sigmoid:1",
}
_FOREST: Final = "average_output"
_LONGEST_HEADER: Final = 200_000
_NUMBER: Final = r"-?[0-9]{1,25}(?:\.[0-9]{0,25})?(?:e[-+]?[0-9]{1,3})?"
_RANGE: Final = re.compile(rf"none|\[{_NUMBER}:{_NUMBER}\]", re.ASCII)
_SIZE: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SoundText:
    """A text that was checked: the part to load (what follows the trees is left out), its sizes."""

    loadable: str
    trees: int
    leaves: int


def check_text(data: bytes, manifest: Manifest) -> SoundText:
    """Check a LightGBM text against the manifest it came with.

    Raises:
        ModelRefusedError: Names the first broken rule, with the line or tree.

    """
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise _refused("the text is not ASCII") from None
    if "\r" in text:
        raise _refused("its lines must end in LF alone")
    head, mark, _ = text.partition("\n\nTree=0\n")
    if not mark or len(head) > _LONGEST_HEADER:
        raise _refused("there is no header followed by a tree")
    header = _read_header(head.split("\n"))
    _check_features(header, manifest)
    sizes = _read_sizes(header["tree_sizes"])
    at, leaves = len(head) + 2, 0
    for number, size in enumerate(sizes):
        leaves += check_tree(text[at : at + size], number, len(manifest.features))
        if leaves > MOST_LEAVES_OF_ALL:
            raise _refused(f"there are more than {MOST_LEAVES_OF_ALL} leaves")
        at += size
    if not text.startswith(_END, at):
        raise _refused("the trees do not end where their sizes say")
    return SoundText(text[:at] + _END, len(sizes), leaves)


def _refused(rule: str) -> ModelRefusedError:
    return ModelRefusedError(f"the model's text cannot be loaded: {rule}", "model.structure")


def _read_header(lines: Sequence[str]) -> Mapping[str, str]:
    """Read the lines above the trees; each known one is there once, in its order."""
    if lines[0] != "tree":
        raise _refused("line 1 must be 'tree'")
    found: dict[str, str] = {}
    for line, text in enumerate(lines[1:], start=2):
        name, equals, value = text.partition("=")
        if text == _FOREST:
            raise _refused(f"line {line}, {_FOREST}: a random forest is not taken")
        if not equals or name not in _HEADER or name in found:
            raise _refused(f"line {line} is not known here")
        found[name] = value
    wanted = [name for name in _HEADER if name in found or name not in _OPTIONAL]
    if list(found) != wanted:
        raise _refused(f"the header must have {', '.join(wanted)}, in this order")
    for name, value in _FIXED.items():
        if found[name] != value:
            raise _refused(f"{name} must be {value}")
    return found


def _check_features(header: Mapping[str, str], manifest: Manifest) -> None:
    """Hold names, number, ranges and constraints of the features against the manifest."""
    count = len(manifest.features)
    if header["max_feature_idx"] != str(count - 1):
        raise _refused(f"max_feature_idx must be {count - 1}: the manifest has {count} features")
    if header["feature_names"] != " ".join(manifest.feature_names):
        raise _refused("feature_names are not the manifest's, in its order")
    infos = header["feature_infos"].split(" ")
    if len(infos) != count:
        raise _refused(f"feature_infos must have {count} entries")
    for name, info in zip(manifest.feature_names, infos, strict=True):
        # a list of levels (`0:1:2`) would be a categorical feature
        if not _RANGE.fullmatch(info):
            raise _refused(f"the range of {name} is not numeric: categories are not taken")
    promised = [one.monotone for one in manifest.features]
    told = header.get("monotone_constraints", " ".join("0" for _ in promised))
    if told != " ".join(str(one) for one in promised):
        raise _refused("monotone_constraints are not the manifest's")


def _read_sizes(text: str) -> list[int]:
    sizes = text.split(" ")
    if len(sizes) > MOST_TREES:
        raise _refused(f"there are more than {MOST_TREES} trees")
    if not all(_SIZE.fullmatch(size) for size in sizes):
        raise _refused("tree_sizes are not positive numbers")
    return [int(size) for size in sizes]


def loadable_part(data: bytes) -> str:
    """Cut a text that passed `check_text` before behind its trees."""
    text = data.decode("ascii")
    return text[: text.index(f"\n{_END}") + 1 + len(_END)]
