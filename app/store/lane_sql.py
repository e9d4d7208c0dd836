"""The lanes' few statements, spoken to psycopg directly.

Locks look rows up by `= any(…)`; arrays (see `arrays`) feed INSERT and UPDATE. Statements that are
prepared on empty tables must not keep sequential scans, hence the SETTINGS.
"""

from typing import Final

from app.store.arrays import rows_of
from app.store.limits_sql import OVER_WHEN_TOLD
from app.store.orders_due import FIRST
from app.store.schema.documents import LAPSING

IDLE_S: Final = 5
"""How long the server waits within a transaction in which nothing is said."""

SETTINGS: Final = f"""
SELECT set_config('lock_timeout', '300ms', true), set_config('statement_timeout', '5s', true),
    set_config('idle_in_transaction_session_timeout', '{IDLE_S}s', true),
    set_config('jit', 'off', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)
"""

REPLAN: Final = "DISCARD PLANS"
"""Goes into a batch now and then, before all that is planned.

On tables it knows as empty the planner finds reading a whole index as good as looking one row up,
and would keep that plan for good.
"""

_ORDERS: Final = f"""
SELECT o.* FROM {rows_of("segment_id segments, order_id orders")}
JOIN credit_order o ON o.segment_id = n.segment_id AND o.order_id = n.order_id
ORDER BY o.segment_id COLLATE "C", o.order_id COLLATE "C"
"""  # noqa: S608 - put together from our own constants

_ACCOUNTS: Final = """
SELECT a.* FROM account a WHERE a.account_id = any(ARRAY(
    SELECT unnest(%(guessed)s)
    UNION
    SELECT unnest(b.path) FROM customer_ref r JOIN account b ON b.customer_id = r.customer_id
    WHERE r.ref = any(%(sought_refs)s) AND b.segment_id = any(%(sought_segments)s)
    UNION
    SELECT unnest(b.path)
    FROM unnest(%(moved_segments)s, %(moved_orders)s) AS n(segment_id, order_id)
    JOIN credit_order o ON o.segment_id = n.segment_id AND o.order_id = n.order_id
    JOIN account b ON b.account_id = o.account_id))
ORDER BY a.account_id
"""

LOCK_ORDERS: Final = _ORDERS + "FOR NO KEY UPDATE OF o"
LOCK_ACCOUNTS: Final = _ACCOUNTS + "FOR NO KEY UPDATE OF a"
READ_ORDERS: Final = _ORDERS
READ_ACCOUNTS: Final = _ACCOUNTS

GROUND: Final = f"""
SELECT n.segment_id, n.ref, coalesce(r.customer_id, b.customer_id) AS customer_id, b.account_id,
    coalesce(i.for_rules, (i.data #- '{{score,reasons}}')::json) AS input,
    CASE WHEN n.first THEN s.mode END AS mode,
    CASE WHEN NOT n.first THEN NULL WHEN s.next_rule_set_at <= %(at)s
        THEN s.next_rule_set_version ELSE s.rule_set_version END AS rule_set_version,
    CASE WHEN n.first THEN s.credit_horizon_days END AS credit_horizon_days,
    CASE WHEN n.first THEN (
        SELECT max(f.last_at) FROM feed f WHERE f.segment_id = s.segment_id) END AS ledger_at,
    CASE WHEN n.first THEN d.today END AS today,
    CASE WHEN n.first THEN ARRAY(
        SELECT DISTINCT unnest((SELECT a.path FROM account a WHERE a.account_id = p.account_id))
        FROM payment p
        WHERE p.{LAPSING} AND p.expires_at <= %(at)s AND p.prepayment_minor > 0) END AS lapsing,
    CASE WHEN n.first THEN ({FIRST}) END AS first_due,
    b.currency, o.late, o.open, o.due,
    CASE WHEN o.mixed THEN (
        SELECT jsonb_object_agg(currency, jsonb_build_array(late, open, due)) FROM (
            SELECT v.currency, sum(v.open_minor) FILTER (WHERE v.due_date < d.today) AS late,
                sum(v.open_minor) AS open, min(v.due_date) AS due
            FROM invoice v WHERE v.account_id = b.account_id AND v.open_minor > 0
            GROUP BY v.currency) AS sums) END AS by_currency
FROM {rows_of("segment_id pair_segments, ref pair_refs, guess pair_guesses, first pair_firsts")}
LEFT JOIN segment s ON s.segment_id = n.segment_id
LEFT JOIN customer_ref r ON r.ref = CASE WHEN n.guess = 0 THEN n.ref END
LEFT JOIN account b ON b.account_id = CASE WHEN n.guess <> 0 THEN n.guess ELSE (
    SELECT x.account_id FROM account x
    WHERE x.customer_id = r.customer_id AND x.segment_id = n.segment_id) END
LEFT JOIN account_input i ON i.account_id = b.account_id AND i.version = b.input_version
CROSS JOIN LATERAL (SELECT (%(at)s AT TIME ZONE s.time_zone)::date AS today) AS d
CROSS JOIN LATERAL (
    SELECT (sum(v.open_minor) FILTER (WHERE v.due_date < d.today))::bigint AS late,
        sum(v.open_minor)::bigint AS open, min(v.due_date) AS due,
        bool_or(v.currency <> b.currency) AS mixed
    FROM invoice v WHERE v.account_id = b.account_id AND v.open_minor > 0) AS o
"""  # noqa: S608 - put together from our own constants
"""A row for each pair of segment and customer asked about; what is unknown is null.

A guessed account (0: none) is read as it is, and who asked sees whether it is the one; no index is
searched for a key that is null. Why a score is what it is no rule reads: it is half of an input.
The other half is kept as text, save in what is older than that column.

Open items are summed as if all were of the account's currency: where some are not, `by_currency`
has each by itself. What is the segment's own is in its first row alone: hundreds may be asked about
at once. So are all accounts, of whatever segment, that count provisional money which has expired:
`lapsing`, nearly always none; and whether orders of it are to be counted first (`orders_due`).
"""

USES: Final = f"""
SELECT u.* FROM {rows_of("segment_id segments, order_id orders")}
JOIN order_use u ON u.segment_id = n.segment_id AND u.order_id = n.order_id
"""  # noqa: S608 - put together from our own constants

RATES: Final = """
SELECT base, quote, rate, rate_date, source FROM (
    SELECT DISTINCT ON (base, quote, rate_date) * FROM fx_rate
    WHERE rate_date BETWEEN %(first)s AND %(last)s
        AND base = any(%(currencies)s) AND quote = any(%(currencies)s)
    ORDER BY base, quote, rate_date, rate_id DESC) AS newest
ORDER BY rate_id
"""

LIMITS: Final = f"""
SELECT l.account_id, l.kind, l.limit_minor, l.unlimited, l.valid_from, l.valid_to,
    row_number() OVER (ORDER BY l.decided_at, l.created_at, l.limit_id) AS ordinal,
    {OVER_WHEN_TOLD}
FROM credit_limit l
JOIN account a ON a.account_id = l.account_id
JOIN segment s ON s.segment_id = a.segment_id
WHERE l.account_id = any(%(ids)s) AND l.status = 'APPROVED'
"""  # noqa: S608 - put together from our own constants

RULE_SET: Final = "SELECT data FROM rule_set WHERE version = %(version)s"

OPEN_INVOICES: Final = f"""
SELECT v.* FROM {rows_of("id ids")}
CROSS JOIN LATERAL (
    SELECT account_id, invoice_id, currency, due_date, open_minor FROM invoice
    WHERE account_id = n.id AND open_minor > 0 ORDER BY due_date, invoice_id LIMIT 500) AS v
ORDER BY v.account_id, v.due_date, v.invoice_id
"""  # noqa: S608 - put together from our own constants

_DECISION_ROWS: Final = rows_of(
    "id d_ids, kind d_kinds, account_id d_accounts, segment_id d_segments,"
    " customer_id d_customers, order_id d_orders, outcome d_outcomes, judged d_judged,"
    " client d_clients, actor d_actors, rule_set d_rule_sets, input d_inputs,"
    " status d_statuses, opens d_opens, record d_records"
)

DECISIONS: Final = f"""
INSERT INTO decision (decision_id, kind, account_id, segment_id, customer_id, order_id, outcome,
    judged, client, actor, evaluated_at, rule_set_version, input_version, status, opens, record)
SELECT id::uuid, kind, account_id, segment_id, customer_id, order_id, outcome, judged, client,
    actor, %(at)s, rule_set, input, status, opens, record
FROM {_DECISION_ROWS}
"""  # noqa: S608 - put together from our own constants

_ORDER_COLUMNS: Final = (
    "segment_id, order_id, account_id, currency, version, closed_version, authorization_id, state,"
    " authorized_minor, reserved_minor, expires_at, authorized_at, released_max_minor,"
    " released_until, rejected, hold_id, hold_kind, counts_from, untested"
)

_ORDER_CELLS: Final = rows_of(
    "segment_id o_segments, order_id o_ids, account_id o_accounts, currency o_currencies,"
    " version o_versions, closed_version o_closed, authorization_id o_authorizations,"
    " state o_states, authorized_minor o_authorized, reserved_minor o_reserved,"
    " expires_at o_expire, authorized_at o_since, released_max_minor o_released,"
    " released_until o_until, rejected o_rejected, hold_id o_holds, hold_kind o_kinds,"
    " counts_from o_counting, untested o_untested"
)

_ORDER_ROWS: Final = f"""
SELECT segment_id, order_id, account_id, currency, version, closed_version,
    authorization_id::uuid AS authorization_id, state, authorized_minor, reserved_minor,
    expires_at::timestamptz AS expires_at, authorized_at::timestamptz AS authorized_at,
    released_max_minor, released_until::timestamptz AS released_until, rejected,
    hold_id::uuid AS hold_id, hold_kind, counts_from::date AS counts_from,
    untested
FROM {_ORDER_CELLS}
"""  # noqa: S608 - put together from our own constants

_JOURNAL_ROWS: Final = rows_of(
    "account_id j_accounts, seq j_seqs, kind j_kinds, ref j_refs, decision_id j_decisions,"
    " authorized j_authorized, deliveries j_deliveries, items j_items, notes j_notes,"
    " prepayments j_prepayments, limit_minor j_limits, unlimited j_unlimited, forced j_forced,"
    " foreign_use j_foreign"
)

_ACCOUNT_ROWS: Final = rows_of(
    "account_id a_accounts, seq a_seqs, authorized a_authorized, deliveries a_deliveries,"
    " items a_items, notes a_notes, prepayments a_prepayments, limit_minor a_limits,"
    " unlimited a_unlimited, forced a_forced, foreign_use a_foreign, expired a_expired,"
    " withheld a_withheld, change a_change, locked a_locked, room a_rooms"
)

RECORD: Final = f"""
WITH fresh AS (
    INSERT INTO credit_order ({_ORDER_COLUMNS}) {_ORDER_ROWS}
),
journal AS (
    INSERT INTO journal (account_id, seq, kind, ref, decision_id, at, authorized_minor,
        open_delivery_minor, open_item_minor, note_receivable_minor, prepayment_minor,
        limit_minor, unlimited, forced_minor, foreign_use)
    SELECT account_id, seq, kind, ref, decision_id::uuid, %(at)s, authorized, deliveries, items,
        notes, prepayments, limit_minor, unlimited, forced, foreign_use::jsonb
    FROM {_JOURNAL_ROWS}
),
decisions AS ({DECISIONS}),
written AS (
    UPDATE account a SET
        seq = n.seq, authorized_minor = n.authorized, open_delivery_minor = n.deliveries,
        open_item_minor = n.items, note_receivable_minor = n.notes,
        prepayment_minor = n.prepayments, limit_minor = n.limit_minor, unlimited = n.unlimited,
        limit_expired = n.expired, limit_withheld = n.withheld,
        limit_changes_on = n.change::date, forced_minor = n.forced,
        foreign_use = n.foreign_use::jsonb, blanks = NULL
    FROM {_ACCOUNT_ROWS}
    WHERE a.account_id = n.account_id AND a.seq = n.locked
        AND (n.room IS NULL OR a.authorized_minor + a.open_delivery_minor + a.open_item_minor
            + a.note_receivable_minor - a.prepayment_minor <= n.room)
    RETURNING 1
)
SELECT 1 / (count(*) = %(a_count)s)::int FROM written
"""  # noqa: S608 - put together from our own constants
"""Writes all or fails by a division by zero, so that COMMIT may travel with it.

`a_rooms` is the largest total at which every grant of the batch still fits its ceiling. The blanks
of a new account go, so that its page has room for versions to come (decision 143).
"""

UPDATE_ORDERS: Final = f"""
UPDATE credit_order o SET
    account_id = n.account_id, currency = n.currency, version = n.version,
    closed_version = n.closed_version, authorization_id = n.authorization_id, state = n.state,
    authorized_minor = n.authorized_minor, reserved_minor = n.reserved_minor,
    expires_at = n.expires_at, authorized_at = n.authorized_at,
    released_max_minor = n.released_max_minor, released_until = n.released_until,
    rejected = n.rejected, hold_id = n.hold_id, hold_kind = n.hold_kind,
    counts_from = n.counts_from, untested = n.untested
FROM ({_ORDER_ROWS}) AS n
WHERE o.segment_id = n.segment_id AND o.order_id = n.order_id
"""  # noqa: S608 - put together from our own constants

PAST: Final = """
INSERT INTO past_authorization
SELECT n.* FROM json_populate_recordset(NULL::past_authorization, %(rows)s::json) AS n
"""

HOLDS: Final = """
INSERT INTO order_hold
SELECT n.* FROM json_populate_recordset(NULL::order_hold, %(rows)s::json) AS n
ON CONFLICT (hold_id) DO UPDATE SET
    status = excluded.status, decision_id = excluded.decision_id,
    ask = CASE excluded.status WHEN 'OPEN' THEN excluded.ask ELSE order_hold.ask END,
    reasons = CASE excluded.status WHEN 'OPEN' THEN excluded.reasons
        ELSE order_hold.reasons END,
    unblock = CASE excluded.status WHEN 'OPEN' THEN excluded.unblock
        ELSE order_hold.unblock END,
    auto_release = CASE excluded.status WHEN 'OPEN' THEN excluded.auto_release
        ELSE order_hold.auto_release END,
    customer_id = excluded.customer_id, account_id = excluded.account_id,
    authorization_id = excluded.authorization_id, updated_at = excluded.updated_at,
    closed_at = excluded.closed_at
WHERE order_hold.status = 'OPEN'
"""

HOLD_EVENTS: Final = """
INSERT INTO order_hold_event (hold_id, action, client, actor, reason_code, note, data, at)
SELECT n.hold_id, n.action, n.client, n.actor, n.reason_code, n.note, n.data, n.at
FROM json_populate_recordset(NULL::order_hold_event, %(rows)s::json) AS n
"""
