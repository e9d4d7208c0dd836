"""Say who may release up to which amount, keep proposed releases, and every change of authority.

Why: a matrix of role, class and amount, who has which role, who stands in for whom on which days,
    and per segment from which amount on a second person must approve and when a hold escalates.
    A release that waits for a second person is a row beside its hold, whose status stays OPEN.
    Changes of authority are evidence.
Locks: SHARE ROW EXCLUSIVE on `order_hold` and `segment` for a moment, for the foreign keys.
Deploy: before the code that writes them; without rows everything is as before.
Undo: drops the tables with the matrix and all proposals; what was released stays released.
"""

from alembic import op

revision = "20261127_0510"
down_revision = "20261127_0500"

UP = """
CREATE TABLE authority_role (
    role TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    grants JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_by TEXT NOT NULL,
    CONSTRAINT authority_role_pkey PRIMARY KEY (role)
);
COMMENT ON COLUMN authority_role.grants IS
    'rows of the matrix: segment, risk_class, and the amount in minor units or null';

CREATE TABLE authority_subject (
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_by TEXT NOT NULL,
    CONSTRAINT authority_subject_pkey PRIMARY KEY (subject),
    CONSTRAINT authority_subject_role_fkey FOREIGN KEY(role) REFERENCES authority_role (role)
);

CREATE TABLE authority_delegation (
    delegation_id TEXT NOT NULL,
    from_subject TEXT NOT NULL,
    to_subject TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE NOT NULL,
    note TEXT,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_by TEXT NOT NULL,
    CONSTRAINT authority_delegation_pkey PRIMARY KEY (delegation_id),
    CONSTRAINT authority_delegation_dates_check CHECK (valid_to >= valid_from),
    CONSTRAINT authority_delegation_subjects_check CHECK (from_subject <> to_subject)
);
CREATE INDEX authority_delegation_to_subject_idx ON authority_delegation (to_subject);

CREATE TABLE authority_policy (
    segment_id TEXT NOT NULL,
    two_above_minor BIGINT,
    currency TEXT,
    escalation JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_by TEXT NOT NULL,
    CONSTRAINT authority_policy_pkey PRIMARY KEY (segment_id),
    CONSTRAINT authority_policy_two_above_check CHECK (two_above_minor >= 0
        AND (two_above_minor IS NULL) = (currency IS NULL)),
    CONSTRAINT authority_policy_segment_id_fkey FOREIGN KEY(segment_id) REFERENCES segment
        (segment_id)
);
COMMENT ON COLUMN authority_policy.two_above_minor IS
    'a release of more needs two persons; null: none does';

CREATE TABLE authority_change (
    change_id BIGINT GENERATED ALWAYS AS IDENTITY,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    data JSONB,
    client TEXT NOT NULL,
    actor TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT authority_change_pkey PRIMARY KEY (change_id),
    CONSTRAINT authority_change_what_check CHECK (what IN ('ROLE', 'SUBJECT', 'DELEGATION',
        'SEGMENT'))
);
COMMENT ON COLUMN authority_change.data IS 'as it was put; null: it was taken away';
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON authority_change
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON authority_change
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();

CREATE TABLE release_proposal (
    proposal_id UUID NOT NULL,
    hold_id UUID NOT NULL,
    status TEXT DEFAULT 'PROPOSED' NOT NULL,
    max_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    valid_until TIMESTAMP WITH TIME ZONE,
    reason_code TEXT NOT NULL,
    note TEXT,
    proposed_by TEXT NOT NULL,
    proposed_actor TEXT,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by TEXT,
    decided_actor TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT release_proposal_pkey PRIMARY KEY (proposal_id),
    CONSTRAINT release_proposal_status_check CHECK (status IN ('PROPOSED', 'APPROVED',
        'DECLINED')),
    CONSTRAINT release_proposal_decided_check CHECK ((status = 'PROPOSED') = (decided_by IS NULL)
        AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT release_proposal_eyes_check CHECK (status <> 'APPROVED'
        OR decided_by <> proposed_by),
    CONSTRAINT release_proposal_hold_id_fkey FOREIGN KEY(hold_id) REFERENCES order_hold (hold_id)
);
CREATE INDEX release_proposal_hold_id_idx ON release_proposal (hold_id, proposed_at);
CREATE UNIQUE INDEX release_proposal_open_key ON release_proposal (hold_id)
    WHERE status = 'PROPOSED';
"""

DOWN = """
DROP TABLE release_proposal;
DROP TABLE authority_change;
DROP TABLE authority_policy;
DROP TABLE authority_delegation;
DROP TABLE authority_subject;
DROP TABLE authority_role;
"""


def upgrade() -> None:
    """Add the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Take them away."""
    op.execute(DOWN)
