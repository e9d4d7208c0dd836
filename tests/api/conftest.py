"""Keys of certain scopes and segments, for tests of who may do what."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import httpx2
import pytest

from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import Erp
from tests.server import NO_TLS

Speak = Callable[..., Erp]


@pytest.fixture
def speak(service: str, database: Database) -> Iterator[Speak]:
    """Make clients with keys of certain scopes and segments."""
    closing = ExitStack()

    def make(*scopes: str, segments: tuple[str, ...] = ()) -> Erp:
        name = "+".join(scopes + segments)
        token = CreateKey(database, lambda: datetime.now(UTC))(name, scopes, segments)
        headers = {"Authorization": f"Bearer {token}", "Aval-Actor": "E-17"}
        client = httpx2.Client(
            base_url=service, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        )
        return Erp(closing.enter_context(client))

    with closing:
        yield make
