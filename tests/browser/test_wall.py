"""The wall, from the first log-in on."""

from datetime import timedelta

from playwright.async_api import expect

from dashboard_gateway.viewers import Role
from tests.browser.conftest import BUS, OpenPage, boxes_shown
from tests.support.gallery import Gallery, Shown


async def test_the_first_log_in_leads_over_a_new_password_to_the_wall(
    open_page: OpenPage, gallery: Gallery
) -> None:
    password = await gallery.add_user("ada", Role.ADMIN, first=True)
    page = await open_page("/explore", log_in=False)
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Choose your password")).to_be_visible()
    await page.get_by_label("Present password").fill(password)
    await page.get_by_label("New password").fill("correct horse battery")
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("heading", name="No frames yet")).to_be_visible()


async def test_the_wall_shows_each_camera_s_newest_frame_with_boxes(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page("/")
    tiles = page.locator(".tile")
    await expect(tiles).to_have_count(2)
    first = tiles.nth(0)
    await expect(first.locator("a.open")).to_have_attribute("href", f"/frames/{frames[0].frame_id}")
    await expect(first.locator("img")).to_have_js_property("complete", value=True)
    assert await first.locator("img").evaluate("image => image.naturalWidth") > 0
    assert await boxes_shown(page, ".tile:nth-child(1)") == 3
    await expect(first.locator("text").first).to_have_text("bus 94%")


async def test_a_new_frame_takes_its_tile_without_moving_anything(
    open_page: OpenPage, gallery: Gallery, frames: list[Shown], photo: bytes
) -> None:
    page = await open_page("/")
    tile = page.locator(".tile").nth(0)
    await expect(tile.locator("img")).to_have_js_property("complete", value=True)
    before = await page.locator(".tile").nth(1).bounding_box()
    camera = int(await tile.get_attribute("data-camera") or 0)
    shown = await gallery.add_frame(camera, photo + b"new", detections=BUS[:1])
    await expect(tile.locator("a.open")).to_have_attribute("href", f"/frames/{shown.frame_id}")
    # The picture was loaded before it was shown: no empty tile between.
    assert await tile.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    assert await page.locator(".tile").nth(1).bounding_box() == before


async def test_a_camera_that_fell_silent_says_so(open_page: OpenPage, gallery: Gallery) -> None:
    await gallery.add_camera("gate-a", silent_for=timedelta(minutes=4, seconds=5))
    page = await open_page("/")
    await expect(page.locator(".tile .silence")).to_have_text("silent for 4 min")


async def test_an_empty_wall_fills_by_itself(
    open_page: OpenPage, gallery: Gallery, photo: bytes
) -> None:
    page = await open_page("/")
    await expect(page.get_by_role("heading", name="No frames yet")).to_be_visible()
    await gallery.add_frame(await gallery.add_camera("gate-a"), photo)
    # The stream tells of new cameras every 15 s.
    await expect(page.locator(".tile")).to_have_count(1, timeout=25_000)
