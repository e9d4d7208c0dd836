"""Make the partitions, and forbid changing or deleting evidence.

Why: `decision` is detached and exported by month, `journal` and `request_key` stay small trees;
    the journal, decisions, ledger events, inputs and hold histories are evidence: a bug must not
    be able to rewrite them. Retention detaches a partition, which no trigger sees.
Locks: none; everything is new.
Deploy: before the first start; `aval_make_decision_partitions` is called again at each start.
Undo: drops the triggers, the functions and the partitions with all they hold.
"""

from alembic import op

revision = "20261124_0340"
down_revision = "20261124_0330"

EVIDENCE = (
    "journal",
    "decision",
    "ledger_event",
    "account_input",
    "order_hold_event",
    "score",
    "fx_rate",
    "rule_set",
)

FUNCTIONS = """
CREATE FUNCTION aval_uuid7_floor(at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

CREATE FUNCTION aval_make_decision_partitions(first date, months integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', first)::date;
    part text;
BEGIN
    FOR step IN 1..months LOOP
        part := 'decision_p' || to_char(month, 'YYYYMM');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF decision FOR VALUES FROM (%L) TO (%L)', part,
                aval_uuid7_floor(month::timestamp AT TIME ZONE 'UTC'),
                aval_uuid7_floor((month + interval '1 month')::timestamp AT TIME ZONE 'UTC'));
            EXECUTE format(
                'CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I'
                ' FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change()', part);
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
END
$$;

CREATE FUNCTION aval_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is evidence: rows are only added, never %d', TG_TABLE_NAME, lower(TG_OP)
        USING ERRCODE = 'restrict_violation';
END
$$;
"""

PARTS = {"journal_p": ("journal", 16), "request_key_p": ("request_key", 8)}


def upgrade() -> None:
    """Make partitions and triggers."""
    op.execute(FUNCTIONS)
    op.execute("CREATE TABLE decision_p_default PARTITION OF decision DEFAULT")
    for prefix, (table, count) in PARTS.items():
        for part in range(count):
            op.execute(
                f"CREATE TABLE {prefix}{part:02d} PARTITION OF {table}"
                f" FOR VALUES WITH (MODULUS {count}, REMAINDER {part})"
            )
    for table in EVIDENCE:
        op.execute(
            f"CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION aval_refuse_change()"
        )
    parts = [f"journal_p{part:02d}" for part in range(16)]
    for table in (*EVIDENCE, "decision_p_default", *parts):
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change()"
        )
    op.execute("SELECT aval_make_decision_partitions(current_date, 3)")


def downgrade() -> None:
    """Drop the partitions, then what guarded them."""
    for table in EVIDENCE:
        op.execute(f"DROP TRIGGER no_change ON {table}")
        op.execute(f"DROP TRIGGER no_truncate ON {table}")
    op.execute(
        """
        DO $$
        DECLARE part regclass;
        BEGIN
            FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN
                ('decision'::regclass, 'journal'::regclass, 'request_key'::regclass)
            LOOP
                EXECUTE 'DROP TABLE ' || part;
            END LOOP;
        END
        $$;
        DROP FUNCTION aval_make_decision_partitions(date, integer);
        DROP FUNCTION aval_uuid7_floor(timestamptz);
        DROP FUNCTION aval_refuse_change() CASCADE;
        """
    )
