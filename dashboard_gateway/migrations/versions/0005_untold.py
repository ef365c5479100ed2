"""Frames of which pinning has not been told yet what was seen in them."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UNTOLD = """
-- Written with the detections, deleted when pinning has them: few rows, as long as pinning answers.
CREATE TABLE dashboard.untold (
    frame_id bigint PRIMARY KEY REFERENCES dashboard.frames ON DELETE CASCADE,
    -- Raised where something changed while it was being told: then it is told again.
    revision integer NOT NULL DEFAULT 0
);
-- What was seen before this table was there.
INSERT INTO dashboard.untold (frame_id)
SELECT frame_id FROM dashboard.frames WHERE analysis_state = 'detected' AND bytes_state = 'pinned';
"""


def upgrade() -> None:
    """Add the table; what is detected already is told as well."""
    op.execute(UNTOLD)


def downgrade() -> None:
    """Refuse, as every migration here."""
    raise NotImplementedError("restore a backup instead")
