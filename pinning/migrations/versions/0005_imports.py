"""File trees: how far each import has come and what it skipped, and which blocks lie in one."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PLACES = """
-- Where a held block lies: false, in Kubo; true, as a file of the tree (PINNING_STORE=tree). A
-- block that comes to Kubo later is moved by that: the row says so, owners and pins stay.
ALTER TABLE pinning.blocks ADD COLUMN in_file_tree boolean NOT NULL DEFAULT false;
"""

SOURCE = "ALTER TYPE pinning.source ADD VALUE IF NOT EXISTS 'import'"

IMPORTS = """
-- One walk over one tree for one owner. Cursor, counts, skipped files and the pins themselves are
-- written in one transaction for each chunk: killed anywhere, nothing is counted or left twice.
CREATE TABLE pinning.imports (
    import_id   uuid PRIMARY KEY,
    tree        text NOT NULL,
    owner       text NOT NULL CHECK (owner ~ '^(camera|token):.'),
    -- Which process goes on with it: a process that finds another's mark here stops.
    runner      uuid NOT NULL,
    -- The path of the last file that is settled, relative to the tree, as the file system spells
    -- it: names need not be UTF-8.
    cursor      bytea,
    imported    bigint NOT NULL DEFAULT 0 CHECK (imported >= 0),
    -- Verified too, and pinned for this owner before this import came to them.
    known       bigint NOT NULL DEFAULT 0 CHECK (known >= 0),
    skipped     bigint NOT NULL DEFAULT 0 CHECK (skipped >= 0),
    -- Of the imported ones.
    bytes       bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    started_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE UNIQUE INDEX imports_unfinished ON pinning.imports (tree, owner) WHERE finished_at IS NULL;

CREATE TABLE pinning.import_skips (
    import_id uuid NOT NULL REFERENCES pinning.imports,
    path      bytea NOT NULL,
    reason    text NOT NULL,
    details   text NOT NULL,
    PRIMARY KEY (import_id, path)
);
"""


def upgrade() -> None:
    """Add where blocks lie, the tables of imports, and the word for bytes that came by one."""
    op.execute(PLACES)
    op.execute(SOURCE)
    op.execute(IMPORTS)


def downgrade() -> None:
    """Refuse: an import that was begun would begin anew."""
    raise NotImplementedError("restore a backup instead")
