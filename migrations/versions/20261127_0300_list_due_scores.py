"""List whose scores are due, run a night for all, and let people override a score.

Why: a score is to follow facts and limits within seconds, whatever process took them in, and to
    outlive a crash in between. `score_due` is only added to by transactions of the ledger (a row a
    customer and transaction, no key to wait for) and emptied by who scores. An override is one
    person's word against the computed score; what was said is never rewritten.
Locks: none on existing tables but a read of `customer_score` and `account`; customers whose
    accounts moved since they were scored are put on the list.
Deploy: before the code that writes them. Facts that older code takes in afterwards are listed by
    the night only.
Undo: forgets what is due and who overrode what.
"""

from alembic import op

revision = "20261127_0300"
down_revision = "20261127_0200"

UP = """
CREATE TABLE score_due (
    due_id BIGINT GENERATED ALWAYS AS IDENTITY,
    customer_id TEXT NOT NULL,
    rank SMALLINT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT score_due_pkey PRIMARY KEY (due_id),
    CONSTRAINT score_due_rank_check CHECK (rank BETWEEN 0 AND 2)
);
CREATE INDEX score_due_rank_due_id_idx ON score_due (rank, due_id);
CREATE INDEX score_due_customer_id_idx ON score_due (customer_id);
COMMENT ON COLUMN score_due.rank IS '0: something adverse, does not wait; 1: other; 2: the night';
COMMENT ON TABLE score_due IS
    'whose score is to be computed anew; only added to, until a scorer takes all of a customer';

CREATE TABLE score_night (
    segment_id TEXT NOT NULL,
    night DATE NOT NULL,
    after TEXT,
    listed INTEGER DEFAULT 0 NOT NULL,
    begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT score_night_pkey PRIMARY KEY (segment_id),
    CONSTRAINT score_night_segment_id_fkey FOREIGN KEY(segment_id) REFERENCES segment (segment_id)
);
COMMENT ON COLUMN score_night.after IS 'the last customer that was put on the list';
COMMENT ON TABLE score_night IS 'how far the last night of each segment has come';

CREATE TABLE score_override (
    override_id UUID NOT NULL,
    customer_id TEXT NOT NULL,
    risk_class TEXT NOT NULL,
    reason TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT score_override_pkey PRIMARY KEY (override_id),
    CONSTRAINT score_override_risk_class_check CHECK (risk_class IN ('A', 'B', 'C', 'D', 'E')),
    CONSTRAINT score_override_status_check CHECK (status IN ('PROPOSED', 'IN_FORCE', 'REJECTED',
        'REPLACED', 'ENDED', 'LAPSED')),
    CONSTRAINT score_override_expiry_check CHECK (expires_at > created_at),
    CONSTRAINT score_override_reason_check CHECK (reason <> ''),
    CONSTRAINT score_override_customer_id_fkey FOREIGN KEY(customer_id) REFERENCES customer
        (customer_id)
);
CREATE UNIQUE INDEX score_override_in_force_key ON score_override (customer_id)
    WHERE status = 'IN_FORCE';
CREATE INDEX score_override_expiry_idx ON score_override (expires_at) WHERE status = 'IN_FORCE';
CREATE INDEX score_override_customer_id_idx ON score_override (customer_id, created_at);
CREATE TRIGGER no_change BEFORE UPDATE ON score_override FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{status,decided_by,decided_at,ended_by,ended_at}'::text[]
        IS DISTINCT FROM to_jsonb(NEW) - '{status,decided_by,decided_at,ended_by,ended_at}'::text[]
        OR OLD.status NOT IN ('PROPOSED', 'IN_FORCE'))
    EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_delete BEFORE DELETE ON score_override
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON score_override
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();

INSERT INTO score_due (customer_id, rank, since)
SELECT s.customer_id, 1, now() FROM customer_score s WHERE EXISTS (
    SELECT FROM account a WHERE a.customer_id = s.customer_id
        AND a.seq > coalesce((s.seen ->> a.account_id::text)::bigint, 0));
"""

DOWN = """
DROP TABLE score_override;
DROP TABLE score_night;
DROP TABLE score_due;
"""


def upgrade() -> None:
    """Add the tables, and list who is due."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them."""
    op.execute(DOWN)
