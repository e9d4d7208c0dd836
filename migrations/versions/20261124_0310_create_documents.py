"""Create the documents.

Why: What the ERP reports: orders, deliveries, invoices, payments, notes, credits, disputes.
Locks: none; everything is new.
Deploy: before the first start.
Undo: drops the tables with all they hold.
"""

from alembic import op

revision = "20261124_0310"
down_revision = "20261124_0300"

CREATE = """
CREATE TABLE allocation (
    segment_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    line_no INTEGER NOT NULL,
    invoice_id TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    discount_minor BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT allocation_pkey PRIMARY KEY (segment_id, payment_id, line_no)
);
CREATE INDEX allocation_segment_id_invoice_id_idx ON allocation (segment_id, invoice_id);

CREATE TABLE credit (
    segment_id TEXT NOT NULL,
    credit_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    invoice_id TEXT,
    amount_minor BIGINT NOT NULL,
    credit_date DATE NOT NULL,
    prepayment_minor BIGINT DEFAULT 0 NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT credit_pkey PRIMARY KEY (segment_id, credit_id, kind),
    CONSTRAINT credit_kind_check CHECK (kind IN ('credit_note', 'write_off'))
);
CREATE INDEX credit_account_id_idx ON credit (account_id);
CREATE INDEX credit_segment_id_invoice_id_idx ON credit (segment_id, invoice_id);

CREATE TABLE credit_order (
    segment_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    version BIGINT,
    closed_version BIGINT,
    authorization_id UUID,
    state TEXT DEFAULT 'NONE' NOT NULL,
    authorized_minor BIGINT DEFAULT 0 NOT NULL,
    reserved_minor BIGINT DEFAULT 0 NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    authorized_at TIMESTAMP WITH TIME ZONE,
    released_max_minor BIGINT,
    released_until TIMESTAMP WITH TIME ZONE,
    rejected BOOLEAN DEFAULT false NOT NULL,
    hold_id UUID,
    hold_kind TEXT,
    CONSTRAINT credit_order_pkey PRIMARY KEY (segment_id, order_id),
    CONSTRAINT credit_order_state_check CHECK (state IN ('NONE', 'LIVE', 'RELEASED', 'EXPIRED')),
    CONSTRAINT credit_order_reserved_check CHECK (reserved_minor BETWEEN 0 AND authorized_minor
        AND (state = 'LIVE' OR reserved_minor = 0)),
    CONSTRAINT credit_order_authorization_id_key UNIQUE (authorization_id)
)
 WITH (fillfactor = 70);
CREATE INDEX credit_order_account_id_idx ON credit_order (account_id);
CREATE INDEX credit_order_expires_at_idx ON credit_order (expires_at) WHERE state = 'LIVE' AND
    reserved_minor > 0;
COMMENT ON COLUMN credit_order.account_id IS 'the payer';
COMMENT ON COLUMN credit_order.version IS 'the newest seen in asks and facts';

CREATE TABLE delivery (
    segment_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT delivery_pkey PRIMARY KEY (segment_id, delivery_id, order_id)
);
CREATE INDEX delivery_account_id_idx ON delivery (account_id);
CREATE INDEX delivery_segment_id_order_id_idx ON delivery (segment_id, order_id);
COMMENT ON COLUMN delivery.order_id IS 'empty: without an order';

CREATE TABLE dispute (
    segment_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    open BOOLEAN NOT NULL,
    since DATE NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT dispute_pkey PRIMARY KEY (segment_id, invoice_id)
);

CREATE TABLE invoice (
    segment_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    issue_date DATE NOT NULL,
    due_date DATE NOT NULL,
    open_minor BIGINT NOT NULL,
    excess_minor BIGINT DEFAULT 0 NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT invoice_pkey PRIMARY KEY (segment_id, invoice_id),
    CONSTRAINT invoice_open_check CHECK (open_minor BETWEEN 0 AND amount_minor)
);
CREATE INDEX invoice_account_id_issue_date_idx ON invoice (account_id, issue_date);
CREATE INDEX invoice_open_idx ON invoice (account_id, due_date) WHERE open_minor > 0;

CREATE TABLE invoice_line (
    segment_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    line_no INTEGER NOT NULL,
    order_id TEXT,
    delivery_id TEXT,
    amount_minor BIGINT NOT NULL,
    final BOOLEAN NOT NULL,
    CONSTRAINT invoice_line_pkey PRIMARY KEY (segment_id, invoice_id, line_no)
);
CREATE INDEX invoice_line_segment_id_delivery_id_idx ON invoice_line (segment_id, delivery_id);
CREATE INDEX invoice_line_segment_id_order_id_idx ON invoice_line (segment_id, order_id);

CREATE TABLE note (
    segment_id TEXT NOT NULL,
    note_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    status TEXT NOT NULL,
    recourse BOOLEAN DEFAULT true NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT note_pkey PRIMARY KEY (segment_id, note_id),
    CONSTRAINT note_status_check CHECK (status IN ('PAID', 'DISCOUNTED', 'ENDORSED',
        'DISHONOURED'))
);

CREATE TABLE order_fact (
    segment_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    status TEXT NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT order_fact_pkey PRIMARY KEY (segment_id, order_id)
);

CREATE TABLE order_use (
    segment_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    delivered_minor BIGINT NOT NULL,
    invoiced_minor BIGINT NOT NULL,
    CONSTRAINT order_use_pkey PRIMARY KEY (segment_id, order_id, account_id, currency)
);
COMMENT ON TABLE order_use IS 'by order, payer and currency; a lone delivery has its own order';

CREATE TABLE past_authorization (
    authorization_id UUID NOT NULL,
    segment_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    authorized_minor BIGINT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    authorized_at TIMESTAMP WITH TIME ZONE,
    released_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT past_authorization_pkey PRIMARY KEY (authorization_id)
);
CREATE INDEX past_authorization_account_id_idx ON past_authorization (account_id);

CREATE TABLE payment (
    segment_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    paid_date DATE NOT NULL,
    status TEXT DEFAULT 'FINAL' NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    note_id TEXT,
    note_kind TEXT,
    note_due_date DATE,
    prepayment_minor BIGINT DEFAULT 0 NOT NULL,
    note_receivable_minor BIGINT DEFAULT 0 NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT payment_pkey PRIMARY KEY (segment_id, payment_id),
    CONSTRAINT payment_status_check CHECK (status IN ('FINAL', 'PROVISIONAL'))
);
CREATE INDEX payment_account_id_idx ON payment (account_id);
CREATE INDEX payment_segment_id_note_id_idx ON payment (segment_id, note_id) WHERE note_id IS
    NOT NULL;
"""

DROP = """
DROP TABLE payment;
DROP TABLE past_authorization;
DROP TABLE order_use;
DROP TABLE order_fact;
DROP TABLE note;
DROP TABLE invoice_line;
DROP TABLE invoice;
DROP TABLE dispute;
DROP TABLE delivery;
DROP TABLE credit_order;
DROP TABLE credit;
DROP TABLE allocation;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(CREATE)


def downgrade() -> None:
    """Drop the tables."""
    op.execute(DROP)
