"""Make decisions' partitions where an operator went back to the server's default of ANALYZE, too.

Why: a new month's partition takes over what ANALYZE samples of the columns of `decision`. Where no
    column of it had a target of its own any more, the statement for that ended after the table's
    name, and a service with a month to add did not start. A target of 0 (no sample) is taken over
    now.
Locks: none but on the function's row.
Deploy: before the code, which starts on this revision only; the old code runs on with it.
"""

from alembic import op

revision = "20261204_0100"
down_revision = "20261203_0100"

MAKE_PARTITIONS = """
CREATE OR REPLACE FUNCTION aval_make_decision_partitions(first date, months integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', first)::date;
    part text;{more}
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
            -- a partition is born without what ANALYZE is to sample of the whole
            {hand_down}
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
END
$$
"""

SAMPLED = """
    sampled text;"""

HAND_DOWN = """
            SELECT string_agg(
                format('ALTER COLUMN %I SET STATISTICS %s', attname, attstattarget), ', ')
            INTO sampled
            FROM pg_attribute
            WHERE attrelid = 'decision'::regclass AND attnum > 0 AND NOT attisdropped
                AND attstattarget >= 0;
            IF sampled IS NOT NULL THEN
                EXECUTE format('ALTER TABLE %I %s', part, sampled);
            END IF;"""

BEFORE = """
            EXECUTE format('ALTER TABLE %I %s', part, (
                SELECT string_agg(
                    format('ALTER COLUMN %I SET STATISTICS %s', attname, attstattarget), ', ')
                FROM pg_attribute WHERE attrelid = 'decision'::regclass AND attstattarget > 0));"""


def upgrade() -> None:
    """Hand down what there is, be it nothing."""
    op.execute(MAKE_PARTITIONS.format(more=SAMPLED, hand_down=HAND_DOWN.lstrip()))


def downgrade() -> None:
    """Go back to the function of before."""
    op.execute(MAKE_PARTITIONS.format(more="", hand_down=BEFORE.lstrip()))
