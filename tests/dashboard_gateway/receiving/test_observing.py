"""What the published port tells of the service itself: nothing to strangers."""

import secrets

import aiohttp

from tests.dashboard_gateway.receiving.processes import dashboard

THROUGH_A_PROXY = {"X-Forwarded-For": "203.0.113.7"}


async def test_the_dashboards_metrics_need_the_token_of_its_settings(postgres_dsn: str) -> None:
    token = secrets.token_urlsafe(32)
    known = {"Authorization": f"Bearer {token}", **THROUGH_A_PROXY}
    expected = {
        ("/metrics", ""): 401,
        ("/metrics", "stranger"): 401,
        ("/metrics", "known"): 200,
        ("/healthz", ""): {"status", "parts"},
        ("/healthz", "stranger"): {"status"},
        ("/healthz", "known"): {"status", "parts"},
    }
    callers = {"": {}, "stranger": THROUGH_A_PROXY, "known": known}
    seen: dict[tuple[str, str], object] = {}
    async with (
        dashboard("serve", postgres_dsn=postgres_dsn, metrics_token=token) as (_, url),
        aiohttp.ClientSession() as session,
    ):
        for path, caller in expected:
            async with session.get(url + path, headers=callers[caller]) as response:
                is_health = path == "/healthz"
                seen[path, caller] = set(await response.json()) if is_health else response.status
    assert seen == expected
