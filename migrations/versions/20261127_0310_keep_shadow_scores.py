"""Keep what a shadow model says of customers beside the scores that hold.

Why: a challenger is judged by live traffic: what it would have decided, and how those customers
    paid. A row a customer, version and day bounds what is kept.
Locks: none on existing tables.
Deploy: before the code that writes it.
Undo: forgets what shadows said.
"""

from alembic import op

revision = "20261127_0310"
down_revision = "20261127_0300"

UP = """
CREATE TABLE score_shadow (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    customer_id TEXT NOT NULL,
    day DATE NOT NULL,
    scored_at TIMESTAMP WITH TIME ZONE NOT NULL,
    score INTEGER,
    probability DOUBLE PRECISION,
    risk_class TEXT NOT NULL,
    held_score INTEGER,
    held_probability DOUBLE PRECISION,
    held_class TEXT NOT NULL,
    held_source TEXT NOT NULL,
    CONSTRAINT score_shadow_pkey PRIMARY KEY (name, version, customer_id, day)
);
CREATE INDEX score_shadow_name_day_idx ON score_shadow (name, day);
COMMENT ON COLUMN score_shadow.held_class IS 'the class that held then, an override''s included';
COMMENT ON TABLE score_shadow IS 'what a model that only watches said, the last of each day';
"""


def upgrade() -> None:
    """Add the table."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE score_shadow")
