"""Walking the pages as a person does: eyes, mouse, keys, a phone."""

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from dashboard_gateway.viewers import Role
from tests.browser.conftest import OpenPage
from tests.dashboard_gateway.showing.conftest import Client
from tests.support.gallery import Gallery, Shown, seen
from tests.support.polling import Eventually

BUS = [
    seen("bus", 0.94, 14, 230, 806, 740, class_id=5),
    seen("person", 0.89, 50, 398, 245, 904),
    seen("person", 0.87, 222, 407, 345, 858),
]


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
    return await page.locator(f"{inside} .box .line:visible").count()


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


async def test_keys_move_open_toggle_and_close(open_page: OpenPage, frames: list[Shown]) -> None:
    page = await open_page("/explore")
    await page.keyboard.press("j")
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#rows a.open").nth(1)).to_be_focused()
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"/frames/{frames[0].frame_id}$"))
    await expect(page.locator("#frame .verdict")).to_have_text("Verified in your browser")
    assert await boxes_shown(page, "#frame") == 3
    await page.keyboard.press("b")
    assert await boxes_shown(page, "#frame") == 0
    await page.keyboard.press("b")
    assert await boxes_shown(page, "#frame") == 3
    await page.keyboard.press("j")
    await expect(page).to_have_url(re.compile(f"/frames/{frames[1].frame_id}$"))
    await page.keyboard.press("ArrowLeft")
    await expect(page).to_have_url(re.compile(f"/frames/{frames[0].frame_id}$"))
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="Keys")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(re.compile("/explore$"))
    # One press of Back led out of the frame: stepping left no trail.
    await page.keyboard.press("/")
    await expect(page.locator("#first-filter")).to_be_focused()


async def test_boxes_stay_off_on_the_next_page(open_page: OpenPage, frames: list[Shown]) -> None:
    page = await open_page("/explore")
    await page.keyboard.press("b")
    assert await boxes_shown(page, "#rows") == 0
    await page.goto("/")
    await expect(page.locator("html")).to_have_attribute("data-boxes", "off")


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


@pytest.mark.parametrize("width", [360, 390, 1280, 2560])
async def test_no_page_is_wider_than_its_screen(
    open_page: OpenPage, frames: list[Shown], width: int
) -> None:
    page = await open_page("/", width=width)
    for path in ("/", "/explore", "/cameras", "/password", f"/frames/{frames[0].frame_id}"):
        await page.goto(path)
        await expect(page.locator("main")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path


async def test_a_phone_reaches_everything_with_a_thumb(
    open_page: OpenPage, frames: list[Shown]
) -> None:
    page = await open_page("/", width=390, has_touch=True, is_mobile=True)
    await page.get_by_role("link", name="Explore").tap()
    await page.locator("#rows a.open").first.tap()
    await expect(page.locator(".verdict")).to_have_text("Verified in your browser")
    await page.get_by_label("Boxes").tap()
    assert await boxes_shown(page, "#frame") == 0
    await page.get_by_label("Older frame").tap()
    await expect(page).to_have_url(re.compile(f"/frames/{frames[1].frame_id}$"))
    await page.get_by_label("Close").tap()
    await expect(page).to_have_url(re.compile("/explore$"))


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


CONTRAST = """
() => {
  const channel = (value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const parse = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return { red, green, blue, alpha };
  };
  const light = ({ red, green, blue }) =>
    0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.alpha === 1) return colour;
      if (colour.alpha > 0) return null; // translucent: looked at by a person instead
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const poor = [];
  for (const element of document.querySelectorAll("main *, nav *")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const isOnPicture = element.closest("svg, .open, .tile, .stage");
    if (!words || isOnPicture || !element.checkVisibility()) continue;
    const behind = ground(element);
    if (!behind) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind)].sort();
    const ratio = (b + 0.05) / (a + 0.05);
    if (ratio < 4.5) poor.push(`${element.className || element.tagName} ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_every_word_has_the_contrast_of_wcag_aa(
    open_page: OpenPage, frames: list[Shown], theme: str
) -> None:
    page = await open_page("/")
    if theme == "light":
        await page.get_by_role("button", name="Theme").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", theme)
    for path in ("/", "/explore?class=bus", "/cameras", f"/frames/{frames[0].frame_id}"):
        await page.goto(path)
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
        assert await page.evaluate(CONTRAST) == [], path
