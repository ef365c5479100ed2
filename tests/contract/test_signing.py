"""Standard Webhooks signatures."""

from datetime import UTC, datetime, timedelta

import pytest

from pinhole.contract.errors import ErrorBody
from pinhole.contract.signing import (
    BadSignature,
    ClockSkew,
    Ed25519Key,
    Ed25519Signer,
    HmacKey,
    Signer,
    verify,
)

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
BODY = b'{"hello": "hub"}'


def signed(signer: Signer, body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    return signer.headers(body, "msg_1", at)


def test_the_specifications_own_example_verifies() -> None:
    # Source: Standard Webhooks, "Example" of the symmetric scheme.
    key = HmacKey.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    assert verify(headers, b'{"test": 2432232314}', [key], at) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_cameras_signature_verifies_with_its_public_key_alone() -> None:
    signer = Ed25519Signer.generate()
    key = Ed25519Key.parse(str(signer.public))
    assert verify(signed(signer), BODY, [key], NOW) == "msg_1"


def test_a_key_survives_its_text_form() -> None:
    signer = Ed25519Signer.generate()
    again = Ed25519Signer.parse(signer.export())
    assert str(again.public) == str(signer.public)
    secret = HmacKey.generate()
    assert HmacKey.parse(str(secret)) == secret
    assert str(secret) not in repr(secret)


def test_either_of_two_keys_is_enough_while_one_replaces_the_other() -> None:
    old, new = HmacKey.generate(), HmacKey.generate()
    assert verify(signed(new), BODY, [old, new], NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1a," + "A" * 88},
        {"webhook-timestamp": "yesterday"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-id": "x" * 500},
    ],
)
def test_any_changed_header_is_refused(change: dict[str, str]) -> None:
    key = HmacKey.generate()
    with pytest.raises(BadSignature):
        verify({**signed(key), **change}, BODY, [key], NOW)


def test_a_changed_body_or_another_key_is_refused() -> None:
    key = Ed25519Signer.generate()
    with pytest.raises(BadSignature):
        verify(signed(key), BODY + b" ", [key.public], NOW)
    with pytest.raises(BadSignature):
        verify(signed(key), BODY, [Ed25519Signer.generate().public], NOW)
    with pytest.raises(BadSignature):
        verify(signed(key), BODY, [], NOW)


@pytest.mark.parametrize("skew", [timedelta(minutes=-6), timedelta(minutes=6), timedelta(days=365)])
def test_a_good_signature_at_a_wrong_time_says_so_and_tells_the_hubs_time(skew: timedelta) -> None:
    key = HmacKey.generate()
    with pytest.raises(ClockSkew) as refused:
        verify(signed(key, at=NOW + skew), BODY, [key], NOW)
    assert refused.value.hub_time == NOW
    assert ErrorBody.of(refused.value).error.hub_time == NOW


def test_a_stranger_does_not_learn_the_hubs_time() -> None:
    headers = signed(HmacKey.generate(), at=NOW - timedelta(days=1))
    with pytest.raises(BadSignature):
        verify(headers, BODY, [HmacKey.generate()], NOW)
