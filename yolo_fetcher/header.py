"""Which pictures reach the decoder: three formats, whole, without a flood of scans.

A picture's pixels are known from its header, so a bomb of 30,000 x 30,000 costs microseconds
(decoding one took 10.7 s and 2.7 GB).
"""

from typing import Final

from pinhole.contract.picture import (
    MediaType,
    NotAPicture,
    Picture,
    is_whole,
    jpeg_scans,
    media_type_of,
    read_picture,
)

_DECODED: Final = (MediaType.JPEG, MediaType.PNG, MediaType.WEBP)
_SHOWN_BYTES: Final = 16
# A progressive JPEG has about ten scans. Each costs a pass over all pixels, so 5 MB of scans keep
# a core busy for minutes (libjpeg-turbo, "Two issues with the JPEG standard").
_MAX_SCANS: Final = 100


def read_header(data: bytes) -> Picture:
    """Return what the header of a picture that may be decoded says; nothing is decoded.

    Raises:
        NotAPicture: see its reasons; NOT_AN_IMAGE also for a picture of another format.
    """
    if data and media_type_of(data) not in _DECODED:
        raise NotAPicture(
            f"the bytes begin with {data[:_SHOWN_BYTES]!r}; JPEG, PNG and WebP are decoded"
        )
    header = read_picture(data)
    if not is_whole(data):
        raise NotAPicture(
            f"the end of the {header.media_type} is missing after {len(data)} bytes",
            reason="TRUNCATED",
        )
    if header.media_type is MediaType.JPEG and (scans := jpeg_scans(data)) > _MAX_SCANS:
        raise NotAPicture(
            f"JPEG: {scans} scans, at most {_MAX_SCANS} are decoded", reason="MALFORMED"
        )
    return header
