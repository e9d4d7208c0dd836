"""Let a schema say since which revision programs work on it.

Why: a program that was replaced or rolled back refused every later schema, also one that changed
nothing it uses, and did not start; nothing told which.
Locks: none but on the new table.
Deploy: before the code, which starts on this revision or a later one. The old code runs on with it.
Undo: no loss; programs since then refuse every later schema.
"""

from alembic import op

revision = "20261209_0100"
down_revision = "20261208_0200"
breaks_older = True  # older programs read no such table


def upgrade() -> None:
    """Make the table, whose row the migrations keep."""
    op.execute("""
        CREATE TABLE schema_terms (programs_since text PRIMARY KEY);
        COMMENT ON TABLE schema_terms IS
            'one row: programs with a migration of this revision work on the schema';
        INSERT INTO schema_terms VALUES ('20261209_0100')
    """)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE schema_terms")
