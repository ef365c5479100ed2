import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_gateway.media import picture_type
from dashboard_gateway.picture_size import picture_size
from tests.dashboard_gateway.showing.conftest import picture_of

ENDINGS = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".avif": "image/avif",
}
NO_PICTURES = {
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "svg behind a byte order mark": b'\xef\xbb\xbf<svg xmlns="http://www.w3.org/2000/svg"/>',
    "xml": b'<?xml version="1.0"?><svg/>',
    "pdf": b"%PDF-1.7",
    "text that begins as BMP does": b"BM" + b"<html><script>alert(1)</script></html>",
    "video with an ftyp box": b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
    "a RIFF that is no WebP": b"RIFF\x24\0\0\0WAVEfmt ",
    "nothing": b"",
    "one byte": b"\xff",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_type_and_size_are_read_from_the_bytes(ending: str) -> None:
    data = picture_of(321, 123, ending=ending)
    assert picture_type(data) == ENDINGS[ending]
    assert picture_size(data, ENDINGS[ending]) == (321, 123)


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_has_no_type(name: str) -> None:
    assert picture_type(NO_PICTURES[name]) is None


@given(st.binary(max_size=200), st.sampled_from(sorted(ENDINGS)))
def test_a_damaged_picture_has_some_size_or_none_and_never_raises(rest: bytes, ending: str) -> None:
    whole = picture_of(64, 48, ending=ending)
    for data in (whole[:20] + rest, rest, whole[: len(rest)]):
        size = picture_size(data, ENDINGS[ending])
        assert size is None or len(size) == 2
        assert picture_type(data) in {None, *ENDINGS.values()}


def test_a_bomb_is_known_by_its_header_alone() -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    assert picture_size(header, "image/png") == (30_000, 30_000)
