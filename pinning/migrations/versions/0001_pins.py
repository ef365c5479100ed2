"""Pins, the blocks they keep, whose bytes those are, and where cameras serve theirs."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A CID is stored in its binary form, 36 bytes: 01 55|70 12 20 and the SHA-256.

BLOCKS = """
CREATE TYPE pinning.block_state AS ENUM ('held', 'releasing');
CREATE TYPE pinning.source AS ENUM ('origin', 'push', 'bitswap');

-- What the hub's Kubo holds under a pin of ours: one row per CID. A row is written and removed
-- only under the lock by CID (pinning/locks.py). How many need a block is counted in `bindings`,
-- never stored: a stored count drifts.
CREATE TABLE pinning.blocks (
    cid          bytea PRIMARY KEY CHECK (octet_length(cid) = 36),
    state        pinning.block_state NOT NULL DEFAULT 'held',
    -- A tree's root is pinned recursively, a frame directly: recursive pins slow every removal.
    is_tree      boolean NOT NULL,
    size_bytes   bigint NOT NULL CHECK (size_bytes >= 0),
    -- SHA-256 of the whole file where it is not inside the CID: trees that were pushed.
    sha256       bytea CHECK (octet_length(sha256) = 32),
    held_at      timestamptz NOT NULL DEFAULT now(),
    releasing_at timestamptz,
    CHECK ((state = 'releasing') = (releasing_at IS NOT NULL))
);

-- The bytes came from this owner: its origin or its push. Knowing a CID makes no binding.
CREATE TABLE pinning.bindings (
    cid        bytea NOT NULL REFERENCES pinning.blocks,
    owner      text NOT NULL CHECK (owner ~ '^(camera|token):.'),
    source     pinning.source NOT NULL,
    bound_at   timestamptz NOT NULL DEFAULT now(),
    -- Pushed bytes that no pin claims go at this instant; NULL once claimed.
    expires_at timestamptz,
    claimed_at timestamptz,
    PRIMARY KEY (cid, owner),
    CHECK (expires_at IS NULL OR claimed_at IS NULL)
);

-- Erased for good: looked at under the lock before any put.
CREATE TABLE pinning.tombstones (
    cid       bytea PRIMARY KEY CHECK (octet_length(cid) = 36),
    erased_at timestamptz NOT NULL DEFAULT now()
);
"""

PINS = """
CREATE TYPE pinning.status AS ENUM ('queued', 'pinning', 'pinned', 'failed');

-- Requests in the words of the Pinning Service API. `pinned` implies a binding of (cid, owner).
CREATE TABLE pinning.pins (
    requestid       uuid PRIMARY KEY,
    owner           text NOT NULL CHECK (owner ~ '^(camera|token):.'),
    cid             bytea NOT NULL CHECK (octet_length(cid) = 36),
    status          pinning.status NOT NULL DEFAULT 'queued',
    created_at      timestamptz NOT NULL,
    name            text,
    meta            jsonb NOT NULL DEFAULT '{}',
    -- {"sent": […], "dialled": […]}: as sent, and those of them that the client may name; NULL
    -- where none were sent.
    origins         jsonb,
    -- What makes a repeated batch find its own pin again (the event); NULL: always a new pin.
    batch_key       text,
    attempts        integer NOT NULL DEFAULT 0,
    -- When a worker takes it up (again): a lease while one is at it, NULL when settled.
    next_attempt_at timestamptz,
    settled_at      timestamptz,
    -- Machine word and sentence: why it failed, or why it is still being tried.
    reason          text,
    details         text,
    retryable       boolean,
    -- What policies decide on, typed; `meta` stays as the client sent it.
    site            text,
    camera          text,
    city            text,
    event_id        text,
    kind            text,
    label_status    text,
    captured_at     timestamptz,
    size_bytes      bigint,
    classes         text[] NOT NULL DEFAULT '{}',
    max_confidence  real,
    UNIQUE (owner, created_at),
    UNIQUE (cid, owner, batch_key),
    CHECK ((next_attempt_at IS NULL) = (status IN ('pinned', 'failed')))
);
"""

INDEXES = """
-- Unsettled pins and releases are few among millions: these stay small.
CREATE INDEX pins_due ON pinning.pins (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX pins_not_pinned ON pinning.pins (owner, status, created_at) WHERE status <> 'pinned';
CREATE INDEX pins_name ON pinning.pins (owner, name, created_at) WHERE name IS NOT NULL;
CREATE INDEX pins_meta ON pinning.pins USING gin (meta jsonb_path_ops);
CREATE INDEX blocks_releasing ON pinning.blocks (releasing_at) WHERE state = 'releasing';
CREATE INDEX blocks_trees ON pinning.blocks (cid) WHERE is_tree;
CREATE INDEX bindings_expiring ON pinning.bindings (expires_at) WHERE expires_at IS NOT NULL;
"""

ORIGINS = """
-- Where a camera's blocks are fetched; set by its enrolment, never by a message.
CREATE TABLE pinning.origins (
    owner       text PRIMARY KEY CHECK (owner ~ '^camera:.'),
    peer_id     text,
    gateway_url text,
    addresses   text[] NOT NULL DEFAULT '{}',
    updated_at  timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Create the schema's first tables."""
    for statements in (BLOCKS, PINS, INDEXES, ORIGINS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: nothing would know what the hub's pins are for."""
    raise NotImplementedError("restore a backup instead")
