"""Create the parties.

Why: Who buys on which terms: segments, customers, accounts, limits, rates, API keys.
Locks: none; everything is new.
Deploy: before the first start.
Undo: drops the tables with all they hold.
"""

from alembic import op

revision = "20261124_0300"
down_revision = None

CREATE = """
CREATE TABLE account_input (
    account_id BIGINT NOT NULL,
    version INTEGER NOT NULL,
    data JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT account_input_pkey PRIMARY KEY (account_id, version)
);

CREATE TABLE api_key (
    key_id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    segments TEXT[],
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT api_key_pkey PRIMARY KEY (key_id),
    CONSTRAINT api_key_hash_key UNIQUE (hash)
);
CREATE INDEX api_key_name_idx ON api_key (name);

CREATE TABLE customer (
    customer_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT DEFAULT 'company' NOT NULL,
    country TEXT,
    uscc TEXT,
    lei TEXT,
    industry TEXT,
    parent_id TEXT,
    since DATE,
    active BOOLEAN DEFAULT true NOT NULL,
    merged_into TEXT,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT customer_pkey PRIMARY KEY (customer_id),
    CONSTRAINT customer_kind_check CHECK (kind IN ('company', 'sole_trader', 'person')),
    CONSTRAINT customer_own_parent_check CHECK (parent_id <> customer_id),
    CONSTRAINT customer_parent_id_fkey FOREIGN KEY(parent_id) REFERENCES customer (customer_id),
    CONSTRAINT customer_merged_into_fkey FOREIGN KEY(merged_into) REFERENCES customer
        (customer_id)
);
CREATE INDEX customer_parent_id_idx ON customer (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX customer_uscc_idx ON customer (uscc) WHERE uscc IS NOT NULL;

CREATE TABLE fx_rate (
    rate_id BIGINT GENERATED ALWAYS AS IDENTITY,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    rate NUMERIC(38, 18) NOT NULL,
    rate_date DATE NOT NULL,
    source TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fx_rate_pkey PRIMARY KEY (rate_id),
    CONSTRAINT fx_rate_rate_check CHECK (rate > 0)
);
CREATE INDEX fx_rate_pair_idx ON fx_rate (base, quote, rate_date);

CREATE TABLE segment (
    segment_id TEXT NOT NULL,
    name TEXT NOT NULL,
    currency TEXT DEFAULT 'CNY' NOT NULL,
    time_zone TEXT DEFAULT 'Asia/Shanghai' NOT NULL,
    mode TEXT DEFAULT 'ENFORCE' NOT NULL,
    four_eyes BOOLEAN DEFAULT false NOT NULL,
    rule_set_version INTEGER DEFAULT 1 NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    CONSTRAINT segment_pkey PRIMARY KEY (segment_id),
    CONSTRAINT segment_mode_check CHECK (mode IN ('OFF', 'SHADOW', 'WARN', 'ENFORCE'))
);

CREATE TABLE account (
    account_id BIGINT GENERATED ALWAYS AS IDENTITY,
    customer_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    path BIGINT[] NOT NULL,
    currency TEXT NOT NULL,
    currency_source TEXT DEFAULT 'SEGMENT' NOT NULL,
    payment_terms_days INTEGER,
    owner TEXT,
    status TEXT DEFAULT 'OPEN' NOT NULL,
    limit_minor BIGINT,
    unlimited BOOLEAN DEFAULT false NOT NULL,
    limit_expired BOOLEAN DEFAULT false NOT NULL,
    limit_changes_on DATE,
    authorized_minor BIGINT DEFAULT 0 NOT NULL,
    open_delivery_minor BIGINT DEFAULT 0 NOT NULL,
    open_item_minor BIGINT DEFAULT 0 NOT NULL,
    note_receivable_minor BIGINT DEFAULT 0 NOT NULL,
    prepayment_minor BIGINT DEFAULT 0 NOT NULL,
    forced_minor BIGINT DEFAULT 0 NOT NULL,
    foreign_use JSONB,
    seq BIGINT DEFAULT 0 NOT NULL,
    input_version INTEGER DEFAULT 0 NOT NULL,
    quarantined INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT account_pkey PRIMARY KEY (account_id),
    CONSTRAINT account_customer_id_segment_id_key UNIQUE (customer_id, segment_id),
    CONSTRAINT account_status_check CHECK (status IN ('OPEN', 'STOPPED')),
    CONSTRAINT account_currency_source_check CHECK (currency_source IN ('SEGMENT', 'LEDGER',
        'LIMIT', 'CUSTOMER')),
    CONSTRAINT account_never_over_check CHECK (unlimited OR authorized_minor +
        open_delivery_minor + open_item_minor + note_receivable_minor - prepayment_minor <=
        coalesce(limit_minor, 0) + forced_minor),
    CONSTRAINT account_not_negative_check CHECK (limit_minor >= 0 AND authorized_minor >= 0 AND
        open_delivery_minor >= 0 AND open_item_minor >= 0 AND note_receivable_minor >= 0 AND
        prepayment_minor >= 0 AND forced_minor >= 0 AND quarantined >= 0),
    CONSTRAINT account_bounded_check CHECK (greatest(authorized_minor, open_delivery_minor,
        open_item_minor, note_receivable_minor, prepayment_minor) <= 1000000000000000000),
    CONSTRAINT account_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer
        (customer_id),
    CONSTRAINT account_segment_id_fkey FOREIGN KEY(segment_id) REFERENCES segment (segment_id)
)
 WITH (fillfactor = 50);
CREATE INDEX account_segment_id_owner_idx ON account (segment_id, owner);
COMMENT ON COLUMN account.path IS 'itself, then its groups, upwards';
COMMENT ON COLUMN account.limit_changes_on IS 'first business date on which the limit may differ';
COMMENT ON COLUMN account.foreign_use IS 'positions in other currencies and the rates that value';

CREATE TABLE customer_ref (
    ref TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    CONSTRAINT customer_ref_pkey PRIMARY KEY (ref),
    CONSTRAINT customer_ref_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer
        (customer_id)
);
CREATE INDEX customer_ref_customer_id_idx ON customer_ref (customer_id);
COMMENT ON COLUMN customer_ref.ref IS 'a customer_id or an alias of one';

CREATE TABLE credit_limit (
    limit_id UUID NOT NULL,
    account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    limit_minor BIGINT,
    currency TEXT NOT NULL,
    unlimited BOOLEAN NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    status TEXT NOT NULL,
    reason TEXT,
    proposed_by TEXT NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT credit_limit_pkey PRIMARY KEY (limit_id),
    CONSTRAINT credit_limit_kind_check CHECK (kind IN ('base', 'temporary')),
    CONSTRAINT credit_limit_status_check CHECK (status IN ('PROPOSED', 'APPROVED', 'REJECTED',
        'ENDED')),
    CONSTRAINT credit_limit_dates_check CHECK (valid_to >= valid_from),
    CONSTRAINT credit_limit_unlimited_check CHECK (NOT (unlimited AND limit_minor IS NOT NULL)),
    CONSTRAINT credit_limit_account_id_fkey FOREIGN KEY(account_id) REFERENCES account
        (account_id)
);
CREATE INDEX credit_limit_account_id_idx ON credit_limit (account_id);
"""

DROP = """
DROP TABLE credit_limit;
DROP TABLE customer_ref;
DROP TABLE account;
DROP TABLE segment;
DROP TABLE fx_rate;
DROP TABLE customer;
DROP TABLE api_key;
DROP TABLE account_input;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(CREATE)


def downgrade() -> None:
    """Drop the tables."""
    op.execute(DROP)
