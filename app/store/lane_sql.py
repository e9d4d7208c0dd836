"""The lanes' few statements, spoken to psycopg directly.

Locks look rows up by `= any(…)`; JSON parameters only feed INSERT and UPDATE. Statements that are
prepared on empty tables must not keep sequential scans, hence the SETTINGS.
"""

from typing import Final

SETTINGS: Final = """
SELECT set_config('lock_timeout', '300ms', true), set_config('statement_timeout', '5s', true),
    set_config('idle_in_transaction_session_timeout', '5s', true), set_config('jit', 'off', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)
"""

CLAIM: Final = """
INSERT INTO request_key (client, key, hash, decision_id)
SELECT client, key, decode(hash, 'hex'), decision_id
FROM json_to_recordset(%s) AS n(client text, key text, hash text, decision_id uuid)
ORDER BY client COLLATE "C", key COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING client, key
"""

KNOWN: Final = """
SELECT k.client, k.key, encode(k.hash, 'hex') AS hash, d.status, d.answer::text AS answer
FROM unnest(%(clients)s::text[], %(keys)s::text[]) AS n(client, key)
JOIN request_key k ON k.client = n.client AND k.key = n.key
LEFT JOIN decision d ON d.decision_id = k.decision_id
"""

FORGET: Final = """
DELETE FROM request_key k USING unnest(%(clients)s::text[], %(keys)s::text[]) AS n(client, key)
WHERE k.client = n.client AND k.key = n.key
"""

_ORDERS: Final = """
SELECT o.* FROM unnest(%(segments)s::text[], %(orders)s::text[]) AS n(segment_id, order_id)
JOIN credit_order o ON o.segment_id = n.segment_id AND o.order_id = n.order_id
ORDER BY o.segment_id COLLATE "C", o.order_id COLLATE "C"
"""

_ACCOUNTS: Final = """
SELECT a.* FROM account a WHERE a.account_id = any(ARRAY(
    SELECT unnest(b.path) FROM customer_ref r JOIN account b ON b.customer_id = r.customer_id
    WHERE r.ref = any(%(refs)s) AND b.segment_id = any(%(segments)s)
    UNION
    SELECT unnest(b.path)
    FROM unnest(%(segments)s::text[], %(orders)s::text[]) AS n(segment_id, order_id)
    JOIN credit_order o ON o.segment_id = n.segment_id AND o.order_id = n.order_id
    JOIN account b ON b.account_id = o.account_id))
ORDER BY a.account_id
"""

LOCK_ORDERS: Final = _ORDERS + "FOR NO KEY UPDATE OF o"
LOCK_ACCOUNTS: Final = _ACCOUNTS + "FOR NO KEY UPDATE OF a"
READ_ORDERS: Final = _ORDERS
READ_ACCOUNTS: Final = _ACCOUNTS

PAYERS: Final = """
SELECT r.ref, b.segment_id, b.account_id, i.data AS input,
    (SELECT jsonb_object_agg(currency, jsonb_build_array(late, open, due)) FROM (
        SELECT v.currency, sum(v.open_minor) FILTER (WHERE v.due_date < d.today) AS late,
            sum(v.open_minor) AS open, min(v.due_date) AS due
        FROM invoice v WHERE v.account_id = b.account_id AND v.open_minor > 0
        GROUP BY v.currency) AS sums) AS overdue
FROM customer_ref r
JOIN account b ON b.customer_id = r.customer_id
JOIN segment s ON s.segment_id = b.segment_id
CROSS JOIN LATERAL (SELECT (%(at)s AT TIME ZONE s.time_zone)::date AS today) AS d
LEFT JOIN account_input i ON i.account_id = b.account_id AND i.version = b.input_version
WHERE r.ref = any(%(refs)s) AND b.segment_id = any(%(segments)s)
"""

USES: Final = """
SELECT u.* FROM unnest(%(segments)s::text[], %(orders)s::text[]) AS n(segment_id, order_id)
JOIN order_use u ON u.segment_id = n.segment_id AND u.order_id = n.order_id
"""

SEGMENTS: Final = """
SELECT s.segment_id, s.mode, s.rule_set_version, s.credit_horizon_days,
    (%(at)s AT TIME ZONE s.time_zone)::date AS today,
    (SELECT max(f.last_at) FROM feed f WHERE f.segment_id = s.segment_id) AS ledger_at
FROM segment s WHERE s.segment_id = any(%(segments)s)
"""

REFS: Final = "SELECT ref, customer_id FROM customer_ref WHERE ref = any(%(refs)s)"

RATES: Final = """
SELECT base, quote, rate, rate_date, source FROM fx_rate
WHERE rate_date BETWEEN %(first)s AND %(last)s
    AND base = any(%(currencies)s) AND quote = any(%(currencies)s)
ORDER BY rate_id
"""

LIMITS: Final = """
SELECT l.account_id, l.kind, l.limit_minor, l.unlimited, l.valid_from, l.valid_to,
    row_number() OVER (ORDER BY l.decided_at, l.created_at, l.limit_id) AS ordinal
FROM credit_limit l WHERE l.account_id = any(%(ids)s) AND l.status = 'APPROVED'
"""

RULE_SET: Final = "SELECT data FROM rule_set WHERE version = %(version)s"

OPEN_INVOICES: Final = """
SELECT account_id, invoice_id, currency, due_date, open_minor FROM (
    SELECT v.*, row_number() OVER (PARTITION BY account_id ORDER BY due_date, invoice_id) AS place
    FROM invoice v WHERE account_id = any(%(ids)s) AND open_minor > 0) AS v
WHERE place <= 500 ORDER BY account_id, due_date, invoice_id
"""

RECORD: Final = """
WITH p AS MATERIALIZED (SELECT %(rows)s::json AS j),
fresh AS (
    INSERT INTO credit_order
    SELECT n.* FROM p, json_populate_recordset(NULL::credit_order, p.j -> 'fresh') AS n
),
known AS (
    UPDATE credit_order o SET
        account_id = n.account_id, currency = n.currency,
        version = n.version, closed_version = n.closed_version,
        authorization_id = n.authorization_id, state = n.state,
        authorized_minor = n.authorized_minor, reserved_minor = n.reserved_minor,
        expires_at = n.expires_at, authorized_at = n.authorized_at,
        released_max_minor = n.released_max_minor, released_until = n.released_until,
        rejected = n.rejected, hold_id = n.hold_id,
        hold_kind = n.hold_kind, counts_from = n.counts_from
    FROM p, json_populate_recordset(NULL::credit_order, p.j -> 'known') AS n
    WHERE o.segment_id = n.segment_id AND o.order_id = n.order_id
),
past AS (
    INSERT INTO past_authorization
    SELECT n.* FROM p, json_populate_recordset(NULL::past_authorization, p.j -> 'past') AS n
),
journal AS (
    INSERT INTO journal
    SELECT n.* FROM p, json_populate_recordset(NULL::journal, p.j -> 'journal') AS n
),
holds AS (
    INSERT INTO order_hold
    SELECT n.* FROM p, json_populate_recordset(NULL::order_hold, p.j -> 'holds') AS n
    ON CONFLICT (hold_id) DO UPDATE SET
        status = excluded.status, decision_id = excluded.decision_id,
        ask = CASE excluded.status WHEN 'OPEN' THEN excluded.ask ELSE order_hold.ask END,
        reasons = CASE excluded.status WHEN 'OPEN' THEN excluded.reasons
            ELSE order_hold.reasons END,
        unblock = CASE excluded.status WHEN 'OPEN' THEN excluded.unblock
            ELSE order_hold.unblock END,
        customer_id = excluded.customer_id, account_id = excluded.account_id,
        authorization_id = excluded.authorization_id, updated_at = excluded.updated_at,
        closed_at = excluded.closed_at
    WHERE order_hold.status = 'OPEN'
),
decisions AS (
    INSERT INTO decision
    SELECT n.* FROM p, json_populate_recordset(NULL::decision, p.j -> 'decisions') AS n
)
SELECT 1
"""

HOLD_EVENTS: Final = """
INSERT INTO order_hold_event (hold_id, action, client, actor, reason_code, note, data, at)
SELECT n.hold_id, n.action, n.client, n.actor, n.reason_code, n.note, n.data, n.at
FROM json_populate_recordset(NULL::order_hold_event, %(rows)s::json) AS n
"""

UPDATE_ACCOUNTS: Final = """
WITH written AS (
    UPDATE account a SET
        seq = n.seq, authorized_minor = n.authorized_minor,
        open_delivery_minor = n.open_delivery_minor, open_item_minor = n.open_item_minor,
        note_receivable_minor = n.note_receivable_minor, prepayment_minor = n.prepayment_minor,
        limit_minor = n.limit_minor, unlimited = n.unlimited, limit_expired = n.limit_expired,
        limit_changes_on = n.limit_changes_on, forced_minor = n.forced_minor,
        foreign_use = n.foreign_use
    FROM json_to_recordset(%(rows)s::json) AS n(
        account_id bigint, seq bigint, authorized_minor bigint, open_delivery_minor bigint,
        open_item_minor bigint, note_receivable_minor bigint, prepayment_minor bigint,
        limit_minor bigint, unlimited boolean, limit_expired boolean, limit_changes_on date,
        forced_minor bigint, foreign_use jsonb, locked_seq bigint, room bigint)
    WHERE a.account_id = n.account_id AND a.seq = n.locked_seq
        AND (n.room IS NULL OR a.authorized_minor + a.open_delivery_minor + a.open_item_minor
            + a.note_receivable_minor - a.prepayment_minor <= n.room)
    RETURNING 1
)
SELECT 1 / (count(*) = %(count)s)::int FROM written
"""
"""Writes all accounts or fails by a division by zero, so that COMMIT may travel with it.

`room` is the largest total at which every grant of the batch still fits its ceiling.
"""
