"""Pictures for tests: small, different, and as large as asked for."""

import cv2
import numpy as np

from camera_uploader.frame import Pixels


def pixels(seed: int = 0, width_px: int = 64, height_px: int = 48) -> Pixels:
    """Return smooth coloured noise of this size, the same for the same seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    enlarged = cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    return enlarged.astype(np.uint8)


def jpeg(seed: int = 0, width_px: int = 64, height_px: int = 48) -> bytes:
    """Return a JPEG of `pixels`."""
    return encoded(".jpg", pixels(seed, width_px, height_px))


def encoded(suffix: str, picture: Pixels) -> bytes:
    """Return a picture encoded as its suffix says."""
    done, data = cv2.imencode(suffix, picture)
    assert done
    return bytes(data)


def static(width_px: int, height_px: int, seed: int = 0) -> Pixels:
    """Return a picture that cannot be compressed: about 2 bytes a pixel as a JPEG."""
    shape = (height_px, width_px, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
