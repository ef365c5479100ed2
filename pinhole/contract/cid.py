"""The content identifier: one value, two spellings (`bafkrei…` and the old `image_hash`).

A frame is one raw block, so its CID is nothing but its SHA-256 with a fixed prefix:
`cid = base32(01 55 12 20 || sha256(bytes))`. The conversion asks nobody and loses nothing.

Source: the CID specification of multiformats; docs/glossary.md.
"""

import hashlib
from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from multiformats import CID
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from pinhole.contract.errors import Unprocessable

MAX_BLOCK_BYTES: Final = 2_096_896
"""The largest block Kubo exchanges, hence the largest frame (kubo.md; boxo's 2 MiB limit)."""

DIGEST_BYTES: Final = 32
_RAW_PREFIX: Final = bytes((0x01, 0x55, 0x12, 0x20))
_DAG_PB_PREFIX: Final = bytes((0x01, 0x70, 0x12, 0x20))
_RAW_TEXT_PREFIX: Final = "bafkrei"
_TEXT_LENGTH: Final = 59
# From the alphabet of RFC 4648 to that of `int`; what is in neither becomes no digit at all.
_BASE32_TO_INT: Final = str.maketrans(
    "abcdefghijklmnopqrstuvwxyz2345670189", "0123456789abcdefghijklmnopqrstuv!!!!"
)
_MAX_TEXT_LENGTH: Final = 256  # far above any sha2-256 CID in any base; bounds the parser's work


class InvalidCid(Unprocessable):
    """The text is no CID that Pinhole accepts: malformed, other codec, or other hash."""

    reason = "CID_MALFORMED"


class Codec(StrEnum):
    """How the block's bytes are read: a frame is `raw`, an upload's tree is `dag-pb`."""

    RAW = "raw"
    DAG_PB = "dag-pb"


CID_SCHEMA: Final = {
    "type": "string",
    "format": "cid",
    # The spelling that we write. 58 characters of base32 hold 290 bits: the prefix, the digest, and
    # two that are zero. Other bases and versions are read too.
    "pattern": "^baf(kr|yb)ei[a-h][a-z2-7]{50}[aeimquy4]$",
}
_CODECS: Final = {_RAW_PREFIX: Codec.RAW, _DAG_PB_PREFIX: Codec.DAG_PB}


@dataclass(frozen=True)
class Cid:
    """A CIDv1 with a SHA-256 multihash. Equal when codec and digest are equal.

    Two strings in different bases or CID versions are the same `Cid`: compare values, never text.
    """

    digest: bytes
    codec: Codec = Codec.RAW

    def __post_init__(self) -> None:
        if len(self.digest) != DIGEST_BYTES:
            raise InvalidCid(f"a SHA-256 digest has 32 bytes, got {len(self.digest)}")

    @classmethod
    def of(cls, data: bytes | memoryview) -> "Cid":
        """Return the CID under which `data` is stored as one raw block."""
        return cls(hashlib.sha256(data).digest())

    @classmethod
    def from_sha256(cls, sha256: str | bytes) -> "Cid":
        """Return the raw CID for a SHA-256, as 32 bytes or 64 hexadecimal digits.

        Raises:
            InvalidCid: `sha256` is neither.
        """
        if isinstance(sha256, bytes):
            return cls(sha256)
        try:
            return cls(bytes.fromhex(sha256))
        except ValueError:
            raise InvalidCid(f"a SHA-256 has 64 hexadecimal digits, got {sha256[:80]!r}") from None

    @classmethod
    def parse(cls, text: str) -> "Cid":
        """Return the CID that `text` spells, in any base, as CIDv1 or CIDv0.

        Raises:
            InvalidCid: reason CID_MALFORMED, CID_CODEC or CID_HASH.
        """
        # The canonical spelling of a frame needs no library: 2 µs instead of 217 µs.
        if len(text) == _TEXT_LENGTH and text.startswith(_RAW_TEXT_PREFIX) and text.islower():
            return cls._parse_canonical(text)
        if not text or len(text) > _MAX_TEXT_LENGTH:
            raise InvalidCid(f"a CID has 1 to {_MAX_TEXT_LENGTH} characters, got {len(text)}")
        return cls._parse_any(text)

    @classmethod
    def _parse_canonical(cls, text: str) -> "Cid":
        # `int` reads base 32 in other digits, ten times faster than base64's Python does.
        digits = text[1:].translate(_BASE32_TO_INT)
        if not digits.isascii() or not digits.isalnum():
            raise InvalidCid(f"{text!r} is not base32")
        # 58 base32 characters hold 2 bits more than 36 bytes: only zeros there are canonical.
        raw, stray = divmod(int(digits, 32), 4)
        if stray:
            raise InvalidCid(f"{text!r} has stray bits at its end")
        return cls.from_binary(raw.to_bytes(len(_RAW_PREFIX) + DIGEST_BYTES, "big"))

    @classmethod
    def _parse_any(cls, text: str) -> "Cid":
        try:
            decoded = CID.decode(text)
            codec_name, hash_name = decoded.codec.name, decoded.hashfun.name
            digest = bytes(decoded.raw_digest)
        except Exception as error:
            # The text is a stranger's, and multiformats promises no error: 60,000 damaged CIDs gave
            # eleven, of five modules, IndexError and ImportError among them.
            raise InvalidCid(f"{text[:80]!r} is not a CID: {error}") from error
        if hash_name != "sha2-256" or len(digest) != DIGEST_BYTES:
            raise InvalidCid(
                f"the CID's hash is {hash_name}; only sha2-256 is accepted", reason="CID_HASH"
            )
        if codec_name not in (Codec.RAW, Codec.DAG_PB):
            raise InvalidCid(
                f"the CID's codec is {codec_name}; only raw and dag-pb are accepted",
                reason="CID_CODEC",
            )
        return cls(digest, Codec(codec_name))

    @classmethod
    def from_binary(cls, binary: bytes) -> "Cid":
        """Return the CID with this binary form (36 bytes): the inverse of `binary`.

        Raises:
            InvalidCid: CIDv0, another codec, another hash, or another length.
        """
        codec = _CODECS.get(binary[: len(_RAW_PREFIX)])
        if codec is None:
            raise InvalidCid(f"{binary[:8].hex()} begins no CIDv1 of raw or dag-pb with sha2-256")
        return cls(binary[len(_RAW_PREFIX) :], codec)

    @property
    def binary(self) -> bytes:
        """The binary CIDv1, 36 bytes: how tables and dag-pb links spell it."""
        return (_RAW_PREFIX if self.codec is Codec.RAW else _DAG_PB_PREFIX) + self.digest

    @property
    def sha256(self) -> str:
        """The digest as 64 lower-case hexadecimal digits: `sha256sum` of a frame's bytes."""
        return self.digest.hex()

    @property
    def is_frame(self) -> bool:
        """Whether this is one raw block, as every frame is."""
        return self.codec is Codec.RAW

    def matches(self, data: bytes | memoryview) -> bool:
        """Whether `data` are the bytes of this block."""
        return hashlib.sha256(data).digest() == self.digest

    @cached_property
    def _text(self) -> str:
        return "b" + b32encode(self.binary).decode().lower().rstrip("=")

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Cid({self._text})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Read text (or a Cid), write the canonical text."""
        del source, handler
        return core_schema.no_info_plain_validator_function(
            _parse_for_pydantic, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the wire form."""
        del schema, handler
        return {**CID_SCHEMA, "examples": [str(cls.of(b""))]}


def _parse_for_pydantic(value: object) -> Cid:
    if isinstance(value, Cid):
        return value
    if not isinstance(value, str):
        raise ValueError(f"CID_MALFORMED: a CID is text, got {type(value).__name__}")  # noqa: TRY004 - pydantic's
    try:
        return Cid.parse(value)
    except InvalidCid as error:
        raise ValueError(f"{error.reason}: {error.details}") from error
