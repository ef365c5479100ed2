"""What reconciling writes down: its runs, what the node was seen to hold, what differed."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A block that the ledger keeps and the node has lost: whoever brings its bytes again puts it back.
STATES = "ALTER TYPE pinning.block_state ADD VALUE 'missing'"

RUNS = """
CREATE TYPE pinning.run_state AS ENUM ('requested', 'running', 'done', 'refused', 'failed');
CREATE TYPE pinning.run_phase AS ENUM ('listing', 'comparing', 'mending', 'sampling');

CREATE TABLE pinning.reconciliations (
    run_id         uuid PRIMARY KEY,
    requested_at   timestamptz NOT NULL DEFAULT now(),
    requested_by   text NOT NULL,
    repair         boolean NOT NULL,
    remove_orphans boolean NOT NULL,
    -- Share of the blocks that may differ; beyond it nothing is touched.
    max_share      float8 NOT NULL CHECK (max_share BETWEEN 0 AND 1),
    sample_blocks  integer NOT NULL CHECK (sample_blocks >= 0),
    state          pinning.run_state NOT NULL DEFAULT 'requested',
    phase          pinning.run_phase NOT NULL DEFAULT 'listing',
    done           bigint NOT NULL DEFAULT 0,
    total          bigint NOT NULL DEFAULT 0,
    -- Begin of the listing: what the ledger took later is not compared.
    listed_from    timestamptz,
    finished_at    timestamptz,
    held_blocks    bigint,
    node_pins      bigint,
    node_blocks    bigint,
    -- Pins and blocks whose hash or codec is none of ours.
    foreign_cids   bigint,
    sampled_blocks bigint NOT NULL DEFAULT 0,
    details        text,
    CHECK ((finished_at IS NULL) = (state IN ('requested', 'running')))
);
-- One at a time.
CREATE UNIQUE INDEX reconciliations_open ON pinning.reconciliations ((true))
    WHERE finished_at IS NULL;
CREATE INDEX reconciliations_newest ON pinning.reconciliations (requested_at);
"""

SIGHTINGS = """
-- What the node listed in the run that goes on: p direct pin, r recursive pin, b block, l block
-- below a recursive pin. Made anew by each run; nothing here has to survive a crash.
CREATE UNLOGGED TABLE pinning.sightings (
    cid  bytea NOT NULL,
    kind "char" NOT NULL
);
"""

FINDINGS = """
CREATE TYPE pinning.difference AS ENUM
    ('missing', 'unpinned', 'rotten', 'orphan_pin', 'orphan_block');
-- seen: from the listing, to be looked at under its lock; gone: no longer so then.
CREATE TYPE pinning.finding_state AS ENUM
    ('seen', 'gone', 'confirmed', 'repaired', 'removed', 'failed');

CREATE TABLE pinning.findings (
    run_id  uuid NOT NULL REFERENCES pinning.reconciliations ON DELETE CASCADE,
    cid     bytea NOT NULL CHECK (octet_length(cid) = 36),
    kind    pinning.difference NOT NULL,
    state   pinning.finding_state NOT NULL DEFAULT 'seen',
    details text,
    PRIMARY KEY (run_id, cid, kind)
);
CREATE INDEX findings_seen ON pinning.findings (run_id, cid) WHERE state = 'seen';
-- Since when an orphan has been one.
CREATE INDEX findings_orphans ON pinning.findings (cid)
    WHERE kind IN ('orphan_pin', 'orphan_block');
"""


def upgrade() -> None:
    """Add the tables of reconciling, and the state of blocks that the node lost."""
    for statements in (STATES, RUNS, SIGHTINGS, FINDINGS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: a value cannot be taken out of an enumeration."""
    raise NotImplementedError("restore a backup instead")
