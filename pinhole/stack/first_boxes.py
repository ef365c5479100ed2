"""Waiting for what a person who starts Pinhole waits for: a frame with boxes on the page."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime

_POLL_S = 0.2
_ASK_TIMEOUT_S = 2.0


async def first_boxes(page_url: str, token: str, since: datetime, *, within_s: float) -> bool:
    """Return whether a frame captured `since` was listed with a detection in it in time.

    A watched directory may have no picture to give: that is no failure.
    """
    query = urllib.parse.urlencode(
        {
            "from": since.isoformat(),
            "analysis_state": "detected",
            "min_confidence": "0",  # at least one detection
            "limit": "1",
        }
    )
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{page_url}/api/v1/frames?{query}", headers={"Authorization": f"Bearer {token}"}
    )
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if await asyncio.to_thread(_lists_a_frame, request):
            return True
        await asyncio.sleep(_POLL_S)
    return False


def _lists_a_frame(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=_ASK_TIMEOUT_S) as answer:  # noqa: S310
            return bool(json.load(answer)["frames"])
    except (OSError, ValueError, KeyError):
        return False  # it is only just starting; the deadline bounds the patience
