"""Cameras, deliveries, frames, detections, the inference memo, users and sessions."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CAMERAS = """
CREATE TABLE dashboard.cameras (
    camera_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site          text NOT NULL,
    name          text NOT NULL,
    title         text,
    -- Ed25519 public keys (32 bytes each): two while a key is being rotated.
    public_keys   bytea[] NOT NULL DEFAULT '{}',
    -- Shared secrets of keyless senders (n8n, scripts).
    hmac_secrets  bytea[] NOT NULL DEFAULT '{}',
    peer_id       text,
    gateway_url   text,
    addresses     text[] NOT NULL DEFAULT '{}',
    enrolled_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz,
    -- The last heartbeat, as sent, and when it came.
    status        jsonb,
    status_at     timestamptz,
    last_event_at timestamptz,
    UNIQUE (site, name)
);

-- One row per stream of a camera: what was acknowledged. A re-installed camera starts another.
CREATE TABLE dashboard.streams (
    stream         uuid PRIMARY KEY,
    camera_id      integer NOT NULL REFERENCES dashboard.cameras,
    first_seen_at  timestamptz NOT NULL DEFAULT now(),
    -- Every seq up to this one is settled, save the frames that are `missing` (the wanted).
    pinned_through bigint NOT NULL DEFAULT 0,
    last_seq       bigint NOT NULL DEFAULT 0
);
"""

FRAMES = """
CREATE TYPE dashboard.bytes_state AS ENUM (
    'awaited', 'pinned', 'missing', 'archived', 'released', 'erased', 'lost', 'invalid');
CREATE TYPE dashboard.analysis_state AS ENUM ('waiting', 'detected', 'invalid', 'failed');
CREATE TYPE dashboard.chain_state AS ENUM ('unchained', 'pending', 'verified', 'broken');

-- A signed delivery as it was received: the evidence. Frames refer to it.
CREATE TABLE dashboard.deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id   integer NOT NULL REFERENCES dashboard.cameras,
    webhook_id  text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    headers     jsonb NOT NULL,
    body        bytea NOT NULL
);

CREATE TABLE dashboard.frames (
    frame_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id       integer NOT NULL REFERENCES dashboard.cameras,
    event_id        uuid NOT NULL,
    -- SHA-256 of the event's canonical JSON: equal for a repeat, other for a conflict.
    event_digest    bytea NOT NULL CHECK (octet_length(event_digest) = 32),
    stream          uuid,
    seq             bigint CHECK (seq >= 1),
    prev            bytea CHECK (octet_length(prev) = 32),
    chain_state     dashboard.chain_state NOT NULL DEFAULT 'unchained',
    delivery_id     bigint REFERENCES dashboard.deliveries,
    -- The CID is (codec, digest); for a raw block the digest is the SHA-256 of the bytes.
    digest          bytea NOT NULL CHECK (octet_length(digest) = 32),
    codec           text NOT NULL DEFAULT 'raw' CHECK (codec IN ('raw', 'dag-pb')),
    -- SHA-256 of the whole file: equal to digest for raw, beside it for a tree.
    sha256          bytea NOT NULL CHECK (octet_length(sha256) = 32),
    size_bytes      bigint,
    media_type      text NOT NULL DEFAULT 'image/jpeg',
    width_px        integer,
    height_px       integer,
    captured_at     timestamptz NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    -- A clock one year off is 31,536,000,000 ms: more than an integer holds.
    clock_offset_ms bigint,
    attributes      jsonb NOT NULL DEFAULT '{}',
    storage_mode    text NOT NULL DEFAULT 'reference'
        CHECK (storage_mode IN ('reference', 'binary')),
    bytes_state     dashboard.bytes_state NOT NULL DEFAULT 'awaited',
    analysis_state  dashboard.analysis_state NOT NULL DEFAULT 'waiting',
    -- Machine word and sentence where a state is missing, invalid, lost or failed.
    reason          text,
    details         text,
    pinned_at       timestamptz,
    analysed_at     timestamptz,
    model_name      text,
    model_digest    bytea,
    -- For filters without a join: what was seen, and how sure the surest was.
    classes         text[] NOT NULL DEFAULT '{}',
    max_confidence  real,
    UNIQUE (camera_id, event_id),
    UNIQUE (camera_id, stream, seq)
);

CREATE TABLE dashboard.detections (
    frame_id   bigint NOT NULL REFERENCES dashboard.frames ON DELETE CASCADE,
    ordinal    smallint NOT NULL,
    xyxy_px    real[] NOT NULL CHECK (cardinality(xyxy_px) = 4),
    confidence real NOT NULL,
    class_id   integer NOT NULL,
    class_name text NOT NULL,
    PRIMARY KEY (frame_id, ordinal)
);

-- Same bytes, same model, same parameters: same detections.
CREATE TABLE dashboard.inferences (
    digest         bytea NOT NULL,
    model_digest   bytea NOT NULL,
    options_digest bytea NOT NULL,
    answer         jsonb NOT NULL,
    made_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (digest, model_digest, options_digest)
);
"""

INDEXES = """
CREATE INDEX deliveries_camera ON dashboard.deliveries (camera_id, delivery_id);
-- The wall and the list: newest first, of all or of one camera; frame_id breaks ties of the key.
CREATE INDEX frames_captured ON dashboard.frames (captured_at DESC, frame_id DESC);
CREATE INDEX frames_camera_captured
    ON dashboard.frames (camera_id, captured_at DESC, frame_id DESC);
-- The gateway: who may see these bytes.
CREATE INDEX frames_digest ON dashboard.frames (digest);
CREATE INDEX frames_sha256 ON dashboard.frames (sha256) WHERE codec <> 'raw';
CREATE INDEX frames_classes ON dashboard.frames USING gin (classes);
-- The acknowledgement: unsettled and wanted frames are few; the settled many are not in here.
CREATE INDEX frames_awaited ON dashboard.frames (stream, seq) WHERE bytes_state = 'awaited';
-- Streams are UUIDv7: this order is oldest first.
CREATE INDEX frames_missing
    ON dashboard.frames (camera_id, stream, seq) WHERE bytes_state = 'missing';
CREATE INDEX frames_unanalysed
    ON dashboard.frames (frame_id) WHERE analysis_state IN ('waiting', 'failed');
"""

USERS = """
CREATE TYPE dashboard.role AS ENUM ('admin', 'viewer');

CREATE TABLE dashboard.users (
    user_id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                 text NOT NULL UNIQUE,
    role                 dashboard.role NOT NULL,
    password_hash        text NOT NULL,
    must_change_password boolean NOT NULL DEFAULT true,
    created_at           timestamptz NOT NULL DEFAULT now(),
    disabled_at          timestamptz
);

-- What a viewer may see: a whole site, or one camera of it. Administrators see everything.
CREATE TABLE dashboard.grants (
    user_id   integer NOT NULL REFERENCES dashboard.users ON DELETE CASCADE,
    site      text NOT NULL,
    camera_id integer REFERENCES dashboard.cameras,
    UNIQUE NULLS NOT DISTINCT (user_id, site, camera_id)
);

CREATE TABLE dashboard.sessions (
    token_hash   bytea PRIMARY KEY,
    user_id      integer NOT NULL REFERENCES dashboard.users ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Create the schema's first tables."""
    for statements in (CAMERAS, FRAMES, INDEXES, USERS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: a downgrade would drop frames."""
    raise NotImplementedError("restore a backup instead")
