"""What pins are listed by, in the order of `created_at`: pages in milliseconds at any size."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTIONS = r"""
-- Something that pins are listed by, as a number of 64 bits. Two things that fall on one number
-- cost a look at a row: the row itself is compared too. The hash is that of hash partitions, which
-- has to stay the same from version to version; SHA-256 in its place took 30 us more a pin.
CREATE FUNCTION pinning.facet(owner text, kind text, value text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended(owner || E'\x1f' || kind || E'\x1f' || value, 0);

-- Each pair of `meta`, the name, and the name in small letters.
CREATE FUNCTION pinning.facets_of(owner text, name text, meta jsonb) RETURNS SETOF bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pinning.facet(owner, 'meta', key || E'\x1f' || value) FROM jsonb_each_text(meta)
    UNION SELECT pinning.facet(owner, 'name', name) WHERE name IS NOT NULL
    UNION SELECT pinning.facet(owner, 'iname', lower(name)) WHERE name IS NOT NULL;
END;

-- Every `length` characters in a row of an owner's name: what a part of it is found by. (The
-- extension pg_trgm is not in the embedded PostgreSQL, and leaves out all but letters and digits.)
CREATE FUNCTION pinning.grams(owner text, name text, length integer) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(SELECT owner || E'\x1f' || substr(lower(name), i, length)
             FROM generate_series(1, length(lower(name)) + 1 - length) AS i);
CREATE FUNCTION pinning.grams(owner text, name text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pinning.grams(owner, name, 1) || pinning.grams(owner, name, 2)
    || pinning.grams(owner, name, 3);
-- Those of them that tell whether a name has a part: side by side and the last, not all. Each costs
-- a walk through all that have it: twelve characters took 36 ms of a million names, so 8.
CREATE FUNCTION pinning.grams_of_part(owner text, part text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ARRAY(SELECT owner || E'\x1f' || substr(lower(part), i, 3) FROM (
    SELECT generate_series(1, length(lower(part)) - 2, 3)
    UNION SELECT greatest(length(lower(part)) - 2, 1)
) AS starts (i));
"""

# A GIN index over `meta` finds pins in no order: the newest ten of 20,000 took 780 ms at a million
# pins, and where the planner walked back by `created_at` instead, 2.2 s. Here newest come first.
# It costs 700 bytes on disk for a pin with seven pairs and a name.
TABLE = """
-- One row for each facet of each pin, kept by the triggers below and by nobody else. (owner,
-- created_at) is unique among pins, and the owner is inside the facet.
CREATE TABLE pinning.facets (
    facet      bigint NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO pinning.facets
SELECT DISTINCT facet, created_at
FROM pinning.pins, LATERAL pinning.facets_of(owner, name, meta) AS facet;
ALTER TABLE pinning.facets ADD PRIMARY KEY (facet, created_at);
ALTER TABLE pinning.facets ALTER facet SET STATISTICS 1000;
"""

# A change of status, which every pin goes through, does not touch them.
TRIGGERS = """
CREATE FUNCTION pinning.write_facets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM pinning.facets WHERE created_at = OLD.created_at
        AND facet = ANY (ARRAY(SELECT pinning.facets_of(OLD.owner, OLD.name, OLD.meta)));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO pinning.facets
        SELECT facet, NEW.created_at FROM pinning.facets_of(NEW.owner, NEW.name, NEW.meta) AS facet
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER facets_written AFTER INSERT OR DELETE ON pinning.pins
    FOR EACH ROW EXECUTE FUNCTION pinning.write_facets();
CREATE TRIGGER facets_changed AFTER UPDATE OF owner, created_at, name, meta ON pinning.pins
    FOR EACH ROW EXECUTE FUNCTION pinning.write_facets();
"""

INDEXES = """
DROP INDEX pinning.pins_meta, pinning.pins_name;
-- Those that a list without a status shows, also when a hundred thousand newer ones wait.
CREATE INDEX pins_pinned ON pinning.pins (owner, created_at) WHERE status = 'pinned';
-- A short list of what is not in the index yet: every look-up reads it whole.
CREATE INDEX pins_grams ON pinning.pins USING gin (pinning.grams(owner, name))
    WITH (gin_pending_list_limit = 256) WHERE name IS NOT NULL;
"""


def upgrade() -> None:
    """Create the facets and those of the pins that are there."""
    for statements in (FUNCTIONS, TABLE, TRIGGERS, INDEXES):
        op.execute(statements)


def downgrade() -> None:
    """Refuse, as the first version does."""
    raise NotImplementedError("restore a backup instead")
