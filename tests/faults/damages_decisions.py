"""Damages to decisions of the ledger of `ledgers.build`, and the line that must name each."""

from tests.faults.damages import control, entry, told


def passed(order_id: str) -> list[str]:
    """Make a held ask one that only checked, and passed."""
    changes = (("reasons", "[]"), ("judged", '"APPROVE"'), ("outcome", '"APPROVE"'))
    kind = "UPDATE decision SET kind = 'CHECK', outcome = 'APPROVE' WHERE order_id = '%s'"
    return [*(told("answer", *change, order_id) for change in changes), kind % order_id]


DECISIONS = [
    control(
        "cut-off",
        ("decisions", "C-1", "cannot be read: a packed decision is damaged"),
        "UPDATE decision SET record = '\\x0228b52ffd24'::bytea WHERE order_id = 'SO-1'",
    ),
    control(
        "packed-by-nobody",
        ("decisions", "C-1", "cannot be read: packed in a way that is not known here (63)"),
        "UPDATE decision SET record = '\\x6300'::bytea WHERE order_id = 'SO-1'",
    ),
    control(
        "hold-that-just-fits",
        ("decisions", "C-7", "OVER_LIMIT: expected figures that pass the ceiling of account"),
        told("inputs", "question,amount,0", "10000", "SO-24"),
    ),
    control(
        "hold-of-nothing",
        ("decisions", "C-3", "NO_LIMIT: expected figures that pass the ceiling"),
        told("inputs", "question,amount,0", "0", "SO-22"),
    ),
    control(
        "check-that-fits",
        ("decisions", "C-1", "OVER_LIMIT: expected figures that pass the ceiling"),
        told("inputs", "question,amount,0", "100", "SO-99"),
    ),
    control(
        "check-held-for-what-nobody-used",
        (
            "decisions",
            "C-7",
            "use: expected (0, 0, 0, 0, 0) as in journal entry 1, found (0, 0, 9",
        ),
        told("inputs", "question,amount,0", "5000", "SO-98"),
        told("inputs", "situation,accounts,0,use,2", "9000", "SO-98"),
        told("answer", "exposure,amount", '"90.00"', "SO-98"),
        told("answer", "headroom,amount", '"10.00"', "SO-98"),
    ),
    control(
        "check-against-another-limit",
        ("decisions", "C-7", "limit: expected 10000 as in journal entry 1, found 20000"),
        told("inputs", "question,amount,0", "25000", "SO-98"),
        told("inputs", "situation,accounts,0,limit_minor", "20000", "SO-98"),
        told("answer", "effective_limit,amount", '"200.00"', "SO-98"),
        told("answer", "headroom,amount", '"200.00"', "SO-98"),
    ),
    control(
        "check-unlimited-by-nobody",
        ("decisions", "C-7", "unlimited: expected False as in journal entry 1, found True"),
        told("inputs", "situation,accounts,0,unlimited", "true", "SO-98"),
    ),
    control(
        "check-with-another-excess",
        ("decisions", "C-7", "forced: expected 0, what is above it, found 1"),
        told("inputs", "situation,accounts,0,forced", "1", "SO-98"),
    ),
    control(
        "check-of-no-entry",
        ("decisions", "C-7", "expected a journal entry 999, on which it rests, found none"),
        told("inputs", "situation,accounts,0,seq", "999", "SO-98"),
    ),
    control(
        "check-of-a-group-that-used-more",
        ("decisions", "C-1", "use: expected (130000, 0, 0, 0, 0) as in journal entry 10, found"),
        told("inputs", "situation,accounts,1,use,2", "100", "SO-99"),
    ),
    control(
        "check-of-another-foreign-position",
        (
            "decisions",
            "C-2",
            "foreign: expected {'JPY': (50000, 0, 0, 0, 0), 'USD': (45000, 0, ",
        ),
        told("inputs", "situation,accounts,0,foreign,USD,open_item", "9998", "SO-97-C-2"),
        told("inputs", "situation,accounts,0,use,2", "71986", "SO-97-C-2"),
    ),
    control(
        "check-at-a-rate-of-another-pair",
        ("decisions", "C-2", "USD/JPY 7.2 does not value USD in CNY"),
        told("inputs", "situation,accounts,0,foreign,USD,rate,1", '"JPY"', "SO-97-C-2"),
    ),
    control(
        "snapshot-of-no-entry",
        ("decisions", "C-7", "expected a journal entry 999, on which it rests, found none"),
        told("inputs", "situation,accounts,0,seq", "999", "SO-24"),
    ),
    control(
        "snapshot-used-off",
        ("decisions", "C-7", "use: expected (0, 0, 0, 0, 0) as in journal entry 1, found"),
        told("inputs", "situation,accounts,0,use,2", "10000", "SO-24"),
    ),
    control(
        "snapshot-limit-off",
        ("decisions", "C-7", "limit: expected 10000 as in journal entry 1, found 1"),
        told("inputs", "situation,accounts,0,limit_minor", "1", "SO-24"),
    ),
    control(
        "grant-of-another-amount",
        ("decisions", "C-1", "expected 100001 minor units of CNY more reserved, found 100000"),
        told("inputs", "question,amount,0", "100001", "SO-1"),
    ),
    control(
        "grant-without-its-entry",
        ("decisions", "C-7", "expected its journal entry 2, found none"),
        told("inputs", "question,amount,0", "1", "SO-24"),
        told("answer", "reasons", "[]", "SO-24"),
        told("answer", "outcome", '"APPROVE"', "SO-24"),
        "UPDATE decision SET outcome = 'APPROVE' WHERE order_id = 'SO-24'",
    ),
    control(
        "opens-nothing",
        ("decisions", "C-7", "opens: expected an authorization of its own id, order and payer"),
        "UPDATE decision SET opens = true WHERE order_id = 'SO-24'",
    ),
    control(
        "opens-what-another-order-had",
        ("decisions", "C-1", "opens: expected an authorization of its own id, order and payer"),
        "UPDATE past_authorization SET order_id = 'SO-4' WHERE order_id = 'SO-5'",
    ),
    control(
        "opens-what-another-payer-had",
        ("decisions", "C-1", "opens: expected an authorization of its own id, order and payer"),
        "UPDATE past_authorization SET account_id = (SELECT account_id FROM account"
        " WHERE customer_id = 'C-7') WHERE order_id = 'SO-5'",
    ),
    control(
        "entry-of-no-decision",
        ("decisions", "C-6", "expected its journal entry 3, found none"),
        entry("C-6", "decision_id = NULL", "seq = 3"),
    ),
    control(
        "entry-without-a-grant",
        ("decisions", "C-1", "expected no journal entry of its own 2, found one"),
        told("inputs", "question,type", '"return"', "SO-1"),
    ),
    control(
        "tolerated-beyond-tolerance",
        (
            "decisions",
            "C-4",
            "(TOLERANCE): expected a use of at most 10000 minor units, found 15000",
        ),
        entry("C-4", "kind = 'TOLERANCE'", "kind = 'RELEASE'"),
    ),
    control(
        "authorization-lost",
        ("decisions", "C-1", "authorization: expected an order with"),
        "UPDATE credit_order SET authorization_id = gen_random_uuid() WHERE order_id = 'SO-1'",
    ),
    control(
        "outcome-changed",
        ("decisions", "C-1", "outcome: expected APPROVE as answered, found HOLD"),
        "UPDATE decision SET outcome = 'HOLD' WHERE order_id = 'SO-1'",
    ),
    control(
        "answered-another-seq",
        ("decisions", "C-1", "account_seq: expected 2, found 3"),
        told("answer", "account_seq", "3", "SO-1"),
    ),
    control(
        "rules-lost",
        ("decisions", "C-1", "expected an approved rule set 9, found none"),
        "UPDATE decision SET rule_set_version = 9 WHERE order_id = 'SO-1'",
    ),
    control(
        "held-for-no-reason",
        ("decisions", "C-7", "judged: expected APPROVE from its reasons, found HOLD"),
        told("answer", "reasons", "[]", "SO-24"),
    ),
    control(
        "passed-in-spite-of-its-reasons",
        ("decisions", "C-7", "outcome: expected that of mode ENFORCE, found APPROVE"),
        told("answer", "outcome", '"APPROVE"', "SO-24"),
        "UPDATE decision SET kind = 'CHECK', outcome = 'APPROVE' WHERE order_id = 'SO-24'",
    ),
    control(
        "grant-that-does-not-fit",
        ("decisions", "C-7", "APPROVE: expected to fit account "),
        *passed("SO-24"),
    ),
    control(
        "billed-ahead-on-what-does-not-fit",
        ("decisions", "C-4", "APPROVE: expected to fit account "),
        told("inputs", "situation,use", "[0, 100]", "SO-21"),
        *passed("SO-21"),
    ),
    control(
        "group-that-does-not-fit",
        ("decisions", "C-1", "whose ceiling is 20000000 minor units, found 20768"),
        *passed("SO-99"),
        told("inputs", "question,amount,0", "40000000", "SO-99"),
        told("inputs", "situation,accounts,0,limit_minor", "90000000", "SO-99"),
    ),
    control(
        "release-of-too-little",
        ("decisions", "C-4", "APPROVE: expected to fit account "),
        told("inputs", "situation,order,released_max", "14999", "SO-20"),
        "UPDATE credit_order SET released_max_minor = 14999 WHERE order_id = 'SO-20'",
    ),
    control(
        "tested-by-a-release-that-had-ended",
        ("decisions", "C-4", "APPROVE: expected to fit account "),
        told("inputs", "situation,order,released_until", '"2026-06-01T00:00:00Z"', "SO-20"),
        "UPDATE credit_order SET released_until = '2026-06-01Z' WHERE order_id = 'SO-20'",
    ),
    control(
        "stop-that-was-not",
        ("decisions", "C-5", "ACCOUNT_STOPPED: expected account_stopped == True, found False"),
        told("inputs", "situation,accounts,0,status", '"OPEN"', "SO-25"),
    ),
    control(
        "forced-hold-that-was-not",
        ("decisions", "C-1", "FORCED_HOLD: expected order_forced_hold == True, found False"),
        told("inputs", "situation,order,hold_kind", '"AUTOMATIC"', "SO-23"),
    ),
    control(
        "told-another-headroom",
        ("decisions", "C-7", "headroom: expected 100.00 CNY of account"),
        told("answer", "headroom,amount", '"100.01"', "SO-24"),
    ),
    control(
        "told-another-limit",
        ("decisions", "C-7", "effective_limit: expected 100.00 CNY of account"),
        told("answer", "effective_limit", "null", "SO-24"),
    ),
    control(
        "told-another-account",
        ("decisions", "C-1", "binding_customer_id: expected that of account"),
        told("answer", "binding_customer_id", '"G"', "SO-1"),
    ),
    control(
        "told-an-account-without-a-limit",
        ("decisions", "C-1", "binding_customer_id: expected one whose limit is tested, found TOP"),
        told("answer", "binding_customer_id", '"TOP"', "SO-1"),
    ),
    control(
        "held-at-another-seq",
        ("decisions", "C-7", "account_seq: expected 1, found 2"),
        told("answer", "account_seq", "2", "SO-24"),
    ),
    control(
        "judged-on-another-day",
        ("decisions", "C-7", "today: expected 2026-06-15 or a day beside it, for it was judged"),
        told("inputs", "situation,today", '"2026-06-13"', "SO-24"),
    ),
    control(
        "rate-of-too-long-ago",
        ("decisions", "C-2", "rate USD/CNY 7.2: expected one dated 2026-06-09 to 2026-06-16"),
        told("inputs", "situation,rates,CNY,3", '"2026-06-08"', "SO-42"),
    ),
    control(
        "rate-of-the-day-after",
        ("decisions", "C-2", "rate USD/CNY 7.2: expected one dated 2026-06-09 to 2026-06-16"),
        told("inputs", "situation,rates,CNY,3", '"2026-06-17"', "SO-42"),
    ),
]
