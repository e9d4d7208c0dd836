"""Every sentence that people read, in Chinese and English, by its code.

The sentences are data: all `*.toml` files of this folder, one table a code with `zh` and `en`,
placeholders as in `str.format` by plain names (`{value}`). Both languages have the same ones; a
value that is itself words is `{name_zh}` in one and `{name_en}` in the other. The files are read
once, when this package is imported; one that breaks a rule stops the program there and not in
front of a customer.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from string import Formatter
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    zh: str
    en: str


def text(code: str, values: Mapping[str, str]) -> Text:
    """Fill the sentence of `code`; values that it has no place for are left out.

    Raises:
        KeyError: The code is unknown or a value is missing: a bug, not a refusal.

    """
    found = TEXTS[code]
    return Text(zh=found.zh.format_map(values), en=found.en.format_map(values))


def read_texts(files: Iterable[tuple[str, str]]) -> dict[str, Text]:
    """Read the sentences of TOML files, given as pairs of name and content.

    Raises:
        ValueError: Not TOML, a code that occurs twice, a language that is missing or empty, or
            other placeholders in one language than in the other. File and code are named.

    """
    found: dict[str, Text] = {}
    for name, content in files:
        for code, table in tomllib.loads(content).items():
            if code in found:
                raise ValueError(f"{name}: {code} has a text already")
            found[code] = _read_text(f"{name}: {code}", table)
    return found


def placeholders(template: str) -> frozenset[str]:
    """Name what a sentence is filled with.

    Raises:
        ValueError: A placeholder is not a plain name, or has a format or conversion of its own.

    """
    names: set[str] = set()
    for _, name, spec, conversion in Formatter().parse(template):
        if name is None:
            continue
        # Values come ready-made as strings; an attribute or index could read what is not meant.
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"{{{name}}} is not a plain placeholder")
        names.add(name)
    return frozenset(names)


def _read_text(place: str, table: object) -> Text:
    match table:
        case {"zh": str(zh), "en": str(en), **rest} if zh.strip() and en.strip() and not rest:
            if _stems(zh, "_zh") != _stems(en, "_en"):
                raise ValueError(f"{place}: zh and en have different placeholders")
            return Text(zh, en)
        case _:
            raise ValueError(f"{place} must have zh and en, not empty, and nothing else")


def _stems(template: str, language: str) -> set[str]:
    return {name.removesuffix(language) for name in placeholders(template)}


def _shipped() -> list[tuple[str, str]]:
    folder = resources.files(__name__)
    return sorted(
        (file.name, file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    )


TEXTS: Final[Mapping[str, Text]] = MappingProxyType(read_texts(_shipped()))
"""The sentences by code, unfilled."""

PLACEHOLDERS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {code: placeholders(one.zh) | placeholders(one.en) for code, one in TEXTS.items()}
)
"""What each code is filled with, in both languages together."""
