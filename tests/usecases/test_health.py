"""Ready is who finds the schema he needs, or a later one: a release is brought in under load."""

import pytest
from sqlalchemy import text

from app.domain.errors import BusyError
from app.store.database import Database
from app.store.revision import head_revision
from app.usecases.health import CheckReadiness


@pytest.mark.parametrize(
    ("revision", "ready"),
    [
        pytest.param("20200101_0000", False, id="older"),
        pytest.param(None, False, id="none"),
        pytest.param(head_revision(), True, id="this-one"),
        pytest.param("20990101_0000", True, id="later"),
    ],
)
def test_whose_schema_is_good_enough(
    database: Database, revision: str | None, *, ready: bool
) -> None:
    with database.begin() as tx:
        tx.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            tx.execute(text("INSERT INTO alembic_version VALUES (:name)"), {"name": revision})
    check = CheckReadiness(database, [])
    check.open = True
    if ready:
        check()
        return
    with pytest.raises(BusyError, match="the schema is at"):
        check()
