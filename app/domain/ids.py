"""Ids that Aval gives itself: UUIDs in their one canonical form."""

from uuid import UUID

from app.domain.errors import NotFoundError


def need_id(text: str, what: str) -> str:
    """Return an id of ours; `what` names the thing for people (`order hold`).

    Ids are never interpreted: what is not written exactly as Aval writes it names nothing.

    Raises:
        NotFoundError: The text cannot be one.

    """
    try:
        if str(UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise NotFoundError(f"no {what} has the id {text[:64]!r}")
