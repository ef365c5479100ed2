"""Blocks that a killed camera left on its node: pinned, and named by no event."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from camera_uploader.node import Node
from camera_uploader.spool.database import read_only
from pinhole.contract.cid import Cid

_SETTLE_S: Final = 1.0
_IS_KNOWN: Final = "SELECT EXISTS (SELECT 1 FROM event WHERE cid = ?)"


def orphans(spool_dir: Path, kubo_rpc_url: str) -> Iterator[Cid]:
    """Yield them. The camera may be running: what it pins just now is looked at once more.

    Raises:
        SpoolUnusable: there is no spool in the directory.
        NodeError: the node does not answer.
    """
    with read_only(spool_dir) as spool, closing(Node(kubo_rpc_url)) as node:

        def is_known(cid: Cid) -> bool:
            ((known,),) = spool.execute(_IS_KNOWN, (str(cid),))
            return bool(known)

        candidates = [cid for cid in list(node.pinned()) if not is_known(cid)]
        if candidates:
            # A running camera writes the row a few milliseconds after the pin.
            time.sleep(_SETTLE_S)
        yield from (cid for cid in candidates if not is_known(cid))
