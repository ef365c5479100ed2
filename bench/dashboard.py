"""`python -m bench.dashboard receiving|showing`: the dashboard with some of its parts only.

A rate of receiving or showing is not to depend on what the dispatcher does on the same cores.
"""

import sys

from dashboard_gateway.app import RECEIVING, SHOWING, make_app
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.service import run

PARTS = {"receiving": RECEIVING, "showing": SHOWING}

if __name__ == "__main__":
    chosen = PARTS[sys.argv[1]]
    run(lambda settings: make_app(settings, chosen), DashboardSettings.load())
