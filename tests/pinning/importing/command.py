"""Run one of the import's commands as `pinhole` does: `command.py import TREE …`."""

import argparse
import sys

from pinhole.contract.errors import PinholeError
from pinning.importing.commands import register

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="pinhole")
    register(parser.add_subparsers(required=True))
    arguments = parser.parse_args()
    try:
        sys.exit(arguments.run(arguments))
    except PinholeError as error:
        sys.exit(f"pinhole: {error.details}")
    except KeyboardInterrupt:
        sys.exit(130)
