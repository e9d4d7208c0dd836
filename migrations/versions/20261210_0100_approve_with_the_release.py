"""Keep what an order was held for when its release was proposed, and approve with the release.

Why: a proposal was approved for another payer, or an order that had grown since; and one whose
approval was never carried out stayed approved: nobody could decline it.
Locks: ACCESS EXCLUSIVE on `release_proposal` for a moment; its rows of open holds are written.
Deploy: any time; older programs leave the column empty, and their proposals are approved as before.
Undo: what proposals were made for is lost.
"""

from alembic import op

revision = "20261210_0100"
down_revision = "20261209_0200"
breaks_older = False  # who does not name the column leaves it empty


def upgrade() -> None:
    """Add the column; let what was approved and not carried out wait again."""
    op.execute("""
        ALTER TABLE release_proposal ADD COLUMN asked jsonb;
        COMMENT ON COLUMN release_proposal.asked
            IS 'payer, amount, version and terms the order was held for';
        UPDATE release_proposal AS p
        SET status = 'PROPOSED', decided_by = NULL, decided_actor = NULL, decided_at = NULL
        WHERE p.status = 'APPROVED' AND p.proposal_id = (
            SELECT o.proposal_id FROM order_hold AS h
            JOIN release_proposal AS o ON o.hold_id = h.hold_id
            WHERE h.hold_id = p.hold_id AND h.status = 'OPEN'
            ORDER BY o.proposed_at DESC, o.proposal_id DESC LIMIT 1)
        AND NOT EXISTS (SELECT FROM release_proposal AS w
            WHERE w.hold_id = p.hold_id AND w.status = 'PROPOSED')
    """)


def downgrade() -> None:
    """Take the column away."""
    op.execute("ALTER TABLE release_proposal DROP COLUMN asked")
