"""The read lane's statements: one a kind brings all that its answers rest on, in one snapshot.

Questions come as one JSON array; every row says whose answer it is (`place`). What few accounts
need (members of a group, a limit that changes, rates) is behind a CASE: it is planned with the
rest and costs others nothing.

A planner that knows a table as empty finds all its indexes equally good, and keeps what it chose:
`segment_id || ''` takes the one by segment from it (many accounts are in one, few of a customer),
and an ORDER BY that one index serves makes that one cheaper.
"""

from typing import Final

from app.domain.rates import MAX_AGE_DAYS
from app.store.inputs import SCORE
from app.store.limits_sql import OVER_WHEN_TOLD

SETTINGS: Final = """
SELECT set_config('statement_timeout', '5s', true), set_config('jit', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
    set_config('join_collapse_limit', '1', true), set_config('from_collapse_limit', '1', true)
"""
"""Goes before the others in one pipeline, which is one transaction: it ends with it, so that a
pooler may stand in between. Joins are made as they are written, row by row over indexes."""

REPLAN: Final = "DISCARD PLANS"
"""Goes before the others now and then. On tables it knows as empty the planner finds reading a
whole index as good as looking one row up, and keeps that plan until the tables are analyzed."""

_SCORE_IN_FORCE: Final = SCORE.replace(":at", "%(at)s")

# An account in its segment, on the segment's business date, with all that its light follows from.
# Accounts of records that were merged into the customer are among its own; invoices stay there.
_STATE: Final = f"""
    a.account_id, a.customer_id, a.segment_id, a.path, a.currency, a.status, a.limit_minor,
    a.unlimited, a.limit_expired, a.limit_withheld, a.limit_changes_on, a.authorized_minor,
    a.open_delivery_minor, a.open_item_minor, a.note_receivable_minor, a.prepayment_minor,
    a.foreign_use::text,
    a.forced_minor, a.seq, a.input_version, a.quarantined,
    d.today, c.active, {_SCORE_IN_FORCE} ->> 'traffic_light' AS score_light,
    a.status = 'STOPPED' OR cardinality(a.path) > 1 AND EXISTS (
        SELECT FROM account g WHERE g.account_id = any(a.path) AND g.status = 'STOPPED'),
    CASE WHEN cardinality(a.path) > 1 THEN (
        SELECT json_agg(json_build_array(g.customer_id, g.currency,
            coalesce(g.limit_minor, 0) - g.authorized_minor - g.open_delivery_minor
                - g.open_item_minor - g.note_receivable_minor + g.prepayment_minor)
            ORDER BY array_position(a.path, g.account_id))::text
        FROM account g WHERE g.account_id = any(a.path) AND g.account_id <> a.account_id
            AND NOT g.unlimited
            AND (g.limit_minor IS NOT NULL OR g.limit_expired OR g.limit_withheld)) END,
    CASE WHEN a.limit_changes_on <= d.today THEN (
        SELECT json_agg(json_build_array(
            l.kind, l.limit_minor, l.unlimited, l.valid_from, l.valid_to, {OVER_WHEN_TOLD})
            ORDER BY l.decided_at, l.created_at, l.limit_id)::text
        FROM (
            SELECT * FROM credit_limit z WHERE z.account_id BETWEEN a.account_id AND a.account_id
            ORDER BY z.account_id OFFSET 0) l
        WHERE l.status = 'APPROVED') END,
    (SELECT sum(l.limit_minor) FROM (
        SELECT * FROM credit_limit z WHERE z.account_id BETWEEN a.account_id AND a.account_id
        ORDER BY z.account_id OFFSET 0) l
    WHERE l.kind = 'cover' AND l.status = 'APPROVED' AND l.valid_from <= d.today
        AND (l.valid_to IS NULL OR l.valid_to >= d.today))::bigint,
    o.oldest, o.own,
    CASE WHEN o.mixed THEN (
        SELECT json_object_agg(v.currency, v.total)::text FROM (
            SELECT v.currency, sum(v.open_minor) AS total FROM invoice v
            WHERE v.account_id = any(f.ids) AND v.open_minor > 0 AND v.due_date < d.today
                AND v.currency <> a.currency
            GROUP BY v.currency) AS v) END,
    CASE WHEN o.mixed THEN (
        SELECT json_agg(json_build_array(x.base, x.quote, x.rate::text, x.rate_date, x.source)
            ORDER BY x.rate_id)::text
        FROM (
            SELECT array_agg(DISTINCT v.currency) || a.currency AS every FROM invoice v
            WHERE v.account_id = any(f.ids) AND v.open_minor > 0 AND v.due_date < d.today) w
        CROSS JOIN LATERAL (
            SELECT * FROM fx_rate z WHERE z.base = any(w.every) AND z.quote = any(w.every)
                AND z.rate_date BETWEEN d.today - {MAX_AGE_DAYS} AND d.today
            ORDER BY z.base OFFSET 0) x) END
"""  # noqa: S608 - a number of the domain

_BESIDE_ACCOUNT: Final = """
LEFT JOIN LATERAL (SELECT (%(at)s AT TIME ZONE s.time_zone)::date AS today OFFSET 0) d ON true
LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
LEFT JOIN LATERAL (SELECT CASE
    WHEN a.account_id IS NULL THEN NULL
    WHEN EXISTS (SELECT FROM customer k WHERE k.parent_id = c.customer_id) THEN ARRAY(
        WITH RECURSIVE below AS (
            SELECT c.customer_id, 0 AS step
            UNION ALL
            SELECT k.customer_id, b.step + 1
            FROM below b JOIN customer k ON k.parent_id = b.customer_id WHERE b.step < 32
        )
        SELECT m.account_id FROM below b JOIN customer_ref n ON n.customer_id = b.customer_id
        JOIN account m ON m.customer_id = n.ref AND m.segment_id || '' = a.segment_id)
    ELSE ARRAY(
        SELECT m.account_id FROM customer_ref n
        JOIN account m ON m.customer_id = n.ref AND m.segment_id || '' = a.segment_id
        WHERE n.customer_id = c.customer_id)
    END AS ids OFFSET 0) f ON true
LEFT JOIN LATERAL (
    SELECT min(v.due_date) AS oldest, sum(v.open_minor) FILTER (WHERE v.currency = a.currency)
        AS own, bool_or(v.currency <> a.currency) AS mixed
    FROM invoice v
    WHERE v.account_id = any(f.ids) AND v.open_minor > 0 AND v.due_date < d.today) o ON true
"""

# `rank + 0` keeps the index by rank away, as `segment_id || ''` does with that by segment.
_SCORE: Final = """
    t.data::text, q.features_as_of, q.scored_at, (
        SELECT min(z.rank + 0) FROM score_due z
        WHERE z.customer_id = q.customer_id AND z.rank + 0 < 2)
"""

_BESIDE_SCORE: Final = """
LEFT JOIN customer_score q ON q.customer_id = c.customer_id
LEFT JOIN score t ON t.score_id = q.score_id
"""

_IN_SIGHT: Final = """(n.sight IS NULL OR EXISTS (
        SELECT FROM account e
        WHERE e.customer_id = c.customer_id AND e.segment_id || '' = any(n.sight)))"""

_ASKED: Final = """
FROM json_to_recordset(%(asked)s::json) AS n(place int, ref text, segment_id text, sight text[])
LEFT JOIN customer_ref r ON r.ref = n.ref
LEFT JOIN customer c ON c.customer_id = r.customer_id
"""

ACCOUNTS: Final = f"""
SELECT n.place, c.customer_id, s.segment_id AS known_segment, {_STATE}
{_ASKED}
LEFT JOIN segment s ON s.segment_id = n.segment_id
LEFT JOIN account a ON a.customer_id = c.customer_id AND a.segment_id || '' = s.segment_id
{_BESIDE_ACCOUNT}
"""
"""Accounts by customer and segment."""

SCORES: Final = f"""
SELECT n.place, c.customer_id, {_IN_SIGHT}, {_SCORE}
{_ASKED}
{_BESIDE_SCORE}
"""
"""Scores by customer."""

CARDS: Final = f"""
SELECT n.place, c.customer_id, {_IN_SIGHT}, c.name, s.segment_id AS known_segment,
    {_SCORE}, {_STATE}
{_ASKED}
LEFT JOIN LATERAL (
    SELECT b.* FROM account b
    WHERE b.customer_id = c.customer_id
        AND (n.segment_id IS NULL OR b.segment_id = n.segment_id)
        AND (n.sight IS NULL OR b.segment_id || '' = any(n.sight))
    ORDER BY b.segment_id <> 'main', b.segment_id LIMIT 1) a ON true
LEFT JOIN segment s ON s.segment_id = coalesce(n.segment_id, a.segment_id)
{_BESIDE_ACCOUNT}
{_BESIDE_SCORE}
"""  # noqa: S608 - parts of this file
"""Cards by customer: the score, and the account of the segment that was asked for, else that of
`main`, else the first in sight."""
