"""What the running services say of themselves."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from pinhole.stack.failure import StackFailure
from pinhole.stack.progress import Report

_ASK_TIMEOUT_S = 2.0
_POLL_S = 0.1
_WELL_WITHIN_S = 60.0
_REPORT_EVERY_S = 5.0


def problem(url: str) -> str | None:
    """Return what is wrong with the service whose `/healthz` is at `url`, or None. Blocking."""
    try:
        with urllib.request.urlopen(url, timeout=_ASK_TIMEOUT_S):  # noqa: S310 - our own address
            return None
    except urllib.error.HTTPError as error:
        return _sentence(error.read())
    except OSError as error:
        return f"does not answer ({error})"


def _sentence(body: bytes) -> str:
    try:
        parts = json.loads(body)["parts"]
    except (ValueError, KeyError):
        return "is failing"
    return "; ".join(f"{name}: {state}" for name, state in parts.items() if state != "ok")


async def until_well(urls: Mapping[str, str], report: Report) -> None:
    """Return once every service says that it is well.

    Raises:
        StackFailure: One still does not after a minute; the sentence repeats what it says.

    """
    started_at = reported_at = time.monotonic()
    while said := await problems(urls):
        now = time.monotonic()
        sentence = "; ".join(f"{name}: {what}" for name, what in said.items())
        if now - started_at > _WELL_WITHIN_S:
            raise StackFailure(f"not well after {_WELL_WITHIN_S:.0f} s: {sentence}")
        if now - reported_at > _REPORT_EVERY_S:
            reported_at = now
            report(f"waiting for {sentence}")
        await asyncio.sleep(_POLL_S)


async def problems(urls: Mapping[str, str]) -> dict[str, str]:
    """Return what those services that are not well say, by name."""
    answers = await asyncio.gather(*(asyncio.to_thread(problem, url) for url in urls.values()))
    return {name: what for name, what in zip(urls, answers, strict=True) if what is not None}
