"""Small versions of a picture: made on demand, kept in memory only, gone with the frame.

JPEG is decoded at a half, quarter or eighth of its size (the DCT does it): a 1080p thumbnail
takes 5 ms instead of 15. Nothing is written anywhere (invariant 6).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2
import numpy as np

from dashboard_gateway.caches import ByteCache, Flights
from dashboard_gateway.pictures import NotAnImage, Picture, picture_headers
from pinhole.contract.cid import Cid
from pinhole.contract.errors import Busy, TooLarge, Unprocessable
from pinhole.contract.picture import Data, NotAPicture, read_picture

WIDTHS_PX: Final = (160, 320, 480, 640, 960, 1280)
"""The widths that are made; a request is rounded up, so that few versions serve all screens."""

_QUALITY: Final = 82
_ENTRY_BYTES: Final = 2048
_REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def step_for(width: str) -> int | None:
    """Return the width that is made for `?width=`, or None where the original serves best.

    Raises:
        Unprocessable: it is no positive whole number.
    """
    if not (width.isascii() and width.isdecimal() and 0 < len(width) < 6) or int(width) == 0:  # noqa: PLR2004 - five digits
        raise Unprocessable(f"width is a whole number of pixels, got {width[:20]!r}")
    wanted_px = int(width)
    return next((step for step in WIDTHS_PX if step >= wanted_px), None)


class Thumbnails:
    """Makes thumbnails in `threads` threads; at most `waiting` may wait for one."""

    def __init__(
        self, *, limit_bytes: int, max_pixels: int, threads: int, waiting: int = 512
    ) -> None:
        self._max_pixels = max_pixels
        self._waiting = waiting
        self._pending = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="thumbnails")
        self._cache: ByteCache[tuple[bytes, int], Picture] = ByteCache(
            limit_bytes, lambda picture: len(picture.data) + _ENTRY_BYTES
        )
        self._flights: Flights[tuple[bytes, int], Picture] = Flights()

    def cached(self, cid: Cid, width_px: int) -> Picture | None:
        """Return the thumbnail where it is in memory."""
        return self._cache.get((cid.digest, width_px))

    async def get(self, cid: Cid, picture: Picture, width_px: int) -> Picture:
        """Return `picture` at `width_px` (one of `WIDTHS_PX`), or itself where it is no wider.

        Raises:
            TooLarge: more pixels than the limit; nothing was decoded.
            NotAnImage: the header is a picture's, the rest cannot be decoded.
            Busy: too many others wait.
        """
        key = (cid.digest, width_px)
        made = self._cache.get(key)
        if made is None:
            made = await self._flights.run(key, lambda: self._make(cid, picture, width_px))
        return made

    def drop(self, digest: bytes) -> None:
        """Forget every size of a picture that was released or erased."""
        for width_px in WIDTHS_PX:
            self._cache.drop((digest, width_px))
            self._flights.forget((digest, width_px))

    def clear(self) -> None:
        """Forget every thumbnail."""
        self._cache.clear()
        self._flights.clear()

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _make(self, cid: Cid, picture: Picture, width_px: int) -> Picture:
        if self._pending >= self._waiting:
            raise Busy(f"{self._pending} thumbnails are being made, which is the limit")
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            data = await loop.run_in_executor(
                self._executor, shrink, picture.data, picture.media_type, width_px, self._max_pixels
            )
        finally:
            self._pending -= 1
        etag = f'"{cid}.w{width_px}"'
        media_type = picture.media_type if data is picture.data else "image/jpeg"
        headers = picture_headers(media_type, etag, f"{cid}.w{width_px}")
        made = Picture(data, media_type, etag, headers)
        key = (cid.digest, width_px)
        if self._flights.flying(key):  # not dropped meanwhile
            self._cache.put(key, made)
        return made


def shrink(data: Data, media_type: str, width_px: int, max_pixels: int) -> Data:
    """Return a JPEG of the picture at `width_px`, or `data` itself where it is no wider.

    Raises:
        TooLarge, NotAnImage: see `Thumbnails.get`.
    """
    stated_px, flag = _stated_width(data, max_pixels), cv2.IMREAD_COLOR
    if stated_px <= width_px:
        return data
    flag = next((flag for factor, flag in _REDUCED if stated_px // factor >= width_px), flag)
    pixels = _decoded(data, flag, media_type)
    # EXIF may turn a picture: its decoded width can be less than the header's.
    to_px = min(width_px, pixels.shape[1])
    height_px = max(1, round(pixels.shape[0] * to_px / pixels.shape[1]))
    small = cv2.resize(pixels, (to_px, height_px), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise NotAnImage("the thumbnail cannot be encoded", reason="UNDECODABLE")
    return bytes(encoded)


def _stated_width(data: Data, max_pixels: int) -> int:
    # Only the header is read: a picture without its end is shown as far as it goes.
    try:
        stated = read_picture(data)
    except NotAPicture as error:
        raise NotAnImage(error.details, reason="UNDECODABLE") from error
    if stated.width_px * stated.height_px > max_pixels:
        raise TooLarge(
            f"the picture has {stated.width_px} x {stated.height_px} pixels,"
            f" the limit is {max_pixels}"
        )
    return stated.width_px


def _decoded(data: Data, flag: int, media_type: str) -> np.ndarray:
    try:
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise NotAnImage(f"OpenCV: {error}", reason="UNDECODABLE") from error
    if pixels is None:
        raise NotAnImage(f"this {media_type} cannot be decoded", reason="UNDECODABLE")
    return pixels
