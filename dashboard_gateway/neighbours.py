"""Whether the services that journeys need are there, seen also while no frame is under way."""

import asyncio
from typing import Final, Protocol

from dashboard_gateway.clients import NeighbourUnavailable
from pinhole.runtime.tasks import Pulse

EVERY_S: Final = 2.0


class Neighbour(Protocol):
    """A service that can be asked for its health."""

    async def check(self) -> None:
        """Return where it is well; raise NeighbourUnavailable where it is not."""


class Neighbours:
    """Turns the health red while a neighbour is away, and green as soon as all are back.

    What journeys meet is no sign to go by: an outage that the last frame met would stay red until
    another frame came.
    """

    def __init__(self, *neighbours: Neighbour) -> None:
        self._neighbours = neighbours

    async def run(self, pulse: Pulse) -> None:
        """Ask all of them every two seconds, for ever."""
        while True:
            troubles = await asyncio.gather(*map(_trouble, self._neighbours))
            told = "; ".join(trouble for trouble in troubles if trouble)
            if told:
                pulse.fail(told)
            else:
                pulse.beat()
            await asyncio.sleep(EVERY_S)


async def _trouble(neighbour: Neighbour) -> str | None:
    try:
        await neighbour.check()
    except NeighbourUnavailable as error:
        return error.details
    return None
