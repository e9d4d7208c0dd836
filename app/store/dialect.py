"""One compiler for every pool of the process: what one has compiled, no other compiles again.

A service has two pools, and compiling its statements takes longer than most of them take to run.
"""

from typing import Final

from sqlalchemy import util
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine.interfaces import CompiledCacheType

DRIVER: Final = "aval"
"""Addresses of `postgresql+aval://…` are for this dialect."""

COMPILED: Final[CompiledCacheType] = util.LRUCache(1500)
"""What is compiled, by dialect and statement: there are some hundreds, many in several forms."""


class SharedDialect(PGDialect_psycopg):
    """psycopg's dialect; two are one where their servers are of the same version."""

    driver = DRIVER
    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        """Tell whether what the other compiles suits this server."""
        if not isinstance(other, SharedDialect):
            return NotImplemented
        return self._version() == other._version()

    def __hash__(self) -> int:
        """Hash what makes equal."""
        return hash(self._version())

    def _version(self) -> tuple[int, ...] | None:
        """Give the server's version, None before the first connection."""
        found: tuple[int, ...] | None = self.server_version_info
        return found


registry.register(f"postgresql.{DRIVER}", __name__, SharedDialect.__name__)
