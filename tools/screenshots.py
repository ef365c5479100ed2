"""Take the README's pictures of a running Pinhole: `python tools/screenshots.py URL`.

Logs in as --name with the password in PINHOLE_PASSWORD; a one-time password is changed to the one
in PINHOLE_NEW_PASSWORD. Needs Chromium and the development requirements.
"""

import argparse
import os
import shutil
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

FOLDER: Final = Path(__file__).parent.parent / "docs" / "pictures"
SCREEN: Final[ViewportSize] = {"width": 1280, "height": 720}
LEAST_HEIGHT: Final = 480  # the rail's entries need it
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
_WAIT_MS: Final = 30_000
LOADED: Final = """() => Promise.all([...document.images]
    .filter((image) => image.getBoundingClientRect().top < innerHeight)
    .map((image) => image.decode().catch(() => {})))"""


def log_in(page: Page, name: str) -> None:
    """Log in by the form, and change a one-time password."""
    page.goto("/login")
    password = os.environ["PINHOLE_PASSWORD"]
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    if page.url.endswith("/password"):
        page.get_by_label("Present password").fill(password)
        page.get_by_label("New password").fill(os.environ["PINHOLE_NEW_PASSWORD"])
        page.get_by_role("button", name="Start").click()
    page.wait_for_selector(".rail")


def shoot(page: Page, path: str, ready: str, file: Path) -> None:
    """Open a page and keep its picture once `ready` is there and its pictures have come."""
    page.goto(path)
    page.wait_for_selector(ready, timeout=_WAIT_MS)
    page.evaluate(LOADED)
    page.screenshot(path=file)


def newest_with_boxes(page: Page) -> str:
    """Return the address of the newest frame in which something was seen."""
    page.goto("/explore?min_confidence=0.5&bytes_state=pinned")
    page.wait_for_selector("#rows a.open", timeout=_WAIT_MS)
    return str(page.locator("#rows a.open").first.get_attribute("href")).partition("?")[0]


def walk(browser: Browser, url: str, name: str, folder: Path) -> None:
    """Take every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(base_url=url, viewport=SCREEN, device_scale_factor=1)
    page = context.new_page()
    log_in(page, name)
    # As high as the rail needs: with two cameras a whole screen would be half empty.
    page.set_viewport_size({"width": SCREEN["width"], "height": LEAST_HEIGHT})
    shoot(page, "/", ".tile .box", folder / "wall.png")
    page.set_viewport_size(SCREEN)
    shoot(page, "/explore", "#rows .box", folder / "explore.png")
    frame = newest_with_boxes(page)
    shoot(page, frame, ".trust[data-verify=good]", folder / "frame.png")
    phone = browser.new_context(
        base_url=url,
        viewport=PHONE,
        device_scale_factor=2,
        storage_state=context.storage_state(),
    ).new_page()
    shoot(phone, frame, ".trust[data-verify=good]", folder / "phone.png")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Take the README's pictures.")
    parser.add_argument("url", help="where Pinhole runs, such as http://127.0.0.1:8080")
    parser.add_argument("--name", default="admin", help="who logs in (admin)")
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder of the pictures")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        executable = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        walk(browser, arguments.url.rstrip("/"), arguments.name, arguments.into)
        browser.close()


if __name__ == "__main__":
    main()
