"""${message}.

Why:
Locks:
Deploy:
Undo:
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
breaks_older = True  # False: programs that know the revision before work on with it


def upgrade() -> None:
    """Do what the head says."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo it."""
    ${downgrades if downgrades else "pass"}
