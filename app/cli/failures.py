"""What may go wrong without being a bug: one line for the terminal, and the exit code."""

from typing import Final

from psycopg import Error as DriverError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.api.operations import PortTakenError
from app.domain.errors import BusyError, CreditError, FileRefusedError, SchemaOldError
from app.settings import SettingsError
from app.store.embedded import EmbeddedError

FAILED: Final = 1
WRONG_USE: Final = 2


class RefusedError(Exception):
    """A command cannot do what it is asked for here and now; the text is one line."""


class WrongUseError(Exception):
    """A command is asked for something that does not exist; the text is one line."""


EXPECTED: Final = (
    WrongUseError,
    SettingsError,
    CreditError,
    RefusedError,
    PortTakenError,
    EmbeddedError,
    DBAPIError,
    PoolTimeoutError,
    DriverError,
    OSError,
)


def explain(error: Exception) -> tuple[int, str]:
    """Say in one line what went wrong, and which exit code it means."""
    wrong_use = isinstance(error, WrongUseError | SettingsError | CreditError)
    failed = isinstance(error, BusyError | SchemaOldError | FileRefusedError)
    return WRONG_USE if wrong_use and not failed else FAILED, _line(error)


def _line(error: BaseException) -> str:
    match error:
        case BusyError() if isinstance(error.__cause__, DBAPIError):
            return _line(error.__cause__)
        case CreditError():
            return f"{error.field}: {error.detail}" if error.field else error.detail
        case DBAPIError() | DriverError():
            return _database_line(error)
        case OSError():
            reason = error.strerror or str(error)
            return f"{error.filename}: {reason}" if error.filename else reason
        case _:
            return str(error)


def _database_line(error: DBAPIError | DriverError) -> str:
    reason = error.orig if isinstance(error, DBAPIError) and error.orig else error
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()]
    first = lines[0].removeprefix("connection failed: ") if lines else type(reason).__name__
    return f"the database: {first}"
