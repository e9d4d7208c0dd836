"""Let a row of the quarantine name its document, so that a newer version of it ends the waiting.

Why: what waited for a rate or a customer was found by that alone. One mistyped currency held all
    orders of its account, although the document had been told anew, rightly, long since.
Locks: ACCESS EXCLUSIVE on `quarantine` while its rows are written anew; nobody reports facts then.
Deploy: any time; the server names the documents, also of what older programs put there.
Undo: no loss; what waits for a rate or a customer is again not ended by a newer version.
"""

from alembic import op

revision = "20261211_0100"
down_revision = "20261210_0100"
breaks_older = False  # the server fills the column, and refuses nothing


def upgrade() -> None:
    """Add the column, and find open rows by it."""
    op.execute("""
        ALTER TABLE quarantine ADD COLUMN document text NOT NULL GENERATED ALWAYS AS (
            'doc:' || segment_id || ':' || coalesce(payload ->> 'type', '') || ':'
            || coalesce(payload ->> CASE payload ->> 'type' WHEN 'dispute' THEN 'invoice_id'
                ELSE (payload ->> 'type') || '_id' END, '')
            || CASE payload ->> 'type'
                WHEN 'delivery' THEN chr(31) || coalesce(payload ->> 'order_id', '') ELSE '' END
        ) STORED;
        COMMENT ON COLUMN quarantine.document
            IS 'the document, named as `cause` does where a version of it would let the row go';
        CREATE INDEX quarantine_document_idx ON quarantine (document) WHERE status = 'OPEN';
    """)


def downgrade() -> None:
    """Take the column away, and its index with it."""
    op.execute("ALTER TABLE quarantine DROP COLUMN document")
