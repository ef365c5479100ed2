"""The spool as one thing: its events, its sources' memory, its idea of the hub's clock."""

from pathlib import Path
from uuid import UUID

from camera_uploader.spool.database import Database
from camera_uploader.spool.events import Events
from camera_uploader.spool.items import Items


class Spool:
    """The spool in `directory`, made where it is missing; open in one process at a time.

    Raises:
        SpoolUnusable: another process has it, it is damaged, or of a later version.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._database = Database(directory)
        self.events = Events(self._database)
        self.items = Items(self._database)

    @property
    def stream(self) -> UUID:
        """The stream's identity, made with the spool: a new spool is a new stream."""
        return self.events.head.stream

    _OFFSET = "SELECT clock_offset_ms FROM stream"

    def clock_offset_ms(self) -> int | None:
        """Return the hub's clock less ours, as it was last remembered."""
        ((offset_ms,),) = self._database.rows(self._OFFSET)
        return None if offset_ms is None else int(offset_ms)

    _SET_OFFSET = "UPDATE stream SET clock_offset_ms = ?"

    def remember_clock_offset(self, offset_ms: int) -> None:
        """Remember the hub's clock less ours for the next start."""
        with self._database.transaction(durable=False) as connection:
            connection.execute(self._SET_OFFSET, (offset_ms,))

    def close(self) -> None:
        """Close it and let another process have it."""
        self._database.close()
