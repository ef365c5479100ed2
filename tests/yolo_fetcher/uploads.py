"""Pictures on their way into the detector, as forms and as text."""

from io import BytesIO

import aiohttp

ROUTE = "/api/v1/inference"
ANYTHING = 0.001
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=b"}


def form(**fields: str | bytes) -> aiohttp.FormData:
    """Return a multipart form; bytes become files."""
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        if isinstance(value, bytes):
            made.add_field(name, BytesIO(value), filename="picture.jpg", content_type="image/jpeg")
        else:
            made.add_field(name, value)
    return made


def as_lines(text: str) -> list[str]:
    """Return base64 in lines of 76 characters, as in a mail."""
    return [text[at : at + 76] for at in range(0, len(text), 76)]
