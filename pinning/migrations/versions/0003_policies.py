"""Retention: policies in versions, dry runs, holds, what is to go and what has gone."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PINS = """
-- NULL in received_at means created_at: a million rows need not be written anew.
ALTER TABLE pinning.pins
    ADD COLUMN received_at  timestamptz,
    ADD COLUMN completed_at timestamptz;
"""

POLICIES = """
CREATE TABLE pinning.policy_sets (
    version    integer PRIMARY KEY CHECK (version >= 1),
    policies   jsonb NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL,
    dry_run    uuid,
    -- Whether it removes anything. False: it came with an upgrade and waits to be applied.
    enforced   boolean NOT NULL DEFAULT true,
    -- Policies that may remove more than the usual share, until they have done so once.
    confirmed  text[] NOT NULL DEFAULT '{}'
);

-- What comes with Pinhole. Where pins are kept already nothing of it is enforced: an operator looks
-- at a dry run first, and applies it.
INSERT INTO pinning.policy_sets (version, policies, applied_by, enforced)
SELECT 1, '[
    {"name": "changed", "where": {"label_status": ["changed"]}, "keep": {"for_ever": true}},
    {"name": "correct", "where": {"label_status": ["correct"]},
     "keep": {"for_days": 730, "archive_after_days": 365}},
    {"name": "jobs", "priority": 50, "where": {"kind": ["job"]}, "age_by": "completed",
     "keep": {"for_days": 30}},
    {"name": "unlabelled", "where": {"kind": ["frame"], "label_status": ["none"]},
     "keep": {"for_days": 90}},
    {"name": "unsure", "where": {"label_status": ["unsure"]}, "keep": {"for_days": 30}}
]', 'pinhole', NOT EXISTS (SELECT FROM pinning.pins);

CREATE TABLE pinning.dry_runs (
    dry_run  uuid PRIMARY KEY,
    made_at  timestamptz NOT NULL DEFAULT now(),
    based_on integer NOT NULL REFERENCES pinning.policy_sets,
    policies jsonb NOT NULL,
    -- The answer as it was shown.
    shown    jsonb NOT NULL
);
CREATE INDEX dry_runs_made ON pinning.dry_runs (made_at);
"""

HOLDS = """
CREATE TYPE pinning.hold_kind AS ENUM ('legal', 'case');

CREATE TABLE pinning.holds (
    hold           uuid PRIMARY KEY,
    kind           pinning.hold_kind NOT NULL,
    reason         text NOT NULL CHECK (reason ~ '[^[:space:]]'),
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text NOT NULL,
    -- A selection, which holds what comes later too; NULL where it names CIDs.
    selection      jsonb,
    captured_from  timestamptz,
    captured_to    timestamptz,
    lifted_at      timestamptz,
    lifted_by      text,
    lifted_because text CHECK (lifted_because ~ '[^[:space:]]'),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_because IS NULL))
);
CREATE INDEX holds_active ON pinning.holds (created_at) WHERE lifted_at IS NULL;

CREATE TABLE pinning.hold_cids (
    hold   uuid NOT NULL REFERENCES pinning.holds,
    cid    bytea NOT NULL CHECK (octet_length(cid) = 36),
    active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (hold, cid)
);
CREATE INDEX hold_cids_active ON pinning.hold_cids (cid) WHERE active;
"""

EXPIRY = """
-- Pins that a round found to be over, until they are removed. `seen` is the row's version (xmin)
-- that was judged: a pin that was changed since is left to the next round.
CREATE TABLE pinning.expired (
    requestid uuid PRIMARY KEY,
    version   integer NOT NULL REFERENCES pinning.policy_sets,
    policy    text NOT NULL,
    seen      text NOT NULL
);

-- What policies removed, by which rule: the answer to "why is it gone".
CREATE TABLE pinning.departed (
    departed_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cid         bytea NOT NULL CHECK (octet_length(cid) = 36),
    owner       text NOT NULL,
    event_id    text,
    size_bytes  bigint,
    policy      text NOT NULL,
    version     integer NOT NULL REFERENCES pinning.policy_sets,
    removed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX departed_cid ON pinning.departed (cid);
"""


def upgrade() -> None:
    """Add the columns and tables; pins stay as they are."""
    for statements in (PINS, POLICIES, HOLDS, EXPIRY):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: holds would be forgotten."""
    raise NotImplementedError("restore a backup instead")
