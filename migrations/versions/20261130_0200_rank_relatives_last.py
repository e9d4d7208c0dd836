"""Let the relatives of whoever was scored be due behind everybody else.

Why: features see how the parent and the siblings pay, so a payment of one moves the scores of a
    family. Among the night's rows they would be counted as what the night has listed ahead, and a
    family that is busy all day would keep it from listing anybody else.
Locks: ACCESS EXCLUSIVE on `score_due` while its rows, some thousand at most, are looked at once.
Deploy: before the code that lists them; older code works them off like any others.
Undo: after the code that lists them is gone. Forgets which relatives are due; the night scores
    them.
"""

from alembic import op

revision = "20261130_0200"
down_revision = "20261130_0100"

RANKS = "0: something adverse, does not wait; 1: other; 2: the night"


def _constrain(most: int, told: str) -> None:
    op.execute(
        "ALTER TABLE score_due DROP CONSTRAINT score_due_rank_check,"
        f" ADD CONSTRAINT score_due_rank_check CHECK (rank BETWEEN 0 AND {most})"
    )
    op.execute(f"COMMENT ON COLUMN score_due.rank IS '{told}'")


def upgrade() -> None:
    """Allow one more rank."""
    _constrain(3, f"{RANKS}; 3: a relative was scored")


def downgrade() -> None:
    """Take it away, and what has it."""
    op.execute("LOCK TABLE score_due IN ACCESS EXCLUSIVE MODE")
    op.execute("DELETE FROM score_due WHERE rank = 3")
    _constrain(2, RANKS)
