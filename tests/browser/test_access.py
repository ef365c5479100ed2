"""Every page for everybody: keys, a thumb, any width, weak eyes."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, boxes_shown
from tests.support.gallery import Shown


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
