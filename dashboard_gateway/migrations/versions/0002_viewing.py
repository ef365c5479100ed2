"""Viewing: announcements that empty caches, indexes of wall and gateway, counted log-ins."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ANNOUNCEMENTS = """
-- Bytes that may be shown no longer: every worker's caches drop them. By trigger, so that no path
-- that releases or erases can forget it; the WHEN keeps it free for all other updates.
CREATE FUNCTION dashboard.notify_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dashboard_gone', encode(OLD.digest, 'hex'));
    IF OLD.codec <> 'raw' THEN
        PERFORM pg_notify('dashboard_gone', encode(OLD.sha256, 'hex'));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER frames_gone AFTER UPDATE OF bytes_state ON dashboard.frames FOR EACH ROW
    WHEN (OLD.bytes_state IN ('pinned', 'archived')
          AND NEW.bytes_state NOT IN ('pinned', 'archived'))
    EXECUTE FUNCTION dashboard.notify_gone();
CREATE TRIGGER frames_deleted AFTER DELETE ON dashboard.frames FOR EACH ROW
    WHEN (OLD.bytes_state IN ('pinned', 'archived'))
    EXECUTE FUNCTION dashboard.notify_gone();

-- Who may see what: rare changes, so everything that was remembered of it goes.
CREATE FUNCTION dashboard.notify_access() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dashboard_access', '');
    RETURN NULL;
END $$;

CREATE TRIGGER users_changed AFTER UPDATE OR DELETE ON dashboard.users
    FOR EACH STATEMENT EXECUTE FUNCTION dashboard.notify_access();
CREATE TRIGGER grants_changed AFTER INSERT OR UPDATE OR DELETE ON dashboard.grants
    FOR EACH STATEMENT EXECUTE FUNCTION dashboard.notify_access();
CREATE TRIGGER sessions_ended AFTER UPDATE OF user_id, expires_at OR DELETE ON dashboard.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION dashboard.notify_access();
CREATE TRIGGER cameras_changed AFTER INSERT OR UPDATE OF site, name OR DELETE ON dashboard.cameras
    FOR EACH STATEMENT EXECUTE FUNCTION dashboard.notify_access();
"""

INDEXES = """
-- The gateway asks (digest, cameras of the viewer): a still camera repeats one digest for ever.
CREATE INDEX frames_digest_camera ON dashboard.frames (digest, camera_id);
DROP INDEX dashboard.frames_digest;
-- The wall shows what came last: order of arrival, which no wrong clock can change. Negated, so
-- that only this index has the order: the planner likes to walk the primary key instead, which is
-- cheap for a camera that sends much and reads the whole table for one that fell silent.
CREATE INDEX frames_camera_arrival ON dashboard.frames (camera_id, (-frame_id));
"""

LOGINS = """
-- Failed log-ins by address, by name and by both; worthless after a crash, hence unlogged.
CREATE UNLOGGED TABLE dashboard.login_failures (
    key      bytea PRIMARY KEY,
    failures integer NOT NULL,
    since_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON dashboard.sessions (user_id);
CREATE INDEX sessions_expires ON dashboard.sessions (expires_at);
"""


def upgrade() -> None:
    """Create announcements, indexes and the table of failed log-ins."""
    for statements in (ANNOUNCEMENTS, INDEXES, LOGINS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: a downgrade would leave caches that nobody empties."""
    raise NotImplementedError("restore a backup instead")
