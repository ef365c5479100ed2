"""Pictures that come by value: base64, a data URI, or a multipart form."""

from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, web
from pydantic import ValidationError

from pinhole.contract.detection import InferenceOptions
from pinhole.contract.errors import TooLarge, Unprocessable
from pinhole.runtime.http import CUT_OFF

_PICTURE_FIELDS: Final = frozenset(("image", "file"))
_MAX_FIELD_BYTES: Final = 4096
# Of a JSON body beside the picture: names, options, 1,024 class ids.
_JSON_OVERHEAD_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture's raw bytes and what is asked about it."""

    data: bytes
    options: InferenceOptions


def json_limit_bytes(max_upload_bytes: int) -> int:
    """Return how long a JSON body with a picture of the largest size in base64 may be."""
    return -(-max_upload_bytes // 3) * 4 + _JSON_OVERHEAD_BYTES


def bytes_of(text: str, limit_bytes: int) -> bytes:
    """Return the bytes that `text`, base64 or a base64 data URI (RFC 2397), stands for.

    A data URI's media type is not believed: the type comes from the bytes.

    Raises:
        Unprocessable: reason BAD_BASE64.
        TooLarge: more than `limit_bytes`.
    """
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise Unprocessable(
                f"a data URI should begin 'data:…;base64,', got {head[:40]!r}", reason="BAD_BASE64"
            )
    try:
        # Some encoders break lines; nothing else but the alphabet is taken.
        data = b64decode("".join(text.split()), validate=True)
    except (NotBase64, ValueError) as error:
        raise Unprocessable(f"image: {error}", reason="BAD_BASE64") from error
    if len(data) > limit_bytes:
        raise TooLarge(f"the picture has {len(data)} bytes, at most {limit_bytes} are read")
    return data


async def read_form(request: web.Request, limit_bytes: int) -> Upload:
    """Return the picture and the options of a multipart form; nothing beyond the limit is read.

    The picture is the part called `image` or `file`; its file name and type are not looked at.
    Options are text parts by their names; `classes` is a list like `0,2,5`.

    Raises:
        TooLarge: the picture, or another part, is longer than it may be.
        Unprocessable: there is no picture, more than one, or a wrong option.
    """
    data: bytes | None = None
    fields: dict[str, object] = {}
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise Unprocessable("every part of the form needs a name")
            if part.name not in _PICTURE_FIELDS:
                text = (await _read_part(part, _MAX_FIELD_BYTES)).decode()
                fields[part.name] = text.split(",") if part.name == "classes" else text
            elif data is None:
                data = await _read_part(part, limit_bytes)
            else:
                raise Unprocessable("the form has more than one picture")
    except (ValueError, *CUT_OFF) as error:
        raise Unprocessable(f"the form cannot be read: {error}") from error
    if data is None:
        raise Unprocessable("the form has no part called 'image'")
    return Upload(data, _options(fields))


async def _read_part(part: BodyPartReader, limit_bytes: int) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > limit_bytes:
            raise TooLarge(f"the part {part.name!r} exceeds the limit of {limit_bytes} bytes")
    return bytes(content)


def _options(fields: dict[str, object]) -> InferenceOptions:
    try:
        return InferenceOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(step) for step in first["loc"])
        raise Unprocessable(f"{path}: {first['msg']}") from error
