"""Let a rule only warn for one customer, by one person's word, for a reason and a time.

Why: who let orders pass that the policy holds, why and until when, is evidence; a decision reads it
    from the account's inputs, by version.
Locks: none on existing tables.
Deploy: before the code that writes it.
Undo: forgets who snoozed what; inputs that name snoozes stay, and older code ignores them.
"""

from alembic import op

revision = "20261127_0700"
down_revision = "20261127_0600"

UP = """
CREATE TABLE rule_snooze (
    snooze_id UUID NOT NULL,
    customer_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_by TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT rule_snooze_pkey PRIMARY KEY (snooze_id),
    CONSTRAINT rule_snooze_expires_at_check CHECK (expires_at > created_at),
    CONSTRAINT rule_snooze_ended_check CHECK (num_nonnulls(ended_by, ended_at) IN (0, 2)),
    CONSTRAINT rule_snooze_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer
        (customer_id),
    CONSTRAINT rule_snooze_segment_id_fkey FOREIGN KEY(segment_id) REFERENCES segment (segment_id)
);
CREATE INDEX rule_snooze_customer_id_segment_id_idx ON rule_snooze (customer_id, segment_id);
"""


def upgrade() -> None:
    """Add the table."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE rule_snooze")
