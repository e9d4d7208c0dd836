"""`requirements.lock` pins what `pyproject.toml` asks for, by hash, and names no host."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

HASH = "    --hash=sha256:" + "0" * 64
GOOD = f"orjson==3.13.0 \\\n{HASH}\nuvloop==0.23.0 ; sys_platform != 'win32' \\\n{HASH}\n"


def asked(pyproject: str) -> list[Requirement]:
    """Read what the project and its developers ask for."""
    content = tomllib.loads(pyproject)
    return [
        Requirement(line)
        for line in content["project"]["dependencies"] + content["dependency-groups"]["dev"]
    ]


def offences(lock: str, wanted: list[Requirement]) -> list[str]:
    """Say where a lock file is loose: unhashed, bound to a host, or behind what is asked for."""
    found = [f"a host: {line.strip()}" for line in lock.splitlines() if "://" in line]
    entries = re.split(r"\n(?=\S)", lock.strip())
    pinned = {}
    for entry in entries:
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", entry)
        if match is None:
            found.append(f"not pinned: {entry}")
        elif "--hash=sha256:" not in entry:
            found.append(f"no hash: {match[1]}")
        else:
            pinned[canonicalize_name(match[1])] = match[2]
    for requirement in wanted:
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            found.append(f"asked for {requirement}, pinned {version}")
    return found


def test_the_lock_is_tight() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted = asked((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert offences(lock, wanted) == []


@pytest.mark.parametrize(
    ("lock", "wanted", "said"),
    [
        pytest.param(GOOD, "orjson>=4", "asked for orjson>=4, pinned 3.13.0", id="behind"),
        pytest.param(GOOD, "polars", "asked for polars, pinned None", id="left-out"),
        pytest.param("orjson==3.13.0\n" + GOOD, "orjson", "no hash: orjson", id="unhashed"),
        pytest.param("orjson>=3\n" + GOOD, "orjson", "not pinned: orjson>=3", id="unpinned"),
        pytest.param(
            f"--index-url https://a.example/simple\n{GOOD}",
            "orjson",
            "a host: --index-url https://a.example/simple",
            id="names-a-host",
        ),
    ],
)
def test_a_loose_lock_is_caught(lock: str, wanted: str, said: str) -> None:
    assert said in offences(lock, [Requirement(wanted)])


def test_the_sample_itself_is_tight() -> None:
    assert offences(GOOD, [Requirement("orjson>=3"), Requirement("UVLoop")]) == []


def test_the_pinned_uv_can_build_the_project_without_fetching_a_backend() -> None:
    pinned = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert pinned is not None
    assert pinned[1] in Requirement(backend[0]).specifier
