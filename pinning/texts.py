"""Texts from outside: what PostgreSQL can hold."""

from pinhole.contract.errors import Refused


def check_storable(what: str, *texts: str) -> None:
    """Check that PostgreSQL's text and jsonb can hold `texts`.

    Raises:
        Refused: one has a NUL, which they cannot hold, or half of a surrogate pair.
    """
    for text in texts:
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise Refused(f"{what} has a character that cannot be stored: {text[:40]!a}")
