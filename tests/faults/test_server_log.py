"""What the embedded PostgreSQL writes into its log while the service works as it should."""

from pathlib import Path

import psycopg
import pytest

from app.store.embedded import start_embedded
from tests.states import put_state


def test_a_lock_that_is_waited_for_is_a_line_without_the_statement(
    tmp_path: Path, ready_state: Path
) -> None:
    """Loops try again after such a timeout; the statement is kilobytes each time."""
    put_state(ready_state, tmp_path)
    with (
        start_embedded(tmp_path, options={"fsync": "off"}) as server,
        psycopg.connect(server.url) as holder,
        psycopg.connect(server.url) as other,
    ):
        holder.execute("LOCK TABLE account")
        other.execute("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT 'c4nary' FROM account")
    log = (tmp_path / "postgres.log").read_text(encoding="utf-8")
    assert "canceling statement due to lock timeout" in log
    assert "c4nary" not in log
