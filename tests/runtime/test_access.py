"""Tokens in PostgreSQL, and migrations."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pinhole.contract.scopes import Scope
from pinhole.runtime import tokens
from pinhole.runtime.migrations import migrate
from pinhole.runtime.postgres import Pool, create_pool, ping
from pinhole.runtime.tokens import FileTokens, PostgresTokens, create_token, export_tokens, hash_of


async def test_only_the_hash_of_a_token_is_stored(pool: Pool) -> None:
    secret = await create_token(pool, "n8n", [Scope.INFERENCE])
    rows = await pool.fetch("SELECT * FROM access.tokens")
    assert secret not in str(rows)
    token = await PostgresTokens(pool).find(hash_of(secret))
    assert token is not None
    assert (token.name, token.scopes) == ("n8n", frozenset({Scope.INFERENCE}))


@pytest.mark.parametrize("limits", [["harbour"], ["harbour/gate-a"]])
async def test_a_limited_token_sees_its_cameras_only(pool: Pool, limits: list[str]) -> None:
    secret = await create_token(pool, "city", [Scope.FRAMES_READ], cameras=limits)
    token = await PostgresTokens(pool).find(hash_of(secret))
    assert token is not None
    assert token.sees("harbour", "gate-a")
    assert not token.sees("market", "gate-a")
    assert token.sees("harbour", "gate-b") == (limits == ["harbour"])


async def test_expired_revoked_and_unknown_tokens_are_none(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_S", 0.0)
    found = PostgresTokens(pool)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = await create_token(pool, "old", [Scope.ADMIN], expires_at=yesterday)
    valid = await create_token(pool, "new", [Scope.ADMIN])
    assert await found.find(hash_of(expired)) is None
    assert await found.find(hash_of("pnh_guess")) is None
    assert await found.find(hash_of(valid)) is not None
    await pool.execute("UPDATE access.tokens SET revoked_at = now() WHERE name = 'new'")
    assert await found.find(hash_of(valid)) is None


async def test_the_detectors_file_holds_the_hashes_it_needs_and_no_more(
    pool: Pool, tmp_path: Path
) -> None:
    asks = await create_token(pool, "dashboard", [Scope.INFERENCE])
    other = await create_token(pool, "reader", [Scope.FRAMES_READ])
    path = tmp_path / "tokens.json"
    assert await export_tokens(pool, Scope.INFERENCE, path) == 1
    assert asks not in json.dumps(await asyncio.to_thread(path.read_text))
    assert await FileTokens(path).find(hash_of(asks)) is not None
    assert await FileTokens(path).find(hash_of(other)) is None


async def test_migrations_started_twice_at_once_run_once(empty_postgres_dsn: str) -> None:
    runs = [
        asyncio.to_thread(migrate, empty_postgres_dsn, "pinhole.runtime.access", "access")
        for _ in range(3)
    ]
    await asyncio.gather(*runs)
    async with await create_pool(empty_postgres_dsn) as pool:
        assert await pool.fetchval("SELECT count(*) FROM access.alembic_version") == 1
        assert await ping(pool) is None


async def test_a_change_of_tokens_is_announced(pool: Pool) -> None:
    heard = asyncio.Event()

    def hear(*_: object) -> None:
        heard.set()

    async with pool.acquire() as connection:
        await connection.add_listener("pinhole_tokens", hear)
        await create_token(pool, "new", [Scope.ADMIN])
        await asyncio.wait_for(heard.wait(), 5)
        await connection.remove_listener("pinhole_tokens", hear)
