"""Create the evidence.

Why: What is only ever added; triggers keep a bug from rewriting it (TRUNCATE included).
Locks: none; everything is new.
Deploy: before the first start.
Undo: drops the tables with all they hold.
"""

from alembic import op

revision = "20261124_0330"
down_revision = "20261124_0320"

CREATE = """
CREATE TABLE feed (
    segment_id TEXT NOT NULL,
    source TEXT NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT feed_pkey PRIMARY KEY (segment_id, source)
);
COMMENT ON TABLE feed IS 'when each source last reported facts of a segment';

CREATE TABLE journal (
    account_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    decision_id UUID,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    authorized_minor BIGINT NOT NULL,
    open_delivery_minor BIGINT NOT NULL,
    open_item_minor BIGINT NOT NULL,
    note_receivable_minor BIGINT NOT NULL,
    prepayment_minor BIGINT NOT NULL,
    limit_minor BIGINT,
    unlimited BOOLEAN NOT NULL,
    forced_minor BIGINT NOT NULL,
    foreign_use JSONB,
    CONSTRAINT journal_pkey PRIMARY KEY (account_id, seq),
    CONSTRAINT journal_kind_check CHECK (kind IN ('AUTHORIZE', 'TOLERANCE', 'RELEASE', 'FREE',
        'FACT', 'LIMIT', 'LIMIT_EFFECTIVE', 'FX_REVALUATION', 'REGROUP', 'MERGE', 'CURRENCY'))
)
 PARTITION BY HASH (account_id);

CREATE TABLE ledger_event (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    content BYTEA NOT NULL,
    type TEXT NOT NULL,
    result TEXT NOT NULL,
    payload JSON NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ledger_event_pkey PRIMARY KEY (source, event_id)
);

CREATE TABLE quarantine (
    quarantine_id BIGINT GENERATED ALWAYS AS IDENTITY,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    customer_ref TEXT NOT NULL,
    account_id BIGINT,
    payload JSON NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    field TEXT,
    cause TEXT DEFAULT '' NOT NULL,
    status TEXT DEFAULT 'OPEN' NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT quarantine_pkey PRIMARY KEY (quarantine_id),
    CONSTRAINT quarantine_status_check CHECK (status IN ('OPEN', 'APPLIED', 'SUPERSEDED'))
);
CREATE INDEX quarantine_account_id_idx ON quarantine (account_id);
CREATE INDEX quarantine_open_idx ON quarantine (cause, quarantine_id) WHERE status = 'OPEN';

CREATE TABLE order_hold_event (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY,
    hold_id UUID NOT NULL,
    action TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    reason_code TEXT,
    note TEXT,
    data JSONB,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT order_hold_event_pkey PRIMARY KEY (event_id),
    CONSTRAINT order_hold_event_hold_id_fkey FOREIGN KEY(hold_id) REFERENCES order_hold (hold_id)
);
CREATE INDEX order_hold_event_hold_id_idx ON order_hold_event (hold_id);
"""

DROP = """
DROP TABLE order_hold_event;
DROP TABLE quarantine;
DROP TABLE ledger_event;
DROP TABLE journal;
DROP TABLE feed;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(CREATE)


def downgrade() -> None:
    """Drop the tables."""
    op.execute(DROP)
