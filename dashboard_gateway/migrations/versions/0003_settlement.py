"""What the receiver settles by: known ranges of a stream, seqs without a frame, camera changes."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STREAMS = """
ALTER TABLE dashboard.streams
    -- Seqs that have a meaning: received, rejected or declared lost. In order it is one range.
    ADD COLUMN known int8multirange NOT NULL DEFAULT '{}',
    -- SHA-256 of the event at last_seq: what the next event's prev must be.
    ADD COLUMN head_digest bytea CHECK (octet_length(head_digest) = 32);

CREATE FUNCTION dashboard.received_through(known int8multirange) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN known @> 1::bigint
        THEN (SELECT upper(first) - 1 FROM unnest(known) AS first LIMIT 1) ELSE 0 END;
"""

ABSENCES = """
-- Seqs of a stream that have no frame and never will: the camera declared them lost, or the hub
-- rejected what came. Both settle their seqs, and both are shown.
CREATE TYPE dashboard.absence AS ENUM ('lost', 'rejected');

CREATE TABLE dashboard.absences (
    absence_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id    integer NOT NULL REFERENCES dashboard.cameras,
    stream       uuid NOT NULL REFERENCES dashboard.streams,
    first_seq    bigint NOT NULL CHECK (first_seq >= 1),
    last_seq     bigint NOT NULL CHECK (last_seq >= first_seq),
    kind         dashboard.absence NOT NULL,
    reason       text NOT NULL,
    details      text,
    event_id     uuid,
    -- Where the event could be hashed: the next event's prev may name it.
    event_digest bytea CHECK (octet_length(event_digest) = 32),
    delivery_id  bigint NOT NULL REFERENCES dashboard.deliveries,
    UNIQUE (camera_id, event_id)
);

CREATE INDEX absences_stream ON dashboard.absences (stream, last_seq);
"""

FRAMES = """
ALTER TABLE dashboard.frames
    -- The event's own time where that cannot be right; captured_at is then the hub's best guess.
    ADD COLUMN claimed_at timestamptz,
    -- Whose bytes these are at pinning where not the camera's: `token:…` (results, uploads).
    ADD COLUMN owner text,
    -- What was tried in vain and counts: a service that was away does not.
    ADD COLUMN pin_attempts smallint NOT NULL DEFAULT 0,
    ADD COLUMN analysis_attempts smallint NOT NULL DEFAULT 0;

-- Events whose predecessor has not come: few, or none.
CREATE INDEX frames_pending ON dashboard.frames (stream, seq) WHERE chain_state = 'pending';
"""

CAMERAS = """
ALTER TABLE dashboard.cameras
    -- The signed sending time of `status`: a repeated older heartbeat does not replace a newer.
    ADD COLUMN status_sent_at timestamptz;

CREATE FUNCTION dashboard.notify_camera() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dashboard_cameras', COALESCE(NEW.camera_id, OLD.camera_id)::text);
    RETURN NULL;
END $$;

-- Heartbeats touch other columns and notify nobody.
CREATE TRIGGER camera_keys_changed
    AFTER INSERT OR DELETE OR UPDATE OF site, name, public_keys, hmac_secrets, revoked_at
    ON dashboard.cameras
    FOR EACH ROW EXECUTE FUNCTION dashboard.notify_camera();
"""


NOTICES = """
-- Frames came or changed: a JSON list of their ids, one notice a statement (PostgreSQL limits a
-- payload to 8,000 bytes: 390 ids of 20 characters). By trigger: no path can forget it, and none
-- pays a round trip for it.
CREATE FUNCTION dashboard.notify_frames() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids text;
BEGIN
    FOR ids IN
        SELECT string_agg(frame_id::text, ',') FROM (
            SELECT frame_id, (row_number() OVER (ORDER BY frame_id) - 1) / 390 AS part
            FROM changed) AS numbered
        GROUP BY part
    LOOP
        PERFORM pg_notify('frames', '[' || ids || ']');
    END LOOP;
    RETURN NULL;
END $$;

CREATE TRIGGER frames_came AFTER INSERT ON dashboard.frames
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION dashboard.notify_frames();
CREATE TRIGGER frames_changed AFTER UPDATE ON dashboard.frames
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION dashboard.notify_frames();
"""


def upgrade() -> None:
    """Add what settlement, chain and caches need."""
    for statements in (STREAMS, ABSENCES, FRAMES, CAMERAS, NOTICES):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: a downgrade would drop acknowledgements."""
    raise NotImplementedError("restore a backup instead")
