"""Bearer tokens."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TOKENS = """
CREATE TABLE access.tokens (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    scopes     text[] NOT NULL,
    -- Limits what the token sees: "site" or "site/camera"; NULL sees all.
    cameras    text[],
    -- Switches for clients with needs of their own (see pinning: unfiltered lists).
    options    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

CREATE FUNCTION access.notify_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('pinhole_tokens', '');
    RETURN NULL;
END $$;

-- Caches of tokens empty themselves on any change.
CREATE TRIGGER tokens_changed AFTER INSERT OR UPDATE OR DELETE ON access.tokens
    FOR EACH STATEMENT EXECUTE FUNCTION access.notify_tokens();
"""


def upgrade() -> None:
    """Create the table of tokens."""
    op.execute(TOKENS)


def downgrade() -> None:
    """Refuse: every client would lose its access."""
    raise NotImplementedError("restore a backup instead")
