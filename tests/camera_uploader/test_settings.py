"""What the environment may say, and what it may not make us say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_uploader.settings import CameraSettings
from camera_uploader.sources.spec import Kind, SourceSpec
from pinhole.runtime.settings import BadSettings

_PASSWORD = "s3cret&pass"
_WITH_PASSWORD = f"rtsp://admin:{_PASSWORD}@10.0.0.7:554/ch1?password={_PASSWORD}"


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("synthetic:street", Kind.SYNTHETIC, "street"),
        ("synthetic:gate?seed=7", Kind.SYNTHETIC, "gate"),
        ("dir:/var/spool/ftp", Kind.DIRECTORY, "/var/spool/ftp"),
        ("dir:with:colon", Kind.DIRECTORY, "with:colon"),
        ("file:clip.mp4", Kind.FILE, "clip.mp4"),
        ("RTSP://10.0.0.7/ch1", Kind.RTSP, "rtsp://10.0.0.7/ch1"),
        ("rtsps://cam/ch1", Kind.RTSPS, "rtsps://cam/ch1"),
        ("usb:0", Kind.USB, "0"),
    ],
)
def test_each_kind_of_source_is_read(text: str, kind: Kind, address: str) -> None:
    spec = SourceSpec.parse(text)

    assert (spec.kind, spec.address) == (kind, address)


@pytest.mark.parametrize(
    "text",
    [
        *("", "street", "ftp://x", "dir:", "usb:front", "usb:-1", "usb:٣"),
        *("synthetic:beach", "synthetic:street?seed=x", "synthetic:street?speed=1"),
        *("rtsp:cam", "rtsp://", "rtsp://cam:port/x"),
    ],
)
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"source|scenes|address"):
        SourceSpec.parse(text)


def test_a_sources_password_is_in_no_text_that_it_gives() -> None:
    spec = SourceSpec.parse(_WITH_PASSWORD)

    assert spec.address == _WITH_PASSWORD
    for said in (str(spec), repr(spec)):
        assert _PASSWORD not in said
        assert "admin" not in said
    assert str(spec) == "rtsp://10.0.0.7:554/ch1?…"


@given(st.text())
def test_a_refusal_never_repeats_what_it_refused(text: str) -> None:
    try:
        SourceSpec.parse(f"rtsp://u:{_PASSWORD}@:{text}")
    except ValueError as error:
        assert _PASSWORD not in str(error)  # noqa: PT017 - both outcomes are right


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SITE": "home",
        "NAME": "door",
        "SOURCE": _WITH_PASSWORD,
        "FPS": "0.5",
        "HUB_ADDRESSES": "/ip4/10.0.0.1/tcp/4001/p2p/a, /ip4/10.0.0.2/tcp/4001/p2p/b",
        "SPOOL_DIR": "/var/lib/camera",
    }.items():
        monkeypatch.setenv(f"CAMERA_{name}", value)

    settings = CameraSettings.from_environment()

    assert settings.event_source == "/sites/home/cameras/door"
    assert settings.fps == 0.5
    assert len(settings.hub_addresses) == 2
    assert settings.signing_key_file == Path("/var/lib/camera/camera.key")
    assert _PASSWORD not in repr(settings)


def test_a_source_with_a_password_may_come_from_a_secrets_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "camera_source").write_text(_WITH_PASSWORD + "\n")
    (tmp_path / "camera_kubo_rpc_token").write_text("t0ken\n")

    settings = CameraSettings.load(site="home", name="door", _secrets_dir=tmp_path)

    assert settings.source.address == _WITH_PASSWORD
    assert settings.kubo_rpc_token is not None
    assert settings.kubo_rpc_token.get_secret_value() == "t0ken"
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("fps", 0), ("fps", -1), ("jpeg_quality", 101), ("batch_events", 501)),
        *(("hub_url", "hub:8080"), ("hub_url", "http://u:p@hub"), ("kubo_rpc_url", "/ip4/1")),
        *(("site", "Home"), ("name", "../etc"), ("source", "beach:1")),
    ],
)
def test_a_wrong_setting_is_named_by_its_variable(name: str, value: object) -> None:
    good = {"site": "home", "name": "door", "source": "usb:0"}

    with pytest.raises(BadSettings, match=f"CAMERA_{name.upper()}"):
        CameraSettings.load(**{**good, name: value})


def test_every_setting_is_described() -> None:
    undescribed = [n for n, f in CameraSettings.model_fields.items() if not f.description]

    assert undescribed == []
