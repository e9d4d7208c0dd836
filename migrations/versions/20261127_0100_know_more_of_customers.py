"""Keep financial statements and what registries answered, for features.

Why: scores may rest on growth, margins and ratios and on risk events; both are only added, with
    the day on which they became known, so that a feature can be computed as of any day. The rate
    at which all customers pay late is computed over everything: it is kept by day.
Locks: none on existing tables but SHARE ROW EXCLUSIVE on `customer` for two foreign keys, a moment.
Deploy: before the code that writes them.
Undo: drops the tables; what they held is gone.
"""

from alembic import op

revision = "20261127_0100"
down_revision = "20261126_0730"

UP = """
CREATE TABLE financial_statement (
    statement_id BIGINT GENERATED ALWAYS AS IDENTITY,
    customer_id TEXT NOT NULL,
    period_end DATE NOT NULL,
    known_on DATE NOT NULL,
    currency TEXT,
    figures JSONB NOT NULL,
    ratios JSONB NOT NULL,
    source TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT financial_statement_pkey PRIMARY KEY (statement_id),
    CONSTRAINT financial_statement_customer_id_fkey FOREIGN KEY(customer_id)
        REFERENCES customer (customer_id),
    CONSTRAINT financial_statement_known_on_check CHECK (known_on >= period_end)
);
CREATE INDEX financial_statement_customer_id_period_end_idx
    ON financial_statement (customer_id, period_end);
COMMENT ON TABLE financial_statement IS 'of a period the row added last holds';

CREATE TABLE registry_signal (
    signal_id BIGINT GENERATED ALWAYS AS IDENTITY,
    customer_id TEXT NOT NULL,
    registry TEXT NOT NULL,
    known_on DATE NOT NULL,
    kind TEXT,
    role TEXT,
    event_date DATE,
    ended_on DATE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT registry_signal_pkey PRIMARY KEY (signal_id),
    CONSTRAINT registry_signal_customer_id_fkey FOREIGN KEY(customer_id)
        REFERENCES customer (customer_id),
    CONSTRAINT registry_signal_kind_check CHECK (kind IN ('DISHONEST_DEBTOR',
        'ABNORMAL_OPERATION', 'SERIOUS_ILLEGAL', 'LITIGATION', 'ADMIN_PENALTY', 'EQUITY_FREEZE',
        'CONSUMPTION_LIMIT', 'TAX_ARREARS', 'LIQUIDATION', 'DEREGISTRATION')),
    CONSTRAINT registry_signal_role_check CHECK (role IN ('SUBJECT', 'DEFENDANT', 'PLAINTIFF',
        'OTHER'))
);
CREATE INDEX registry_signal_customer_id_idx ON registry_signal (customer_id);
COMMENT ON TABLE registry_signal IS
    'risk events; without a kind: a registry was asked and had nothing';

CREATE TABLE background_rate (
    day DATE NOT NULL,
    known BIGINT NOT NULL,
    late BIGINT NOT NULL,
    known_30 BIGINT NOT NULL,
    late_30 BIGINT NOT NULL,
    CONSTRAINT background_rate_pkey PRIMARY KEY (day),
    CONSTRAINT background_rate_counts_check CHECK (late BETWEEN 0 AND known
        AND late_30 BETWEEN 0 AND known_30)
);
COMMENT ON TABLE background_rate IS
    'invoices of all customers whose outcome was known at the end of a day, and the late ones';

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON financial_statement
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON financial_statement
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
"""

DOWN = """
DROP TABLE background_rate;
DROP TABLE registry_signal;
DROP TABLE financial_statement;
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them."""
    op.execute(DOWN)
