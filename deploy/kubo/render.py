"""Write the profiles that the containers' Kubo nodes take, from the one in `pinhole.stack`.

The official image has a shell and `ipfs config`, no Python: so one line a setting, its key and
its value as JSON, for `profile.sh`. Run it again whenever `pinhole/stack/kubo_profile.py` changes:

    python deploy/kubo/render.py
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pinhole.stack.kubo_profile import Addresses, Role, leaves, profile

FOLDER = Path(__file__).parent
# Replaced by profile.sh when the container starts; the paths beside the token stay as they are.
TOKEN = "@TOKEN@"  # noqa: S105 - a placeholder
API = "/ip4/@RPC_ADDRESS@/tcp/5001"


def lines(role: Role) -> Iterator[str]:
    """Yield `key value` for every setting of a node in a container."""
    settings = profile(
        role,
        Addresses(
            api=API,
            # Every interface: those of the container are private networks.
            gateway="/ip4/0.0.0.0/tcp/8080",
            swarm=["/ip4/0.0.0.0/tcp/4001"],
        ),
        rpc_token=TOKEN,
    )
    # Also on loopback, for `docker compose exec kubo ipfs …`.
    settings["Addresses"]["API"] = ["/ip4/127.0.0.1/tcp/5001", API]
    for key, value in leaves(settings):
        yield f"{key} {json.dumps(value, separators=(',', ':'))}"


def text(role: Role) -> str:
    """Return the profile's file."""
    return "".join(line + "\n" for line in lines(role))


def file(role: Role) -> Path:
    """Return where a role's profile is."""
    return FOLDER / f"{role}.profile"


def main() -> None:
    """Write both profiles."""
    for role in Role:
        file(role).write_text(text(role), encoding="utf-8")


if __name__ == "__main__":
    main()
