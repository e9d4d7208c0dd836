"""Cursors of lists that are sorted by our own ids."""

from datetime import datetime

from app.api.wire import Page
from app.domain.errors import FieldError, NotFoundError
from app.domain.ids import need_id


def id_after(page: Page) -> str | None:
    """Read the id of the last item seen; None on the first page.

    Raises:
        FieldError: The cursor is none of this list's.

    """
    key = page.after(str)
    return None if key is None else id_of(str(key[0]))


def moment_after(page: Page) -> tuple[datetime, str] | None:
    """Read moment and id of the last item seen; None on the first page.

    Raises:
        FieldError: The cursor is none of this list's.

    """
    key = page.after(str, str)
    if key is None:
        return None
    try:
        at = datetime.fromisoformat(str(key[0]))
    except ValueError:
        raise _foreign() from None
    return at, id_of(str(key[1]))


def id_of(text: str) -> str:
    """Read one of our ids in a cursor.

    Raises:
        FieldError: The cursor is none of this list's.

    """
    try:
        return need_id(text, "item")
    except NotFoundError:
        raise _foreign() from None


def _foreign() -> FieldError:
    return FieldError("is not a cursor of this list", "cursor")
