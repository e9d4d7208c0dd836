"""Create the decisions.

Why: What was decided and on what; `decision` grows for ever, so it is partitioned by month of
its UUIDv7, `request_key` by hash.
Locks: none; everything is new.
Deploy: before the first start.
Undo: drops the tables with all they hold.
"""

from alembic import op

revision = "20261124_0320"
down_revision = "20261124_0310"

CREATE = """
CREATE TABLE decision (
    decision_id UUID NOT NULL,
    kind TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    segment_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    judged TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    evaluated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    rule_set_version INTEGER NOT NULL,
    input_version INTEGER NOT NULL,
    status SMALLINT NOT NULL,
    inputs JSON NOT NULL,
    answer JSON NOT NULL,
    CONSTRAINT decision_pkey PRIMARY KEY (decision_id),
    CONSTRAINT decision_kind_check CHECK (kind IN ('CHECK', 'AUTHORIZATION', 'RELEASE')),
    CONSTRAINT decision_outcome_check CHECK (outcome IN ('APPROVE', 'HOLD', 'REJECT'))
)
 PARTITION BY RANGE (decision_id);
CREATE INDEX decision_account_id_decision_id_idx ON decision (account_id, decision_id);
CREATE INDEX decision_segment_id_order_id_idx ON decision (segment_id, order_id);

CREATE TABLE request_key (
    client TEXT NOT NULL,
    key TEXT NOT NULL,
    hash BYTEA NOT NULL,
    decision_id UUID,
    status SMALLINT,
    answer JSON,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT request_key_pkey PRIMARY KEY (client, key)
)
 PARTITION BY HASH (client, key);

CREATE TABLE rule_set (
    version INTEGER NOT NULL,
    data JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT rule_set_pkey PRIMARY KEY (version)
);

CREATE TABLE scorecard (
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    data JSONB NOT NULL,
    active BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT scorecard_pkey PRIMARY KEY (version)
);
CREATE UNIQUE INDEX scorecard_active_key ON scorecard (active) WHERE active;

CREATE TABLE order_hold (
    hold_id UUID NOT NULL,
    kind TEXT NOT NULL,
    status TEXT DEFAULT 'OPEN' NOT NULL,
    customer_id TEXT NOT NULL,
    account_id BIGINT,
    segment_id TEXT,
    order_id TEXT,
    ask JSONB,
    reasons JSONB DEFAULT '[]' NOT NULL,
    unblock JSONB DEFAULT '[]' NOT NULL,
    decision_id UUID,
    authorization_id UUID,
    reason_code TEXT,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT order_hold_pkey PRIMARY KEY (hold_id),
    CONSTRAINT order_hold_kind_check CHECK (kind IN ('AUTOMATIC', 'FORCED', 'STOP')),
    CONSTRAINT order_hold_status_check CHECK (status IN ('OPEN', 'RELEASED', 'REJECTED',
        'CANCELLED')),
    CONSTRAINT order_hold_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer
        (customer_id)
);
CREATE INDEX order_hold_customer_id_idx ON order_hold (customer_id);
CREATE UNIQUE INDEX order_hold_open_key ON order_hold (segment_id, order_id) WHERE status =
    'OPEN' AND order_id IS NOT NULL;
CREATE INDEX order_hold_status_opened_at_idx ON order_hold (status, opened_at);
CREATE INDEX order_hold_updated_at_idx ON order_hold (updated_at);
COMMENT ON COLUMN order_hold.segment_id IS 'null: a stop in every segment';
COMMENT ON COLUMN order_hold.ask IS 'the question that was held, with its expires_in';

CREATE TABLE score (
    score_id BIGINT GENERATED ALWAYS AS IDENTITY,
    customer_id TEXT NOT NULL,
    data JSONB NOT NULL,
    scored_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT score_pkey PRIMARY KEY (score_id),
    CONSTRAINT score_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer (customer_id)
);
CREATE INDEX score_customer_id_score_id_idx ON score (customer_id, score_id);

CREATE TABLE customer_score (
    customer_id TEXT NOT NULL,
    score_id BIGINT,
    features_as_of DATE,
    scored_at TIMESTAMP WITH TIME ZONE,
    seen JSONB,
    CONSTRAINT customer_score_pkey PRIMARY KEY (customer_id),
    CONSTRAINT customer_score_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer
        (customer_id),
    CONSTRAINT customer_score_score_id_fkey FOREIGN KEY(score_id) REFERENCES score (score_id)
)
 WITH (fillfactor = 70);
COMMENT ON COLUMN customer_score.seen IS 'the seq of each account whose facts the score knows';
COMMENT ON TABLE customer_score IS
    'the score in force, and when it was last found so; null only within a transaction';
"""

DROP = """
DROP TABLE customer_score;
DROP TABLE score;
DROP TABLE order_hold;
DROP TABLE scorecard;
DROP TABLE rule_set;
DROP TABLE request_key;
DROP TABLE decision;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(CREATE)


def downgrade() -> None:
    """Drop the tables."""
    op.execute(DROP)
