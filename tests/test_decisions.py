"""Every page of `docs/decisions/` has its parts, and what it says enforces it exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "decisions"
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]
LINES = 60

GOOD = (
    "# 7. Say it\n\n"
    + "".join(f"## {heading}\n\ntext\n\n" for heading in HEADINGS)
    + "`tests/test_house.py`\n"
)


def offences(name: str, text: str) -> list[str]:
    """Say what a page lacks; `name` is its file's name."""
    found = []
    numbered = re.fullmatch(r"(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md", name)
    if numbered is None or not text.startswith(f"# {int(numbered[1])}. "):
        found.append("name and title do not carry the same number")
    if re.findall(r"^## (.+)$", text, re.MULTILINE) != HEADINGS:
        found.append("other headings")
    if len(text.splitlines()) > LINES:
        found.append("more than a page")
    named = re.findall(
        r"`((?:tests|app|bench|migrations)/[^`\s:]+)", text.partition(HEADINGS[-1])[2]
    )
    found.extend(f"no such file: {path}" for path in named if not (ROOT / path).exists())
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("[!R]*.md")))
def test_a_page_has_its_parts(name: str) -> None:
    assert offences(name, (PAGES / name).read_text(encoding="utf-8")) == []


def test_no_number_is_taken_twice() -> None:
    numbers = [path.name[:4] for path in PAGES.glob("[!R]*.md")]
    assert len(numbers) == len(set(numbers)) > 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("7-say.md", GOOD, ["name and title do not carry the same number"], id="name"),
        pytest.param("0008-say.md", GOOD, ["name and title do not carry the same number"], id="no"),
        pytest.param(
            "0007-say.md", GOOD.replace("## Context\n", ""), ["other headings"], id="heading-gone"
        ),
        pytest.param("0007-say.md", GOOD + "x\n" * LINES, ["more than a page"], id="too-long"),
        pytest.param(
            "0007-say.md",
            GOOD.replace("test_house", "test_gone"),
            ["no such file: tests/test_gone.py"],
            id="enforcer-gone",
        ),
        pytest.param("0007-say.md", GOOD, [], id="good"),
    ],
)
def test_a_bad_page_is_caught(name: str, text: str, said: list[str]) -> None:
    assert offences(name, text) == said
