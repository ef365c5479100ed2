"""The pages' HTML: what it says, what it links to, how it is protected."""

import html.parser
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment, PackageLoader, meta
from yarl import URL

from dashboard_gateway import wording
from dashboard_gateway.assets import ASSETS
from pinhole.contract.cid import Cid
from tests.dashboard_gateway.showing.conftest import Client, StartDashboard
from tests.support.gallery import Gallery, seen

PACKAGE = Path(__file__).parents[3] / "dashboard_gateway"
PAGES = ["/", "/explore", "/cameras", "/password", "/login"]


class Links(html.parser.HTMLParser):
    """Collects what a page leads to and loads, and what its policy would forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.forbidden: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = dict(attrs)
        for name in ("href", "src", "action", "hx-get", "sse-connect"):
            if given.get(name):
                self.addresses.add(str(given[name]))
        if "style" in given or (tag == "script" and "src" not in given) or tag == "style":
            self.forbidden.append(str(self.get_starttag_text()))
        self.forbidden += [name for name, _ in attrs if name.startswith("on")]
        if "id" in given:
            self.ids.append(str(given["id"]))


@pytest.fixture
async def filled(gallery: Gallery, photo: bytes) -> int:
    """Give the id of one of a few frames in every state."""
    camera = await gallery.add_camera("gate-a", title="Gate <A>")
    states = ("awaited", "missing", "erased", "released", "lost", "invalid", "archived")
    for number, state in enumerate(states):
        await gallery.add_frame(
            camera, photo + b"%d" % number, bytes_state=state, held=False, details="because <b>"
        )
    shown = await gallery.add_frame(
        camera,
        photo,
        detections=[seen("car", 0.9, 10, 10, 200, 100), seen("license_plate", 0.6, 20, 60, 80, 80)],
        seq=4,
        attributes={"plate": "<script>"},
    )
    return shown.frame_id


async def page_of(client: Client, path: str, headers: dict[str, str], status: int = 200) -> str:
    answer = await client.get(path, headers=headers)
    assert answer.status == status, await answer.text()
    return await answer.text()


async def test_every_link_on_every_page_leads_somewhere_and_nothing_breaks_the_policy(
    showing: Client, admin: dict[str, str], filled: int
) -> None:
    asked: set[str] = set()
    pages = [*PAGES, f"/frames/{filled}", "/explore?class=car&from=now-1h&min_confidence=0.5"]
    while pages:
        path = pages.pop()
        answer = await showing.get(path, headers=admin, timeout=None)
        assert answer.status == 200, path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        links = Links()
        links.feed(await answer.text())
        assert not links.forbidden, path
        assert len(links.ids) == len(set(links.ids)), path
        for address in links.addresses:
            url = urlsplit(urljoin(path, address))
            assert not url.netloc, address
            target = f"{url.path}?{url.query}" if url.query else url.path
            if target in asked or url.path in {"/live", "/logout"}:
                continue
            asked.add(target)
            got = await showing.head(target, headers=admin, allow_redirects=False)
            allowed = {200, 410, 504} if url.path.startswith("/ipfs/") else {200}
            assert got.status in allowed, (path, target)


async def test_what_a_camera_says_is_text_and_never_markup(
    showing: Client, admin: dict[str, str], filled: int
) -> None:
    text = await page_of(showing, f"/frames/{filled}", admin)
    assert "Gate &lt;A&gt;" in text
    assert "<script></dd>" not in text
    assert "&lt;script&gt;</dd>" in text


async def test_an_empty_wall_and_an_empty_list_say_what_to_do(
    showing: Client, gallery: Gallery, admin: dict[str, str]
) -> None:
    for path in ("/", "/explore", "/cameras"):
        assert "pinhole up --source" in await page_of(showing, path, admin)
    guest = await gallery.add_session("guest")
    assert "Ask an administrator" in await page_of(showing, "/", guest)
    assert "pinhole up" not in await page_of(showing, "/explore", guest)


async def test_a_filter_without_frames_offers_to_be_taken_away(
    showing: Client, admin: dict[str, str], filled: int
) -> None:
    del filled
    text = await page_of(showing, "/explore?class=zebra", admin)
    assert "No frames match" in text
    assert 'href="/explore"' in text


async def test_a_filter_that_cannot_be_used_says_why(
    showing: Client, admin: dict[str, str]
) -> None:
    text = await page_of(showing, "/explore?from=whenever", admin, 422)
    assert "From is a time such as" in text
    assert "Traceback" not in text


async def test_the_list_groups_frames_by_the_viewer_s_days_and_goes_on(
    showing: Client, gallery: Gallery, admin: dict[str, str]
) -> None:
    camera = await gallery.add_camera("gate-a")
    start = datetime(2026, 3, 12, 23, 30, tzinfo=UTC)
    for number in range(120):
        at = start - timedelta(minutes=number)
        await gallery.add_frame(camera, b"%d" % number, held=False, captured_at=at)
    # 23:30 UTC is the next day in Berlin.
    headers = {"Cookie": admin["Cookie"] + "; tz=Europe/Berlin"}
    text = await page_of(showing, "/explore", headers)
    assert "Friday 13 March 2026" in text
    assert "00:30:00" in text
    shown = re.findall(r'data-frame="(\d+)"', text)
    while more := re.search(r'hx-get="([^"]+)"', text):
        text = await page_of(showing, more[1].replace("&amp;", "&"), headers)
        # The header of a day that began in the rows before is not repeated.
        assert "Friday" not in text
        shown += re.findall(r'data-frame="(\d+)"', text)
    assert len(shown) == len(set(shown)) == 120
    assert "That is all." in text


@pytest.mark.parametrize("zone", ["Nowhere/None", "../../etc/passwd", "", "\x00"])
async def test_an_unknown_time_zone_is_utc(
    showing: Client, admin: dict[str, str], zone: str
) -> None:
    headers = {"Cookie": f"{admin['Cookie']}; tz={zone}".replace("\x00", "")}
    assert "in UTC" in await page_of(showing, "/explore", headers)


async def test_a_frame_s_neighbours_are_those_of_the_filter(
    showing: Client, gallery: Gallery, admin: dict[str, str]
) -> None:
    camera = await gallery.add_camera("gate-a")
    car = [seen("car", 0.9, 0, 0, 9, 9)]
    ids = []
    for number in range(5):
        detections = car if number != 2 else []
        age = timedelta(minutes=number)
        data = b"%d" % number
        shown = await gallery.add_frame(camera, data, held=False, age=age, detections=detections)
        ids.append(shown.frame_id)
    text = await page_of(showing, f"/frames/{ids[1]}?class=car", admin)
    assert f'class="step newer" rel="prev" href="/frames/{ids[0]}?class=car"' in text
    assert f'class="step older" rel="next" href="/frames/{ids[3]}?class=car"' in text
    assert 'href="/explore?class=car" title="Close' in text
    newest = await page_of(showing, f"/frames/{ids[0]}?class=car", admin)
    assert "step newer" not in newest


async def test_opened_over_the_list_only_the_frame_is_sent(
    showing: Client, admin: dict[str, str], filled: int
) -> None:
    text = await page_of(showing, f"/frames/{filled}", {**admin, "HX-Request": "true"})
    assert text.lstrip().startswith('<article class="detail"')
    assert "<html" not in text


async def test_a_missing_page_and_a_forbidden_frame_are_pages_too(
    showing: Client, gallery: Gallery, filled: int
) -> None:
    guest = await gallery.add_session("guest")
    headers = {**guest, "Accept": "text/html"}
    for path in ("/frames/999999", f"/frames/{filled}"):
        text = await page_of(showing, path, headers, 404)
        assert "Nothing here" in text
        assert "There is no such frame, or none that you may see." in text


async def test_files_are_kept_for_ever_under_their_version_only(showing: Client) -> None:
    url = showing.app[ASSETS].url("css/app.css")
    answer = await showing.get(url)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert (await answer.read()) == (PACKAGE / "static/css/app.css").read_bytes()
    old = await showing.get("/static/0ld/css/app.css")
    assert old.headers["Cache-Control"] == "no-store"
    for path in ("vendor/vendored.json", "../show.py", "..%2fshow.py", "none.js"):
        assert (await showing.get(f"/static/0ld/{path}")).status == 404


async def test_the_session_s_end_is_met_at_the_log_in_with_the_way_back(
    start_showing: StartDashboard,
) -> None:
    client = await start_showing()
    answer = await client.get("/explore?class=car", allow_redirects=False)
    location = URL(answer.headers["Location"])
    assert (location.path, location.query["next"]) == ("/login", "/explore?class=car")


def test_every_template_uses_only_what_it_is_given() -> None:
    environment = Environment(loader=PackageLoader("dashboard_gateway"), autoescape=True)
    for name in environment.list_templates(extensions=["html"]):
        source, _, _ = environment.loader.get_source(environment, name)  # type: ignore[union-attr]
        used = meta.find_undeclared_variables(environment.parse(source))
        allowed = {"page", "shell", "overlay", "wording", "m"}  # m: the macros
        if name.startswith("fragments/"):
            allowed |= {"frame", "rows"}
        assert used <= allowed, name


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(None, "unknown size"), (999, "999 B"), (203_400, "203 kB"), (1_440_000, "1.4 MB"),
     (31_000_000_000, "31 GB")],
)  # fmt: skip
def test_sizes_are_in_powers_of_ten(size_bytes: int | None, words: str) -> None:
    assert wording.size(size_bytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59, "59 s"), (250, "4 min"), (7300, "2 h"), (2e5, "2 d")]
)
def test_durations_are_in_their_largest_unit(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


def test_a_cid_is_shortened_in_the_middle() -> None:
    cid = Cid.of(b"picture")
    short = wording.short_cid(cid)
    assert short.startswith("bafkrei")
    assert short.endswith(str(cid)[-6:])
    assert len(short) == 18


def test_days_are_named_as_people_do() -> None:
    now = datetime(2026, 3, 12, 10, 0, tzinfo=UTC)
    zone = ZoneInfo("UTC")
    names = [wording.day_header(now - timedelta(days=days), zone, now) for days in (0, 1, 2)]
    assert names == ["Today", "Yesterday", "Tuesday 10 March 2026"]
