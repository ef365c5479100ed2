"""A real Chromium in front of a real dashboard."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from dashboard_gateway.viewers import Role
from tests.dashboard_gateway.showing.conftest import (
    Client,
    StartDashboard,
    gallery,
    showing,
    start_showing,
)
from tests.support.gallery import Gallery, Shown, seen

__all__ = ["StartDashboard", "gallery", "showing", "start_showing"]

BUS = [
    seen("bus", 0.94, 14, 230, 806, 740, class_id=5),
    seen("person", 0.89, 50, 398, 245, 904),
    seen("person", 0.87, 222, 407, 345, 858),
]
OpenPage = Callable[..., Awaitable[Page]]
# Root may not use Chromium's sandbox; the browser talks to this machine only.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--no-first-run",
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Run Debian's Chromium, or the one that Playwright brought."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    async with async_playwright() as playwright:
        if executable is None and not os.path.exists(playwright.chromium.executable_path):  # noqa: ASYNC240, PTH110
            if os.environ.get("CI"):
                pytest.fail("there is no Chromium: apt-get install chromium")
            pytest.skip("there is no Chromium: apt-get install chromium")
        browser = await playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(browser: Browser, showing: Client, gallery: Gallery) -> AsyncIterator[OpenPage]:
    """Open pages as an administrator who is logged in; fail for any error on the console."""
    problems: list[str] = []
    secret = (await gallery.add_session("root", Role.ADMIN))["Cookie"].partition("=")

    async def open_(path: str, *, log_in: bool = True, width: int = 1280, **options: Any) -> Page:
        base = str(showing.make_url("/")).rstrip("/")
        context = await browser.new_context(
            base_url=base, viewport={"width": width, "height": 800}, **options
        )
        if log_in:
            await context.add_cookies([{"name": secret[0], "value": secret[2], "url": base}])
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.extend(_errors(said)))
        await page.goto(path)
        return page

    yield open_
    assert not problems


@pytest.fixture
async def frames(gallery: Gallery, photo: bytes) -> list[Shown]:
    """Give five frames of two cameras, the newest first."""
    gate = await gallery.add_camera("gate-a", title="Gate A")
    yard = await gallery.add_camera("yard", site="south")
    added = []
    for number in reversed(range(5)):
        camera = gate if number % 2 == 0 else yard
        found = BUS if number != 4 else []
        age = timedelta(minutes=number)
        data = photo + b"%d" % number  # bytes after the picture's end are part of its hash
        added.append(await gallery.add_frame(camera, data, age=age, detections=found, seq=9))
    return added[::-1]


async def boxes_shown(page: Page, inside: str) -> int:
    """Return how many boxes can be seen in an element."""
    return await page.locator(f"{inside} .box .line:visible").count()


def _errors(said: ConsoleMessage) -> list[str]:
    # Refused requests are what some tests are about; scripts and policies have no excuse.
    is_problem = said.type == "error" and not said.text.startswith("Failed to load resource")
    return [said.text] if is_problem else []
