"""Let ANALYZE look at a tenth of what it looks at by default in all that answers write.

Why: accounts, orders, keys and decisions are read by their keys, like the journal. ANALYZE reads
    30,000 rows of each and sorts each of their columns, whenever a tenth of them has changed: of
    accounts that may be once a minute for ever. Answers wait for it: it takes a processor.
Locks: SHARE UPDATE EXCLUSIVE on each of the tables for a moment: reads and writes go on.
Deploy: before the code, which starts on this revision only; the old code runs on with it.
"""

from alembic import op

revision = "20261203_0100"
down_revision = "20261202_0100"

TABLES = ("account", "credit_order", "decision", "request_key")

SAMPLE = """
DO $$
BEGIN
    EXECUTE 'ALTER TABLE {table} ' || (
        SELECT string_agg(format('ALTER COLUMN %I SET STATISTICS {target}', attname), ', ')
        FROM pg_attribute
        WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped);
END
$$
"""

MAKE_PARTITIONS = """
CREATE OR REPLACE FUNCTION aval_make_decision_partitions(first date, months integer)
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
                ' FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change()', part);{more}
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
END
$$
"""

HAND_DOWN = """
            -- a partition is born without what ANALYZE is to sample of the whole
            EXECUTE format('ALTER TABLE %I %s', part, (
                SELECT string_agg(
                    format('ALTER COLUMN %I SET STATISTICS %s', attname, attstattarget), ', ')
                FROM pg_attribute WHERE attrelid = 'decision'::regclass AND attstattarget > 0));"""


def upgrade() -> None:
    """Set what ANALYZE samples, in partitions too, and in those that are still to be made."""
    _sample(10)
    op.execute(MAKE_PARTITIONS.format(more=HAND_DOWN))


def downgrade() -> None:
    """Go back to the server's default."""
    op.execute(MAKE_PARTITIONS.format(more=""))
    _sample(-1)


def _sample(target: int) -> None:
    for table in TABLES:
        op.execute(SAMPLE.format(table=table, target=target))
