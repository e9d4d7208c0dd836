"""Pack what a decision rests on and what was answered into one column.

Why: 1.7 KB a decision were mostly names of JSON members; deflated against a dictionary both take
    a tenth (app/store/packing.py). Rows that are there become plain ones (first byte 0).
Locks: ACCESS EXCLUSIVE on `decision`, while its rows are rewritten; run it before traffic.
Deploy: together with the code that writes and reads `record`.
Undo: possible only while all rows are plain: packed ones are known to the program alone.
"""

from alembic import op

revision = "20261126_0700"
down_revision = "20261124_0350"

UP = """
ALTER TABLE decision ADD COLUMN record BYTEA;
ALTER TABLE decision DISABLE TRIGGER no_change;
UPDATE decision SET record =
    '\\x00'::bytea || convert_to(inputs::text || E'\\n' || answer::text, 'UTF8');
ALTER TABLE decision ENABLE TRIGGER no_change;
ALTER TABLE decision ALTER COLUMN record SET NOT NULL;
ALTER TABLE decision ALTER COLUMN record SET STORAGE EXTERNAL;
ALTER TABLE decision DROP COLUMN inputs, DROP COLUMN answer;
COMMENT ON COLUMN decision.record IS 'inputs and answer, see app/store/packing.py';
"""

DOWN = """
ALTER TABLE decision ADD COLUMN inputs JSON, ADD COLUMN answer JSON;
ALTER TABLE decision DISABLE TRIGGER no_change;
UPDATE decision SET
    inputs = split_part(convert_from(substr(record, 2), 'UTF8'), E'\\n', 1)::json,
    answer = split_part(convert_from(substr(record, 2), 'UTF8'), E'\\n', 2)::json;
ALTER TABLE decision ENABLE TRIGGER no_change;
ALTER TABLE decision ALTER COLUMN inputs SET NOT NULL, ALTER COLUMN answer SET NOT NULL;
ALTER TABLE decision DROP COLUMN record;
"""


def upgrade() -> None:
    """Add the column, move both into it, drop both."""
    op.execute(UP)


def downgrade() -> None:
    """Take them apart again."""
    op.execute(DOWN)
