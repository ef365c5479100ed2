"""Expendable: what the policies would remove soon goes now, where the hub runs out of room.

Soon is a setting: nothing goes earlier than that before its time, so a policy that says two years
still means two years, less some days at worst. What a hold is about never goes; neither does what a
policy keeps for ever, nor what waits to be confirmed because it is more than usual.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from pinhole.contract.dry_runs import PolicyVersion
from pinhole.runtime.postgres import Connection, Pool
from pinning.retention import count, holds, policy_sets
from pinning.retention.dry_runs import Caution
from pinning.retention.verdicts import judgement

MOST_AT_ONCE: Final = 100_000

# Whose end is nearest goes first. What was picked before and has not gone yet is not picked again.
_PICK: Final = """
    , picked AS (
        SELECT * FROM (
            SELECT requestid, number, version, coalesce(size_bytes, 0) AS size_bytes,
                   sum(coalesce(size_bytes, 0)) OVER (ORDER BY until, requestid) AS upto
            FROM verdict
            WHERE until <= {now} AND NOT by_hold AND ({names})[number] = ANY ({going})
            AND NOT EXISTS (SELECT FROM pinning.expired AS e WHERE e.requestid = verdict.requestid)
        ) AS summed WHERE upto - size_bytes < {wanted} LIMIT {most}
    ), written AS (
        INSERT INTO pinning.expired (requestid, version, policy, seen)
        SELECT requestid, {version}, ({names})[number], version::text FROM picked
        ON CONFLICT DO NOTHING
    )
    SELECT coalesce(sum(size_bytes), 0)::bigint FROM picked
"""


class SoonOver:
    """Pins that the policies in force end within `within`; the round that ends them ends these."""

    def __init__(self, pool: Pool, caution: Caution, *, within: timedelta) -> None:
        self._pool = pool
        self._caution = caution
        self._within = within

    async def make_room(self, wanted_bytes: int) -> int:
        """Write down what ends next as over; return its bytes, zero where nothing is."""
        until = datetime.now(UTC) + self._within
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            in_force = await policy_sets.current(connection)
            if not in_force.enforced or not in_force.policies:
                return 0
            going = await self._going(connection, in_force, until)
            if not going:
                return 0
            return await self._pick(connection, in_force, going, until, wanted_bytes)

    async def _going(
        self, connection: Connection, in_force: PolicyVersion, until: datetime
    ) -> list[str]:
        """Return the policies that may remove what they would remove by `until`."""
        held = await count.held(connection)
        days = self._caution.plausible_days
        counted = await count.count(connection, in_force.policies, at=until, plausible_days=days)
        return [
            name
            for name, amount in counted.by_policy.items()
            if name in in_force.confirmed or not self._caution.needs_confirmation(amount, held)
        ]

    async def _pick(
        self,
        connection: Connection,
        in_force: PolicyVersion,
        going: list[str],
        until: datetime,
        wanted_bytes: int,
    ) -> int:
        guard = await holds.guard(connection)
        days = self._caution.plausible_days
        judged = judgement(in_force.policies, guard, at=until, plausible_days=days)
        add = judged.parameters.add
        statement = judged.statement + _PICK.format(
            now=judged.now,
            version=add(in_force.version, "integer"),
            names=add([policy.name for policy in judged.policies], "text[]"),
            going=add(going, "text[]"),
            wanted=add(wanted_bytes, "bigint"),
            most=add(MOST_AT_ONCE, "bigint"),
        )
        picked: int = await connection.fetchval(statement, *judged.parameters.values)
        return picked
