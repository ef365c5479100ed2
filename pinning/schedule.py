"""When a want is attempted again: put off by who failed, taken up by a worker. SQL only."""

from dataclasses import dataclass
from datetime import timedelta

from pinhole.contract.pins import Status
from pinhole.runtime.postgres import Pool
from pinning.store import want_of
from pinning.wants import NotKept, Outcome, Reason, Want


@dataclass(frozen=True)
class RetryPolicy:
    """When a want is tried again, and how often at most."""

    max_attempts: int
    first_s: float
    longest_s: float


# Several pins may wait for the same bytes: they stand and fall together, and the youngest keeps
# the others trying. $8 is 0 where the owner was not asked: such an attempt does not count.
PUT_OFF = """
    WITH waiting AS (
        SELECT requestid, attempts FROM pinning.pins
        WHERE cid = $1 AND owner = $2 AND status IN ('queued', 'pinning')
        ORDER BY requestid FOR UPDATE
    ), counted AS (
        SELECT min(attempts) + $8::integer AS attempts FROM waiting
    ), decided AS (
        SELECT requestid, counted.attempts, $5::boolean AND counted.attempts < $6::integer AS again
        FROM waiting, counted
    )
    UPDATE pinning.pins AS p SET
        status = CASE WHEN again THEN 'queued' ELSE 'failed' END::pinning.status,
        attempts = decided.attempts,
        -- Doubled each time up to the longest, then 50 to 100 % of it: retries spread out.
        next_attempt_at = CASE WHEN again THEN now() + make_interval(secs =>
            (0.5 + 0.5 * random()) * least($9::float8,
                $7::float8 * power(2, least(greatest(decided.attempts - 1, 0), 30)))) END,
        settled_at = CASE WHEN NOT again THEN now() END,
        reason = $3, details = $4, retryable = $5
    FROM decided WHERE p.requestid = decided.requestid
    RETURNING p.status
"""


async def put_off(pool: Pool, want: Want, why: NotKept, policy: RetryPolicy) -> Outcome:
    """Record an attempt that came to nothing: the pins wait for the next one, or fail."""
    status = await pool.fetchval(
        PUT_OFF,
        want.cid.binary,
        want.owner.text,
        why.reason,
        why.details,
        why.retryable,
        policy.max_attempts,
        policy.first_s,
        int(why.tried and why.reason is not Reason.HUB_UNAVAILABLE),
        policy.longest_s,
    )
    # No row: the pins were deleted meanwhile, and nothing is settled.
    return Outcome(Status(status or Status.QUEUED), why.reason, why.details, why.retryable)


TAKE_UP = """
    UPDATE pinning.pins SET status = 'pinning', next_attempt_at = now() + $2::interval
    WHERE requestid IN (
        SELECT requestid FROM pinning.pins WHERE next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING owner, cid
"""


async def take_up(pool: Pool, limit: int, lease: timedelta) -> set[Want]:
    """Return wants whose time has come; they are the caller's until the lease ends."""
    return {want_of(row) for row in await pool.fetch(TAKE_UP, limit, lease)}
