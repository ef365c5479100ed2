"""Turning a page's data into HTML, with the frame around it and the headers that protect it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from dashboard_gateway import overlay, wording
from dashboard_gateway.assets import ASSETS, Assets
from dashboard_gateway.viewers import Viewer

_UTC: Final = ZoneInfo("UTC")
_MAX_ZONES: Final = 600  # the time zone database has fewer names
THEMES: Final = ("dark", "light")
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Shell:
    """What the frame around every page needs."""

    assets: Assets
    viewer: Viewer | None
    active: str
    """The rail's entry that is lit; empty for none."""
    theme: str
    boxes: bool
    zone: ZoneInfo
    now: datetime


class Renderer:
    """The templates, read once."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("dashboard_gateway"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {"overlay": overlay, "wording": wording}
        self._zones: dict[str, ZoneInfo] = {"UTC": _UTC}

    @classmethod
    def load(cls) -> Self:
        """Read and compile every template. Blocking."""
        renderer = cls()
        for name in renderer._environment.list_templates(extensions=["html"]):
            renderer._environment.get_template(name)
        return renderer

    def fragment(self, template: str, **context: Any) -> str:  # noqa: ANN401 - any page's data
        """Return a template's HTML."""
        return self._environment.get_template(template).render(**context)

    async def zone(self, name: str | None) -> ZoneInfo:
        """Return the time zone that the browser said it is in; UTC where it is none."""
        known = self._zones.get(name or "UTC")
        if known is not None:
            return known
        try:
            zone = await asyncio.to_thread(ZoneInfo, str(name))  # reads a file
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return _UTC
        if len(self._zones) < _MAX_ZONES:
            self._zones[str(name)] = zone
        return zone


RENDERER = web.AppKey("renderer", Renderer)


async def zone_of(request: web.Request) -> ZoneInfo:
    """Return the viewer's time zone, which a script keeps in a cookie."""
    return await request.app[RENDERER].zone(request.cookies.get("tz"))


async def render(
    request: web.Request,
    template: str,
    page: object,
    *,
    viewer: Viewer | None = None,
    active: str = "",
    status: int = 200,
) -> web.Response:
    """Return a page, or a part of one; `page` is what its template may use beside the shell."""
    theme = request.cookies.get("theme", THEMES[0])
    shell = Shell(
        assets=request.app[ASSETS],
        viewer=viewer,
        active=active,
        theme=theme if theme in THEMES else THEMES[0],
        boxes=request.cookies.get("boxes") != "off",
        zone=await zone_of(request),
        now=datetime.now(UTC),
    )
    html = request.app[RENDERER].fragment(template, page=page, shell=shell)
    return html_response(html, status=status)


def html_response(html: str, *, status: int = 200) -> web.Response:
    """Return HTML under the content security policy of every page."""
    return web.Response(
        text=html, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS
    )
