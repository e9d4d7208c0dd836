"""Damages to what documents said before their newest version."""

from tests.faults.damages import control

RETOLD = [
    control(
        "past-version-above-the-newest",
        ("retold", "C-13", "payment P-13: past version 9: expected a newer one, found version 2"),
        "UPDATE past_version SET version = 9 WHERE document_id = 'P-13'",
    ),
    control(
        "past-version-of-nothing",
        ("retold", "C-13", "payment P-0: past version 1: expected a newer one, found none"),
        "UPDATE past_version SET document_id = 'P-0' WHERE document_id = 'P-13'",
    ),
    control(
        "mark-forgotten",
        ("retold", None, "payment P-13: expected invoice I-13 to be marked"),
        "DELETE FROM retold WHERE document_id = 'P-13'",
    ),
    control(
        "mark-of-a-dishonoured-bill-forgotten",
        ("retold", None, "payment P-14: expected invoice I-14 to be marked"),
        "DELETE FROM retold WHERE document_id = 'P-14'",
    ),
    control(
        "past-version-forgotten",
        ("retold", None, "payment P-13: invoice I-13 is marked: expected a past version"),
        "DELETE FROM past_version WHERE document_id = 'P-13'",
    ),
    control(
        "past-version-nobody-reported",
        ("retold", "C-13", "payment P-13: past version 0: expected a report of it"),
        "UPDATE past_version SET version = 0 WHERE document_id = 'P-13'",
    ),
    control(
        "past-version-of-another-day",
        ("retold", "C-13", "payment P-13: past version 1: expected a report of it that says so"),
        'UPDATE past_version SET body = body || \'{"paid_date": "2026-01-01"}\''
        " WHERE document_id = 'P-13'",
    ),
]
