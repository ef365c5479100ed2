"""The list: filters, steps, what is new, what is older."""

import re
from datetime import timedelta

from playwright.async_api import expect

from tests.browser.conftest import OpenPage, boxes_shown
from tests.dashboard_gateway.showing.conftest import Client
from tests.support.gallery import Gallery, Shown
from tests.support.polling import Eventually


async def test_boxes_stay_off_on_the_next_page(open_page: OpenPage, frames: list[Shown]) -> None:
    page = await open_page("/explore")
    await page.keyboard.press("b")
    assert await boxes_shown(page, "#rows") == 0
    await page.goto("/")
    await expect(page.locator("html")).to_have_attribute("data-boxes", "off")


async def test_filters_act_at_once_and_stand_in_the_address(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page("/explore")
    await expect(page.locator("#rows .item")).to_have_count(5)
    await page.locator("#filters summary").nth(1).click()
    await page.get_by_label("bus").check()
    await expect(page.locator("#rows .item")).to_have_count(4)
    await expect(page).to_have_url(re.compile(r"/explore\?class=bus$"))
    await page.keyboard.press("Escape")
    await page.locator("#filters summary").nth(0).click()
    await page.get_by_label("yard").check()
    await expect(page.locator("#rows .item")).to_have_count(2)
    await expect(page).to_have_url(re.compile(r"camera=south%2Fyard&class=bus$"))
    await page.reload()
    await expect(page.locator("#rows .item")).to_have_count(2)
    await page.get_by_label("Remove filter class bus").click()
    await expect(page).to_have_url(re.compile(r"/explore\?camera=south%2Fyard$"))
    await page.go_back()
    await expect(page.locator("#rows .item")).to_have_count(2)
    assert "class=bus" in page.url


async def test_steps_from_a_filtered_list_stay_in_it(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page("/explore?camera=north/gate-a")
    await page.locator("#rows a.open").first.click()
    await expect(page.locator("#frame a.older")).to_be_visible()
    await page.keyboard.press("j")
    await expect(page).to_have_url(
        re.compile(rf"/frames/{frames[2].frame_id}\?camera=north%2Fgate-a$")
    )


async def test_new_frames_are_offered_and_not_pushed_into_the_list(
    open_page: OpenPage, gallery: Gallery, frames: list[Shown], photo: bytes
) -> None:
    page = await open_page("/explore")
    offer = page.get_by_role("link", name="New frames")
    await expect(offer).to_be_hidden()
    camera = await gallery.add_camera("new")
    await gallery.add_frame(camera, photo + b"new")
    await expect(offer).to_be_visible()
    await expect(page.locator("#rows .item")).to_have_count(5)
    await offer.click()
    await expect(page.locator("#rows .item")).to_have_count(6)


async def test_older_rows_come_before_one_reaches_them(
    open_page: OpenPage, gallery: Gallery, eventually: Eventually
) -> None:
    camera = await gallery.add_camera("gate-a")
    for number in range(160):
        age = timedelta(minutes=number)
        await gallery.add_frame(camera, b"%d" % number, held=False, age=age, bytes_state="released")
    page = await open_page("/explore")
    rows = page.locator("#rows .item")
    assert await rows.count() < 160

    async def all_are_there_after_another_turn_of_the_wheel() -> bool:
        # A turn goes no further than what came so far.
        await page.mouse.wheel(0, 6000)
        return await rows.count() == 160

    await eventually(all_are_there_after_another_turn_of_the_wheel)
    await expect(page.get_by_text("That is all.")).to_be_attached()


async def test_pictures_keep_their_place_before_they_arrive(
    open_page: OpenPage, frames: list[Shown], showing: Client
) -> None:
    del showing
    page = await open_page("/login")
    await page.route("**/ipfs/*", lambda route: route.abort())
    await page.goto("/explore", wait_until="domcontentloaded")
    empty = await page.locator("#rows .item").nth(4).bounding_box()
    await page.unroute("**/ipfs/*")
    await page.goto("/explore")
    await expect(page.locator("#rows img").first).to_have_js_property("complete", value=True)
    assert await page.locator("#rows .item").nth(4).bounding_box() == empty
