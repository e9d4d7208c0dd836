"""Keep inputs of accounts once more as text, without what no rule reads.

Why: each order reads its payer's inputs; taking them apart and writing them as text for each was a
    fifteenth of the server's time.
Locks: ACCESS EXCLUSIVE on `account_input`, for no time: no row is rewritten. What is older than
    this is read as before, until its next version.
Deploy: any time; older programs run on with it, and what they add has it as well.
Undo: no loss.
"""

from alembic import op

revision = "20261216_0100"
down_revision = "20261215_0100"
breaks_older = False  # they name the columns that they write and read


def upgrade() -> None:
    """Make the column and the trigger that fills it, whoever writes and in whatever role."""
    op.execute("""
        ALTER TABLE account_input ADD COLUMN for_rules JSON;
        COMMENT ON COLUMN account_input.for_rules
            IS 'data without reasons of the score, by a trigger; null in what is older than it';
        CREATE FUNCTION aval_keep_for_rules() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.for_rules := NEW.data #- '{score,reasons}';
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER for_rules BEFORE INSERT OR UPDATE ON account_input
            FOR EACH ROW EXECUTE FUNCTION aval_keep_for_rules();
        ALTER TABLE account_input ENABLE ALWAYS TRIGGER for_rules;
    """)


def downgrade() -> None:
    """Take them away."""
    op.execute("""
        DROP TRIGGER for_rules ON account_input;
        DROP FUNCTION aval_keep_for_rules;
        ALTER TABLE account_input DROP COLUMN for_rules;
    """)
