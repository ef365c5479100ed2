"""The bijection between a frame's CID and the SHA-256 of its bytes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID
from pydantic import BaseModel, ValidationError

from pinhole.contract.cid import Cid, Codec, InvalidCid

DIGESTS = st.binary(min_size=32, max_size=32)
HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"  # `ipfs block put` of "hello"


def test_a_frames_cid_is_what_kubo_calls_it() -> None:
    assert str(Cid.of(b"hello")) == HELLO


@given(DIGESTS)
def test_sha256_and_cid_convert_into_each_other_without_loss(digest: bytes) -> None:
    cid = Cid.from_sha256(digest)
    assert Cid.parse(str(cid)) == cid
    assert Cid.from_sha256(cid.sha256) == cid
    assert bytes.fromhex(cid.sha256) == digest


@given(DIGESTS, st.sampled_from(list(Codec)))
def test_our_text_is_the_reference_librarys_text(digest: bytes, codec: Codec) -> None:
    reference = CID("base32", 1, codec.value, ("sha2-256", digest))
    assert str(Cid(digest, codec)) == str(reference)


@given(DIGESTS, st.sampled_from(["base16", "base32upper", "base36", "base58btc", "base64url"]))
def test_a_cid_in_any_base_is_the_same_value(digest: bytes, base: str) -> None:
    spelled = str(CID(base, 1, "raw", ("sha2-256", digest)))
    assert Cid.parse(spelled) == Cid(digest)


@given(st.binary(max_size=200))
def test_only_the_named_bytes_match(data: bytes) -> None:
    cid = Cid.of(data)
    assert cid.matches(data)
    assert not cid.matches(data + b"\0")
    assert cid.sha256 == hashlib.sha256(data).hexdigest()


@given(st.text(max_size=80))
def test_no_text_makes_the_parser_fail_other_than_as_an_invalid_cid(text: str) -> None:
    try:
        cid = Cid.parse(text)
    except InvalidCid:
        return
    assert Cid.parse(str(cid)) == cid


@given(DIGESTS, st.integers(0, 57), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_changed_letter_is_another_cid_or_none(digest: bytes, at: int, letter: str) -> None:
    text = str(Cid(digest))
    changed = text[: at + 1] + letter + text[at + 2 :]
    try:
        cid = Cid.parse(changed)
    except InvalidCid:
        return
    assert (cid == Cid(digest)) == (changed == text)


def test_version_0_is_the_same_tree_as_its_version_1() -> None:
    version_0 = CID("base58btc", 0, "dag-pb", ("sha2-256", bytes(32)))
    assert Cid.parse(str(version_0)) == Cid(bytes(32), Codec.DAG_PB)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "CID_MALFORMED"),
        ("bafkrei", "CID_MALFORMED"),
        ("x" * 5000, "CID_MALFORMED"),
        ("../../etc/passwd", "CID_MALFORMED"),
        (HELLO[:-1], "CID_MALFORMED"),
        (str(CID("base32", 1, "dag-cbor", ("sha2-256", bytes(32)))), "CID_CODEC"),
        (str(CID("base32", 1, "raw", ("sha2-512", bytes(64)))), "CID_HASH"),
        (str(CID("base32", 1, "raw", ("identity", b"hello"))), "CID_HASH"),
    ],
)
def test_what_pinhole_does_not_hold_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidCid) as refused:
        Cid.parse(text)
    assert refused.value.reason == reason


def test_the_last_letter_has_one_spelling_only() -> None:
    # 58 letters carry 2 spare bits: "…q" and "…r" decode to the same 36 bytes in a lax decoder.
    with pytest.raises(InvalidCid, match="stray bits"):
        Cid.parse(HELLO[:-1] + "r")


def test_a_message_carries_a_cid_as_text() -> None:
    class Note(BaseModel):
        cid: Cid

    note = Note.model_validate_json(f'{{"cid": "{HELLO}"}}')
    assert note.cid == Cid.of(b"hello")
    assert note.model_dump_json() == f'{{"cid":"{HELLO}"}}'
    with pytest.raises(ValidationError, match="CID_MALFORMED"):
        Note(cid="nonsense")
