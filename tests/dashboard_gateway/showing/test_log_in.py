import asyncio
from http.cookies import SimpleCookie

import pytest
from aiohttp import ClientResponse

from dashboard_gateway import throttle
from dashboard_gateway.sessions import COOKIE, SECURE_COOKIE
from dashboard_gateway.throttle import Attempt, TooManyAttempts
from dashboard_gateway.viewers import Role
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.showing.conftest import Client, StartDashboard
from tests.support.gallery import Gallery

FROM_OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
NEW = "a much better one"


async def log_in(client: Client, name: str, password: str, next_url: str = "") -> ClientResponse:
    form = {"name": name, "password": password, "next": next_url}
    return await client.post("/login", data=form, headers=FROM_OUR_PAGE, allow_redirects=False)


def cookie_of(answer: ClientResponse, name: str = COOKIE) -> dict[str, str]:
    return {"Cookie": f"{name}={answer.cookies[name].value}"}


async def test_the_right_password_starts_a_session_and_leads_where_one_wanted(
    showing: Client, gallery: Gallery
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    answer = await log_in(showing, "ada", password, "/explore?class=car")
    assert answer.status == 303
    assert answer.headers["Location"] == "/explore?class=car"
    cookie = answer.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["secure"]
    assert (await showing.get("/api/v1/frames", headers=cookie_of(answer))).status == 200


async def test_under_https_the_cookie_is_secure_and_bound_to_the_host(
    start_showing: StartDashboard, gallery: Gallery
) -> None:
    client = await start_showing(public_url="https://pinhole.example")
    password = await gallery.add_user("ada", Role.ADMIN)
    answer = await log_in(client, "ada", password)
    cookie: SimpleCookie = answer.cookies
    assert cookie[SECURE_COOKIE]["secure"]
    assert cookie[SECURE_COOKIE]["domain"] == ""
    headers = cookie_of(answer, SECURE_COOKIE)
    assert (await client.get("/api/v1/frames", headers=headers)).status == 200


async def test_only_the_hash_of_a_session_is_stored(
    showing: Client, gallery: Gallery, pool: Pool
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    answer = await log_in(showing, "ada", password)
    stored = await pool.fetchval("SELECT token_hash FROM dashboard.sessions")
    assert answer.cookies[COOKIE].value.encode() not in stored
    assert len(stored) == 32


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "wrong"), ("", "")])
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(
    showing: Client, gallery: Gallery, name: str, password: str
) -> None:
    await gallery.add_user("ada", Role.ADMIN)
    answer = await log_in(showing, name, password)
    assert answer.status == 401
    assert "Name or password is wrong." in await answer.text()
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize(
    "url", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/\nx"]
)
async def test_a_log_in_leads_nowhere_else(showing: Client, gallery: Gallery, url: str) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    assert (await log_in(showing, "ada", password, url)).headers["Location"] == "/"


async def test_a_disabled_user_cannot_log_in(showing: Client, gallery: Gallery, pool: Pool) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    await pool.execute("UPDATE dashboard.users SET disabled_at = now()")
    assert (await log_in(showing, "ada", password)).status == 401


async def test_the_one_time_password_opens_only_the_page_that_changes_it(
    showing: Client, gallery: Gallery
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN, first=True)
    cookie = cookie_of(await log_in(showing, "ada", password))
    page = await showing.get("/explore", headers=cookie, allow_redirects=False)
    assert (page.status, page.headers["Location"]) == (303, "/password")
    data = await showing.get("/api/v1/frames", headers=cookie)
    assert data.status == 403
    assert (await data.json())["error"]["reason"] == "PASSWORD_CHANGE_REQUIRED"
    form = {"password": password, "new_password": NEW}
    headers = {**cookie, **FROM_OUR_PAGE}
    changed = await showing.post("/password", data=form, headers=headers, allow_redirects=False)
    assert changed.status == 303
    assert (await showing.get("/explore", headers=cookie_of(changed))).status == 200
    assert (await log_in(showing, "ada", password)).status == 401
    assert (await log_in(showing, "ada", NEW)).status == 303


@pytest.mark.parametrize(
    ("new", "sentence"),
    [("short", "has 10 to 256"), ("ada is my name", "contains your name"), ("same", "has 10")],
)
async def test_a_bad_new_password_changes_nothing(
    showing: Client, gallery: Gallery, new: str, sentence: str
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    cookie = cookie_of(await log_in(showing, "ada", password))
    form = {"password": password, "new_password": new}
    headers = {**cookie, **FROM_OUR_PAGE}
    answer = await showing.post("/password", data=form, headers=headers)
    assert answer.status == 422
    assert sentence in await answer.text()
    assert (await log_in(showing, "ada", password)).status == 303


async def test_a_changed_password_ends_every_other_session(
    showing: Client, gallery: Gallery
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    elsewhere = cookie_of(await log_in(showing, "ada", password))
    here = cookie_of(await log_in(showing, "ada", password))
    form = {"password": password, "new_password": NEW}
    headers = {**here, **FROM_OUR_PAGE}
    answer = await showing.post("/password", data=form, headers=headers, allow_redirects=False)
    assert (await showing.get("/api/v1/frames", headers=cookie_of(answer))).status == 200
    for old in (elsewhere, here):
        assert (await showing.get("/api/v1/frames", headers=old)).status == 401


async def test_logging_out_ends_the_session_and_empties_the_browser_s_cache(
    showing: Client, gallery: Gallery
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    cookie = cookie_of(await log_in(showing, "ada", password))
    answer = await showing.post(
        "/logout", headers={**cookie, **FROM_OUR_PAGE}, allow_redirects=False
    )
    assert answer.status == 303
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert (await showing.get("/api/v1/frames", headers=cookie)).status == 401


async def test_guessing_one_account_is_stopped_and_the_right_password_does_not_help(
    showing: Client, gallery: Gallery
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN)
    for _ in range(throttle.PER_PAIR):
        assert (await log_in(showing, "ada", "wrong")).status == 401
    answer = await log_in(showing, "ada", password)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 901
    assert "too many failed log-ins" in (await answer.text()).lower()


async def test_parallel_guesses_cannot_pass_the_limit_together(pool: Pool) -> None:
    attempt = Attempt("ada", "192.0.2.1")
    results = await asyncio.gather(
        *(throttle.count(pool, attempt) for _ in range(throttle.PER_PAIR * 3)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, TooManyAttempts)]
    assert len(refused) == throttle.PER_PAIR * 2


async def test_one_address_cannot_try_many_names(pool: Pool) -> None:
    for number in range(throttle.PER_ADDRESS):
        await throttle.count(pool, Attempt(f"user{number}", "192.0.2.1"))
    with pytest.raises(TooManyAttempts):
        await throttle.count(pool, Attempt("another", "192.0.2.1"))
    await throttle.count(pool, Attempt("another", "192.0.2.2"))


async def test_a_success_forgives_the_name_but_only_its_own_attempt_of_the_address(
    pool: Pool,
) -> None:
    for number in range(throttle.PER_ADDRESS):
        await throttle.count(pool, Attempt(f"user{number}", "192.0.2.1"))
    await throttle.forgive(pool, Attempt("user0", "192.0.2.1"))
    await throttle.count(pool, Attempt("user0", "192.0.2.1"))
    with pytest.raises(TooManyAttempts):
        await throttle.count(pool, Attempt("user0", "192.0.2.1"))


async def test_counts_end_with_their_window(pool: Pool) -> None:
    attempt = Attempt("ada", "192.0.2.1")
    for _ in range(throttle.PER_PAIR):
        await throttle.count(pool, attempt)
    await pool.execute(
        "UPDATE dashboard.login_failures SET since_at = since_at - interval '16 minutes'"
    )
    await throttle.count(pool, attempt)


async def test_only_a_known_proxy_may_name_the_address(
    start_showing: StartDashboard, gallery: Gallery, pool: Pool
) -> None:
    await gallery.add_user("ada", Role.ADMIN)
    keys = "SELECT array_agg(key) FROM dashboard.login_failures"
    named = Attempt("ada", "203.0.113.9")
    headers = {**FROM_OUR_PAGE, "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    form = {"name": "ada", "password": "wrong"}
    plain = await start_showing()
    await plain.post("/login", data=form, headers=headers)
    assert named.address_key not in await pool.fetchval(keys)
    behind = await start_showing(trusted_proxies=["127.0.0.0/8"])
    await behind.post("/login", data=form, headers=headers)
    assert named.address_key in await pool.fetchval(keys)


async def test_an_oversize_form_is_refused(showing: Client) -> None:
    answer = await showing.post("/login", data=b"x" * 100_000, headers=FROM_OUR_PAGE)
    assert answer.status == 413
