"""Ready is who finds a schema that lets him work: a release is brought in under load."""

import pytest
from sqlalchemy import text

from app.domain.errors import BusyError
from app.store.database import Database
from app.store.revision import head_revision
from app.usecases.health import CheckReadiness

OLDER = "20261208_0200"
LATER = "20990101_0000"


@pytest.mark.parametrize(
    ("revision", "since", "ready"),
    [
        pytest.param(OLDER, OLDER, False, id="older"),
        pytest.param(None, OLDER, False, id="none"),
        pytest.param(head_revision(), LATER, True, id="this-one"),
        pytest.param(LATER, head_revision(), True, id="later"),
        pytest.param(LATER, OLDER, True, id="later-since-long"),
        pytest.param(LATER, LATER, False, id="later-that-breaks"),
    ],
)
def test_whose_schema_is_good_enough(
    database: Database, revision: str | None, since: str, *, ready: bool
) -> None:
    with database.begin() as tx:
        tx.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            tx.execute(text("INSERT INTO alembic_version VALUES (:name)"), {"name": revision})
        tx.execute(text("UPDATE schema_terms SET programs_since = :name"), {"name": since})
    check = CheckReadiness(database, [])
    check.open = True
    if ready:
        check()
        return
    with pytest.raises(BusyError, match="not ready: the database schema is at"):
        check()
