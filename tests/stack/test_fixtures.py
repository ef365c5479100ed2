"""The fixtures keep what they promise, for everyone else's tests stand on them."""

import hashlib
import os

import aiohttp
import psycopg

from pinhole.contract.cid import Cid
from pinhole.runtime.kubo import KuboRpc, TrustlessGateway
from pinhole.runtime.postgres import Pool
from pinhole.stack.kubo_node import KuboNode
from tests.support.polling import Eventually

TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"


async def test_what_a_camera_stores_is_read_from_its_gateway(
    camera_kubo: KuboNode, hub_kubo: KuboNode
) -> None:
    data = os.urandom(1000)
    async with aiohttp.ClientSession() as session:
        cid = await KuboRpc(session, camera_kubo.rpc_url).block_put(data)
        assert cid == Cid.of(data)
        assert await TrustlessGateway(session, camera_kubo.gateway_url).fetch(cid) == data
        # The hub asks the swarm: the two are connected from the first test on.
        assert await KuboRpc(session, hub_kubo.rpc_url).block_get(cid, timeout_s=5) == data


def test_each_test_gets_a_database_with_all_tables(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        for schema in ("access", "dashboard"):
            row = connection.execute(TABLES, (schema,)).fetchone()
            assert row is not None
            assert row[0] > 0


def test_an_empty_database_has_no_tables(empty_postgres_dsn: str) -> None:
    with psycopg.connect(empty_postgres_dsn) as connection:
        assert connection.execute(TABLES, ("dashboard",)).fetchone() == (0,)


async def test_the_pool_reads_json_as_values(pool: Pool) -> None:
    assert await pool.fetchval("SELECT '{\"a\": 1}'::jsonb") == {"a": 1}


async def test_eventually_returns_the_first_true_value(eventually: Eventually) -> None:
    values = iter((0, None, 7))
    assert await eventually(lambda: next(values)) == 7


def test_the_photograph_is_the_one_that_everyone_knows(photo: bytes) -> None:
    assert hashlib.sha256(photo).hexdigest().startswith("c02019c4")
