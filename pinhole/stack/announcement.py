"""What a person is told once everything runs: the page, how to log in, how to stop."""

from pathlib import Path

from pinhole.stack import secret_files
from pinhole.stack.layout import Layout

FIRST_ADMINISTRATOR = "admin"
# Kept in the one-time password's place once nobody needs that any more.
CHANGED = ""


def password_file(layout: Layout) -> Path:
    """Return where the first administrator's one-time password is kept until it is changed."""
    return layout.secrets_dir("pinhole") / "one_time_password"


def announcement(layout: Layout, page_url: str) -> tuple[str, ...]:
    """Return the lines to print. They hold a secret: they go to the person, not into a log."""
    page = f"Pinhole is up: {page_url}"
    ending = "Ctrl-C, or `pinhole down`, stops everything"
    password = secret_files.read(password_file(layout))
    if not password:
        return (page, ending)
    return (page, f"log in as {FIRST_ADMINISTRATOR} with the one-time password {password}", ending)
