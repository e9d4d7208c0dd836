"""Let a bill be expected before it is reported on, and find quarantined events again.

Why: a payment may name a note nobody has reported on: its row then stands as OPEN. A repeat of a
    quarantined event must find its row, and tell it from another event under the same id.
Locks: ACCESS EXCLUSIVE on `note` and `quarantine`, while they are scanned; run it before traffic.
Deploy: before the code that writes them.
Undo: needs notes that are still OPEN to be gone.
"""

from alembic import op

revision = "20261124_0350"
down_revision = "20261124_0340"

UP = """
ALTER TABLE note DROP CONSTRAINT note_status_check;
ALTER TABLE note ADD CONSTRAINT note_status_check
    CHECK (status IN ('OPEN', 'PAID', 'DISCOUNTED', 'ENDORSED', 'DISHONOURED'));
ALTER TABLE quarantine ADD COLUMN content BYTEA DEFAULT ''::bytea NOT NULL;
ALTER TABLE quarantine ALTER COLUMN content DROP DEFAULT;
CREATE INDEX quarantine_source_event_id_idx ON quarantine (source, event_id);
"""

DOWN = """
DROP INDEX quarantine_source_event_id_idx;
ALTER TABLE quarantine DROP COLUMN content;
ALTER TABLE note DROP CONSTRAINT note_status_check;
ALTER TABLE note ADD CONSTRAINT note_status_check
    CHECK (status IN ('PAID', 'DISCOUNTED', 'ENDORSED', 'DISHONOURED'));
"""


def upgrade() -> None:
    """Widen the check, add column and index."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
