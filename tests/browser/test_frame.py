"""One frame: opened, verified, zoomed, copied."""

import re
from typing import Any

from playwright.async_api import expect

from tests.browser.conftest import BUS, OpenPage
from tests.support.gallery import Gallery, Shown


async def test_a_frame_opens_over_the_list_and_back_closes_it_where_one_was(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page("/explore")
    await page.locator("#rows a.open").nth(1).click()
    await expect(page).to_have_url(re.compile(f"/frames/{frames[1].frame_id}$"))
    await expect(page.locator("#detail")).to_be_visible()
    await expect(page.locator("#rows")).to_be_attached()
    await page.go_back()
    await expect(page).to_have_url(re.compile("/explore$"))
    await expect(page.locator("#detail")).to_be_hidden()
    await page.go_forward()
    await expect(page.locator("#detail")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#detail")).to_be_hidden()


async def test_the_bytes_are_verified_in_the_browser_and_those_are_shown(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page(f"/frames/{frames[0].frame_id}")
    await expect(page.locator(".verdict")).to_have_text("Verified in your browser")
    await expect(page.locator(".why")).to_contain_text("equals the CID")
    await expect(page.locator(".picture")).to_have_attribute("src", re.compile("^blob:"))


async def test_other_bytes_are_told_and_not_shown(open_page: OpenPage, frames: list[Shown]) -> None:
    page = await open_page("/explore")

    async def forge(route: Any) -> None:
        if "width" in route.request.url:
            await route.fallback()
        else:
            await route.fulfill(body=frames[1].data, content_type="image/jpeg")

    await page.route("**/ipfs/*", forge)
    await page.locator("#rows a.open").first.click()
    await expect(page.locator(".verdict")).to_have_text("These are not the bytes")
    await expect(page.locator(".picture")).to_be_hidden()
    await expect(page.locator(".failed")).to_contain_text("not those that the CID names")


async def test_without_a_secure_context_it_says_what_is_needed(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page("/login", log_in=True)
    await page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    await page.goto(f"/frames/{frames[0].frame_id}")
    await expect(page.locator(".why")).to_contain_text("needs https")
    await expect(page.locator(".picture")).to_be_visible()


async def test_zoom_keeps_labels_at_their_size(open_page: OpenPage, frames: list[Shown]) -> None:
    page = await open_page(f"/frames/{frames[0].frame_id}")
    await expect(page.locator(".verdict")).to_have_text("Verified in your browser")
    label = page.locator("#frame .label .tag").first

    async def sizes() -> tuple[float, float]:
        box = await page.locator("#frame .box .line").first.bounding_box()
        tag = await label.bounding_box()
        assert box is not None
        assert tag is not None
        return box["width"], tag["height"]

    before = await sizes()
    await page.keyboard.press("+")
    await page.keyboard.press("+")
    await expect(page.locator(".canvas")).not_to_have_css("transform", "none")
    after = await sizes()
    assert after[0] > before[0] * 1.5
    assert abs(after[1] - before[1]) < 2
    await page.keyboard.press("0")
    await expect(page.locator(".canvas")).to_have_css("transform", "matrix(1, 0, 0, 1, 0, 0)")


async def test_the_whole_cid_is_copied(open_page: OpenPage, frames: list[Shown]) -> None:
    page = await open_page(
        f"/frames/{frames[0].frame_id}", permissions=["clipboard-read", "clipboard-write"]
    )
    await page.get_by_label("Copy the CID").click()
    await expect(page.get_by_text("Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == str(frames[0].cid)


async def test_an_erased_frame_says_so_and_keeps_what_was_seen(
    open_page: OpenPage, gallery: Gallery, photo: bytes
) -> None:
    camera = await gallery.add_camera("gate-a")
    shown = await gallery.add_frame(camera, photo, bytes_state="erased", detections=BUS)
    page = await open_page(f"/frames/{shown.frame_id}")
    await expect(page.locator(".absent")).to_contain_text("Erased on request.")
    await expect(page.locator(".absent")).to_contain_text("What was seen in it is kept.")
    await expect(page.locator(".found li")).to_have_count(3)
