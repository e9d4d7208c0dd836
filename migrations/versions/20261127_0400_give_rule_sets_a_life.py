"""Give rule sets a life: drafted, proposed, approved by another, activated, superseded.

Why: until now another policy was put in by a row and an UPDATE. Who wrote, proposed and approved a
    version, and when it came into force where, is evidence; a segment has one version in force and
    at most one that comes into force later, both read in the snapshot that a decision rests on.
Locks: ACCESS EXCLUSIVE on `segment` for moments (defaults are constants); the rest is new.
Deploy: before the code that reads the new columns; older code reads on what is in force.
Undo: drops the history of approvals and what is scheduled; what is in force stays.
"""

from alembic import op

revision = "20261127_0400"
down_revision = "20261127_0310"

UP = """
ALTER TABLE segment
    ADD COLUMN own_rule_set BOOLEAN DEFAULT false NOT NULL,
    ADD COLUMN next_rule_set_version INTEGER,
    ADD COLUMN next_rule_set_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT segment_next_rule_set_check
        CHECK (num_nonnulls(next_rule_set_version, next_rule_set_at) IN (0, 2));
COMMENT ON COLUMN segment.own_rule_set IS 'false: it follows the default for all segments';
COMMENT ON COLUMN segment.next_rule_set_version IS 'in force from next_rule_set_at on';

CREATE TABLE rule_set_life (
    version INTEGER NOT NULL,
    status TEXT DEFAULT 'DRAFT' NOT NULL,
    author TEXT NOT NULL,
    proposed_by TEXT,
    proposed_at TIMESTAMP WITH TIME ZONE,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT rule_set_life_pkey PRIMARY KEY (version),
    CONSTRAINT rule_set_life_status_check CHECK (status IN ('DRAFT', 'PROPOSED', 'APPROVED',
        'REJECTED')),
    CONSTRAINT rule_set_life_version_fkey FOREIGN KEY(version) REFERENCES rule_set (version),
    CONSTRAINT rule_set_life_four_eyes_check CHECK (decided_by NOT IN (author, proposed_by)
        OR status <> 'APPROVED')
);

CREATE TABLE rule_set_default (
    one INTEGER DEFAULT 1 NOT NULL,
    rule_set_version INTEGER DEFAULT 1 NOT NULL,
    next_rule_set_version INTEGER,
    next_rule_set_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT rule_set_default_pkey PRIMARY KEY (one),
    CONSTRAINT rule_set_default_one_check CHECK (one = 1),
    CONSTRAINT rule_set_default_next_rule_set_check
        CHECK (num_nonnulls(next_rule_set_version, next_rule_set_at) IN (0, 2))
);
COMMENT ON TABLE rule_set_default IS 'what segments without a rule set of their own are judged by';
INSERT INTO rule_set_default DEFAULT VALUES;
UPDATE segment SET own_rule_set = true WHERE rule_set_version <> 1;

CREATE TABLE rule_set_event (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY,
    version INTEGER NOT NULL,
    action TEXT NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    note TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT rule_set_event_pkey PRIMARY KEY (event_id),
    CONSTRAINT rule_set_event_action_check CHECK (action IN ('DRAFT', 'PROPOSE', 'APPROVE',
        'REJECT', 'ACTIVATE')),
    CONSTRAINT rule_set_event_version_fkey FOREIGN KEY(version) REFERENCES rule_set (version)
);
CREATE INDEX rule_set_event_version_idx ON rule_set_event (version, event_id);

CREATE TABLE rule_set_activation (
    activation_id BIGINT GENERATED ALWAYS AS IDENTITY,
    version INTEGER NOT NULL,
    segment_id TEXT,
    effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
    client TEXT NOT NULL,
    actor TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT rule_set_activation_pkey PRIMARY KEY (activation_id),
    CONSTRAINT rule_set_activation_effective_at_check CHECK (effective_at >= at),
    CONSTRAINT rule_set_activation_version_fkey FOREIGN KEY(version) REFERENCES rule_set (version),
    CONSTRAINT rule_set_activation_segment_id_fkey FOREIGN KEY(segment_id) REFERENCES segment
        (segment_id)
);
CREATE INDEX rule_set_activation_effective_at_idx ON rule_set_activation (effective_at);
COMMENT ON COLUMN rule_set_activation.segment_id IS 'null: the default for all segments';

INSERT INTO rule_set_life (version, status, author, decided_by, decided_at)
SELECT version, 'APPROVED', 'aval', NULL, created_at FROM rule_set;

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rule_set_event
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rule_set_event
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rule_set_activation
    FOR EACH ROW EXECUTE FUNCTION aval_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rule_set_activation
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
"""

DOWN = """
DROP TABLE rule_set_activation;
DROP TABLE rule_set_event;
DROP TABLE rule_set_default;
DROP TABLE rule_set_life;
ALTER TABLE segment
    DROP CONSTRAINT segment_next_rule_set_check,
    DROP COLUMN own_rule_set,
    DROP COLUMN next_rule_set_version,
    DROP COLUMN next_rule_set_at;
"""


def upgrade() -> None:
    """Add the columns and the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Take them back."""
    op.execute(DOWN)
