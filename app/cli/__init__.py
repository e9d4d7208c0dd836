"""The same use cases from the terminal: `aval …`. Reads files and arguments, decides nothing.

Some libraries load others only because they are installed: structlog takes rich for tracebacks in
colour, FastAPI looks whether a model is one of pydantic's first version. Nothing here comes of it
but 5 MB in every process, so they find none.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Final, cast

_NOT_HERE: Final = cast("ModuleType", None)
"""As the import system itself notes that a module cannot be imported."""


def _import_without(needless: str, library: str) -> None:
    """Import a library as if another one were not installed; who needs that may still have it."""
    if needless not in sys.modules:
        sys.modules[needless] = _NOT_HERE
        import_module(library)
        del sys.modules[needless]


_import_without("rich", "structlog")
sys.modules.setdefault("pydantic.v1", _NOT_HERE)  # asked for again with every model
