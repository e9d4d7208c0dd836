"""The tree keeps the rules of the house, and every rule refuses the sample that breaks it."""

from pathlib import Path

import pytest

from tests.house import (
    FILE_LINES,
    FUNCTION_LINES,
    HANDLER_LINES,
    RULES,
    TEST_FILE_LINES,
    Rule,
    Tree,
    broad_excepts,
    import_cycles,
    impure_domain,
    local_imports,
    long_files,
    long_functions,
    long_handlers,
    long_lines,
    many_parameters,
    patches,
    read_tree,
    refused_names,
    silent_docstrings,
    skips,
    stray_commits,
    type_checking,
)

ROOT = Path(__file__).parents[1]

DOC = '"""Say what it is for."""\n'
BODY = "    x = 1\n"
HANDLER = '@router.post("/x")\nasync def ask():\n    """Answer."""\n'

OFFENDERS: dict[str, tuple[Rule, str, str]] = {
    "function-of-51-lines": (long_functions, "app/a.py", "def f():\n" + BODY * FUNCTION_LINES),
    "method-of-51-lines": (
        long_functions,
        "app/a.py",
        "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES,
    ),
    "handler-of-16-lines": (
        long_handlers,
        "app/api/a.py",
        HANDLER + BODY * (HANDLER_LINES + 1),
    ),
    "file-of-301-lines": (long_files, "app/a.py", "x = 1\n" * (FILE_LINES + 1)),
    "test-of-501-lines": (long_files, "tests/test_a.py", "x = 1\n" * (TEST_FILE_LINES + 1)),
    "line-of-101-characters": (long_lines, "app/a.py", f'X = "{"1" * 95}"\n'),
    "link-of-101-characters": (long_lines, "app/a.py", f"# https://{'a' * 91}\n"),
    "six-parameters": (many_parameters, "app/a.py", "def f(a, b, /, c, d, *, e, f): ...\n"),
    "six-and-self": (
        many_parameters,
        "app/a.py",
        "class A:\n    def f(self, a, b, c, d, e, f): ...\n",
    ),
    "import-in-function": (local_imports, "app/a.py", "def f():\n    import json\n"),
    "import-in-test": (local_imports, "tests/test_a.py", "def f():\n    from a import b\n"),
    "type-checking-name": (type_checking, "app/a.py", "if TYPE_CHECKING:\n    import a\n"),
    "type-checking-attribute": (type_checking, "app/a.py", "if typing.TYPE_CHECKING:\n    pass\n"),
    "module-imports-itself": (import_cycles, "app/a.py", "import app.a\n"),
    "domain-imports-third-party": (impure_domain, "app/domain/a.py", "import orjson\n"),
    "domain-imports-other-room": (impure_domain, "app/domain/a.py", "from app.store import b\n"),
    "domain-imports-random": (impure_domain, "app/domain/a.py", "from random import choice\n"),
    "domain-imports-time": (impure_domain, "app/domain/a.py", "import time\n"),
    "domain-reads-clock": (impure_domain, "app/domain/a.py", "x = datetime.now(UTC)\n"),
    "domain-reads-date": (impure_domain, "app/domain/a.py", "x = date.today()\n"),
    "domain-reads-file": (impure_domain, "app/domain/a.py", "x = open(y)\n"),
    "domain-makes-id": (impure_domain, "app/domain/a.py", "x = uuid.uuid4()\n"),
    "monkeypatch": (patches, "tests/test_a.py", "monkeypatch.setattr(a, 'b', 1)\n"),
    "monkeypatch-of-dict": (patches, "tests/test_a.py", "patch.setitem(a, 'b', 1)\n"),
    "mock-from-unittest": (patches, "tests/test_a.py", "from unittest import mock\n"),
    "magic-mock": (patches, "tests/test_a.py", "from unittest.mock import MagicMock\n"),
    "mock-module": (patches, "tests/test_a.py", "import unittest.mock\n"),
    "mocker": (patches, "tests/test_a.py", "def test_a(mocker): ...\n"),
    "skip": (skips, "tests/test_a.py", "pytest.skip('no docker')\n"),
    "skip-by-mark": (skips, "tests/test_a.py", "@pytest.mark.skipif(X, reason='')\ndef f(): ...\n"),
    "skip-without-module": (skips, "tests/test_a.py", "x = pytest.importorskip('polars')\n"),
    "xfail": (skips, "tests/test_a.py", "@pytest.mark.xfail\ndef f(): ...\n"),
    "module-without-docstring": (silent_docstrings, "app/a.py", "X = 1\n"),
    "test-module-without-docstring": (silent_docstrings, "tests/test_a.py", "X = 1\n"),
    "function-without-docstring": (silent_docstrings, "app/a.py", DOC + "def f(): ...\n"),
    "class-without-docstring": (silent_docstrings, "app/a.py", DOC + "class A:\n    x = 1\n"),
    "method-without-docstring": (
        silent_docstrings,
        "app/a.py",
        DOC + 'class A:\n    """Kept."""\n    def f(self): ...\n',
    ),
    "docstring-repeats-name": (
        silent_docstrings,
        "app/a.py",
        DOC + 'def lock_account():\n    """Lock the account."""\n',
    ),
    "docstring-repeats-class": (
        silent_docstrings,
        "app/a.py",
        DOC + 'class OrderHold:\n    """An order hold."""\n',
    ),
    "file-named-utils": (refused_names, "app/store/utils.py", ""),
    "file-named-date-helpers": (refused_names, "app/date_helpers.py", ""),
    "folder-named-common": (refused_names, "app/common/money.py", ""),
    "commit-in-use-case": (stray_commits, "app/usecases/a.py", "tx.commit()\n"),
    "commit-in-store": (stray_commits, "app/store/ledger.py", "await tx.commit()\n"),
    "commit-in-sql": (stray_commits, "app/store/ledger.py", 'tx.execute("commit;")\n'),
    "commit-in-bytes": (stray_commits, "app/store/ledger.py", 'tx.execute(b"COMMIT")\n'),
    "except-exception": (
        broad_excepts,
        "app/api/a.py",
        "try:\n    x = 1\nexcept Exception:\n    pass\n",
    ),
    "except-in-tuple": (
        broad_excepts,
        "app/usecases/a.py",
        "try:\n    x = 1\nexcept (ValueError, BaseException):\n    pass\n",
    ),
    "except-bare": (broad_excepts, "app/domain/a.py", "try:\n    x = 1\nexcept:\n    pass\n"),
}
"""By name: the rule, and the file that breaks it and nothing else of that rule."""

AT_THE_LIMIT: dict[str, tuple[str, str]] = {
    "function-of-50-lines": (
        "app/a.py",
        DOC + 'def f():\n    """Count."""\n' + BODY * (FUNCTION_LINES - 2),
    ),
    "handler-of-15-lines": ("app/api/a.py", DOC + HANDLER + BODY * HANDLER_LINES),
    "long-function-behind-a-route": ("app/api/a.py", DOC + "def _f():\n" + BODY * 40),
    "file-of-300-lines": ("app/a.py", DOC + "x = 1\n" * (FILE_LINES - 1)),
    "test-of-500-lines": ("tests/test_a.py", DOC + "x = 1\n" * (TEST_FILE_LINES - 1)),
    "line-of-100-characters": ("app/a.py", f'{DOC}X = "{"1" * 94}"\n'),
    "five-and-self-and-rest": (
        "app/a.py",
        DOC + "class _A:\n    def f(self, a, b, c, d, e, *rest, **named): ...\n",
    ),
    "domain-on-domain-and-library": (
        "app/domain/a.py",
        DOC + "import re\nfrom datetime import datetime\nfrom app.domain import money\n",
    ),
    "word-that-is-also-a-builtin": ("app/domain/a.py", DOC + "X = hold.open() or today()\n"),
    "clock-outside-the-domain": ("app/cli/a.py", DOC + "import time\nx = datetime.now(UTC)\n"),
    "environment-in-a-test": ("tests/test_a.py", DOC + "monkeypatch.setenv('AVAL_X', '1')\n"),
    "test-function-without-docstring": ("tests/test_a.py", DOC + "def test_a(): ...\n"),
    "docstring-adds-a-fact": (
        "app/a.py",
        DOC + 'def lock():\n    """Lock until `tx` ends."""\n',
    ),
    "empty-package": ("app/a/__init__.py", ""),
    "database-named-file": ("app/store/database.py", DOC + "tx.commit()\n"),
    "lane-commits": ("app/store/lane.py", DOC + 'tx.execute(b"COMMIT")\n'),
    "commit-in-a-sentence": ("app/api/a.py", DOC + 'X = "commit to nothing"\n'),
    "broad-except-at-the-edge": (
        "app/registries/a.py",
        DOC + "try:\n    x = 1\nexcept Exception:\n    pass\n",
    ),
    "narrow-except": (
        "app/api/a.py",
        DOC + "try:\n    x = 1\nexcept (KeyError, ValueError):\n    pass\n",
    ),
}
"""By name: a file that every rule lets pass, though only just."""


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Rule, tree: Tree) -> None:
    offences = rule(tree)
    assert not offences, "\n".join(["", *offences])


@pytest.mark.parametrize("name", OFFENDERS)
def test_an_offender_is_caught(name: str, tmp_path: Path) -> None:
    rule, path, text = OFFENDERS[name]
    write(tmp_path, path, text)
    offences = rule(read_tree(tmp_path))
    assert len(offences) == 1
    assert offences[0].startswith(f"{path}:")


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_what_just_keeps_the_rules_passes(name: str, tmp_path: Path) -> None:
    write(tmp_path, *AT_THE_LIMIT[name])
    assert [offence for rule in RULES for offence in rule(read_tree(tmp_path))] == []


def test_a_circle_of_three_is_caught_and_its_onlooker_is_not(tmp_path: Path) -> None:
    write(tmp_path, "app/a.py", "from app import b\n")
    write(tmp_path, "app/b.py", "from app.c.d import X\n")
    write(tmp_path, "app/c/d.py", "import app.a\n")
    write(tmp_path, "app/e.py", "import app.a\n")
    caught = import_cycles(read_tree(tmp_path))
    assert [offence.partition(":")[0] for offence in caught] == [
        "app/a.py",
        "app/b.py",
        "app/c/d.py",
    ]


def test_every_rule_has_an_offender() -> None:
    assert {rule for rule, _, _ in OFFENDERS.values()} == set(RULES)


def test_the_tree_that_is_read_is_this_one(tree: Tree) -> None:
    paths = {source.path for source in tree}
    assert {"app/__init__.py", "app/domain/money.py", "tests/test_house.py"} <= paths
