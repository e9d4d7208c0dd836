"""The house's rules that no linter knows, each a function from a source tree to its offences.

An offence reads `path:line what is wrong`. `tests/test_house.py` holds the tree to the rules, and
every rule to a sample that offends it.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

FUNCTION_LINES: Final = 50
HANDLER_LINES: Final = 15
FILE_LINES: Final = 300
TEST_FILE_LINES: Final = 500
PARAMETERS: Final = 5
LINE_WIDTH: Final = 100
"""Limits, each inclusive."""

FOLDERS: Final = ("app", "bench", "migrations", "tests")
REFUSED_NAMES: Final = frozenset(
    {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base"}
)
COMMITTERS: Final = ("app/store/database.py", "app/store/lane.py")
VERBS: Final = frozenset({"get", "post", "put", "patch", "delete", "api_route"})
BROAD: Final = frozenset({"Exception", "BaseException"})
IMPURE_MODULES: Final = frozenset(
    {"asyncio", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "selectors"}
    | {"shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib"}
)
IMPURE_FUNCTIONS: Final = frozenset({"input", "open", "print", "uuid1", "uuid4"})
IMPURE_METHODS: Final = frozenset({"now", "today", "utcnow", "uuid1", "uuid4"})
PATCHES: Final = frozenset({"setattr", "delattr", "setitem", "delitem"})
SKIPS: Final = frozenset({"skip", "skipif", "importorskip", "xfail", "SkipTest"})
PATCHERS: Final = frozenset({"mock", "unittest.mock", "pytest_mock"})

Function = ast.FunctionDef | ast.AsyncFunctionDef
Place = tuple[ast.stmt | ast.expr, str]


@dataclass(frozen=True)
class Source:
    """A Python file: its path from the root with `/`, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, walked once for all rules."""
        return list(ast.walk(self.tree))

    @property
    def module(self) -> str:
        """The dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def offences(self, places: Iterable[Place]) -> list[str]:
        """Write what is wrong, with the line it starts at."""
        return [f"{self.path}:{node.lineno} {wrong}" for node, wrong in places]

    def functions(self) -> Iterator[Function]:
        """Give every function and method, nested ones too."""
        return (node for node in self.nodes if isinstance(node, Function))

    def imports(self) -> Iterator[tuple[ast.stmt, str]]:
        """Give every import and the dotted name it takes: `a.b.c` for `from a.b import c`."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


Tree = Sequence[Source]
Rule = Callable[[Tree], list[str]]


def read_tree(root: Path) -> list[Source]:
    """Read every Python file of the house's folders below `root`, in order of path."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    texts = [
        (path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in paths
    ]
    return [Source(path, text, ast.parse(text, path)) for path, text in texts]


def within(tree: Tree, *folders: str) -> Iterator[Source]:
    """Give the files below the folders (`app/domain`)."""
    return (
        source for source in tree if source.path.startswith(tuple(f"{name}/" for name in folders))
    )


def each(tree: Iterable[Source], places: Callable[[Source], Iterable[Place]]) -> list[str]:
    """Collect the offences of one file at a time."""
    return [offence for source in tree for offence in source.offences(places(source))]


def long_functions(tree: Tree) -> list[str]:
    """Refuse functions of more than 50 lines, from `def` to the end, docstring included."""
    return each(
        tree,
        lambda source: (
            (function, f"{function.name} has {lines} lines")
            for function in source.functions()
            if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
        ),
    )


def is_handler(function: Function) -> bool:
    """Say whether a router's verb decorates it."""
    called = (item.func for item in function.decorator_list if isinstance(item, ast.Call))
    return any(isinstance(name, ast.Attribute) and name.attr in VERBS for name in called)


def body_lines(function: Function) -> int:
    """Count the lines of a body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def long_handlers(tree: Tree) -> list[str]:
    """Refuse HTTP handlers whose body, without the docstring, has more than 15 lines."""
    return each(
        within(tree, "app/api"),
        lambda source: (
            (function, f"handler {function.name} has {body_lines(function)} lines")
            for function in source.functions()
            if is_handler(function) and body_lines(function) > HANDLER_LINES
        ),
    )


def long_files(tree: Tree) -> list[str]:
    """Refuse files of more than 300 lines, tests of more than 500."""
    return [
        f"{source.path}:{lines} the file has {lines} lines"
        for source in tree
        if (lines := len(source.text.splitlines()))
        > (TEST_FILE_LINES if source.path.startswith("tests/") else FILE_LINES)
    ]


def long_lines(tree: Tree) -> list[str]:
    """Refuse lines of more than 100 characters; links and pragmas are no exception here."""
    return [
        f"{source.path}:{number} the line has {len(line)} characters"
        for source in tree
        for number, line in enumerate(source.text.splitlines(), 1)
        if len(line) > LINE_WIDTH
    ]


def count_parameters(function: Function) -> int:
    """Count what a caller may hand over; `self`, `cls`, `*args` and `**kwargs` do not count."""
    given = function.args.posonlyargs + function.args.args
    own = 1 if given and given[0].arg in {"self", "cls"} else 0
    return len(given) - own + len(function.args.kwonlyargs)


def many_parameters(tree: Tree) -> list[str]:
    """Refuse functions of more than 5 parameters: what belongs together is a dataclass."""
    return each(
        tree,
        lambda source: (
            (function, f"{function.name} has {count_parameters(function)} parameters")
            for function in source.functions()
            if count_parameters(function) > PARAMETERS
        ),
    )


def local_imports(tree: Tree) -> list[str]:
    """Refuse imports inside functions: what a module needs stands on top of it."""
    return each(
        (
            source
            for source in tree
            if any(node not in source.tree.body for node, _ in source.imports())
        ),
        lambda source: (
            (node, f"import inside {function.name}")
            for function in source.functions()
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ),
    )


def type_checking(tree: Tree) -> list[str]:
    """Refuse `TYPE_CHECKING`: it hides a cycle."""
    return each(
        tree,
        lambda source: (
            (node, "TYPE_CHECKING")
            for node in source.nodes
            if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
            or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
        ),
    )


def imported_modules(source: Source, known: dict[str, Source]) -> set[str]:
    """Name the modules of the tree it imports; `from a import b` takes `a.b` where that is one."""
    names = (name if name in known else name.rpartition(".")[0] for _, name in source.imports())
    return {name for name in names if name in known}


def import_cycles(tree: Tree) -> list[str]:
    """Refuse modules of the app that reach themselves by imports."""
    known = {source.module: source for source in within(tree, "app")}
    edges = {name: imported_modules(source, known) for name, source in known.items()}
    offences = []
    for start, nearest in edges.items():
        reached: set[str] = set()
        ahead = nearest
        while ahead:
            reached |= ahead
            ahead = {name for near in ahead for name in edges[near]} - reached
        if start in reached:
            offences.append(f"{known[start].path}:1 {start} imports itself in a circle")
    return offences


def impure_domain(tree: Tree) -> list[str]:
    """Refuse in the domain third parties, other rooms, and what knows clock, chance or world."""

    def places(source: Source) -> Iterator[Place]:
        for node, name in source.imports():
            top = name.partition(".")[0]
            if not name.startswith("app.domain.") and top not in sys.stdlib_module_names:
                yield node, f"the domain imports {name}"
            elif top in IMPURE_MODULES:
                yield node, f"the domain imports {top}, which is not pure"
        for call in source.nodes:
            if isinstance(call, ast.Call) and is_impure(call):
                yield call, f"the domain calls {called_name(call)}, which is not pure"

    return each(within(tree, "app/domain"), places)


def is_impure(call: ast.Call) -> bool:
    """Say whether a call asks the clock or the world; `hold.open()` does not, `open()` does."""
    names = IMPURE_METHODS if isinstance(call.func, ast.Attribute) else IMPURE_FUNCTIONS
    return called_name(call) in names


def called_name(call: ast.Call) -> str:
    """Give the last part of what is called: `now` for `datetime.now()`; empty for an expression."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def patches(tree: Tree) -> list[str]:
    """Refuse tests that patch: what a test wants to replace becomes a parameter."""

    def places(source: Source) -> Iterator[Place]:
        for node, name in source.imports():
            if name in PATCHERS or name.rpartition(".")[0] in PATCHERS:
                yield node, f"{name} patches"
        for item in source.nodes:
            if isinstance(item, ast.Attribute) and item.attr in PATCHES:
                yield item, f".{item.attr} patches"
        for function in source.functions():
            if any(argument.arg == "mocker" for argument in function.args.args):
                yield function, f"{function.name} takes mocker"

    return each(within(tree, "tests"), places)


def skips(tree: Tree) -> list[str]:
    """Refuse tests that may not run; what needs more than Python is marked `ops` and fails."""
    return each(
        within(tree, "tests"),
        lambda source: (
            (node, f".{node.attr} keeps a test from failing")
            for node in source.nodes
            if isinstance(node, ast.Attribute) and node.attr in SKIPS
        ),
    )


def documented(source: Source) -> Iterator[ast.ClassDef | Function]:
    """Give the public classes and functions of a module, and the public methods of such classes."""
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    inner
                    for inner in node.body
                    if isinstance(inner, ast.ClassDef | Function) and not inner.name.startswith("_")
                )


def words(text: str) -> set[str]:
    """Split a name or a sentence into its words, without articles."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\da-z]+", text.replace("_", " "))
    return {part.lower() for part in parts} - {"a", "an", "the", "of"}


def silent_docstrings(tree: Tree) -> list[str]:
    """Refuse a missing docstring and one that only repeats the name.

    Test functions are named by what they hold, so that in tests only the module needs one.
    """

    def places(source: Source) -> Iterator[Place]:
        if source.tree.body and not ast.get_docstring(source.tree):
            yield source.tree.body[0], "the module has no docstring"
        if re.match(r"tests/(.*/)?test_", source.path):
            return
        for node in documented(source):
            says = words(ast.get_docstring(node) or "")
            if not says:
                yield node, f"{node.name} has no docstring"
            elif says <= words(node.name):
                yield node, f"{node.name}'s docstring only repeats its name"

    return each(tree, places)


def refused_names(tree: Tree) -> list[str]:
    """Refuse folders and files whose name says nothing (`utils`, `date_helpers`)."""
    return [
        f"{source.path}:1 {part} says nothing"
        for source in tree
        for part in source.module.split(".")
        if REFUSED_NAMES & set(part.split("_"))
    ]


def stray_commits(tree: Tree) -> list[str]:
    """Refuse commits outside the one file that owns transactions, and the lane."""

    def places(source: Source) -> Iterator[Place]:
        for node in source.nodes:
            if isinstance(node, ast.Call) and called_name(node) == "commit":
                yield node, "commits"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
                if re.match(r"\s*commit\s*(;|$)", text, re.IGNORECASE):
                    yield node, "commits in SQL"

    return each((source for source in within(tree, "app") if source.path not in COMMITTERS), places)


def broad_excepts(tree: Tree) -> list[str]:
    """Refuse in rooms 1 to 3 a handler that catches bugs: bare, Exception or BaseException."""

    def places(source: Source) -> Iterator[Place]:
        for node in source.nodes:
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(item is None or ast.unparse(item) in BROAD for item in caught):
                    yield node.body[0], "catches everything"

    return each(within(tree, "app/api", "app/usecases", "app/domain"), places)


RULES: Final[tuple[Rule, ...]] = (
    long_functions,
    long_handlers,
    long_files,
    long_lines,
    many_parameters,
    local_imports,
    type_checking,
    import_cycles,
    impure_domain,
    patches,
    skips,
    silent_docstrings,
    refused_names,
    stray_commits,
    broad_excepts,
)
