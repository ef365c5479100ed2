"""The dashboard's own commands about cameras."""

import json

from dashboard_gateway import cameras, queue
from pinhole.contract.signing import Ed25519Signer, HmacKey
from pinhole.runtime.postgres import Pool
from tests.dashboard_gateway.receiving.processes import command
from tests.dashboard_gateway.receiving.sending import Sender, rows


async def test_cameras_are_added_listed_and_revoked(pool: Pool, postgres_dsn: str) -> None:
    key = Ed25519Signer.generate().public
    words = ("cameras", "add", "city", "gate", "--public-key", str(key))
    origin = ("--gateway-url", "http://10.8.0.2:8080", "--address", "/ip4/10.8.0.2/tcp/4001")
    status, output, complaint = await command(*words, *origin, "--json", postgres_dsn=postgres_dsn)
    assert (status, complaint) == (0, "")
    camera = await cameras.find(pool, "city", "gate")
    assert camera is not None
    assert json.loads(output) == {"camera_id": camera.camera_id, "site": "city", "name": "gate"}
    assert [str(key_) for key_ in camera.keys] == [str(key)]
    assert camera.origin.gateway_url == "http://10.8.0.2:8080"
    status, output, _ = await command(
        "cameras", "revoke", "city", "gate", postgres_dsn=postgres_dsn
    )
    assert (status, output) == (0, "city/gate is refused from now on\n")
    status, output, _ = await command("cameras", "ls", "--json", postgres_dsn=postgres_dsn)
    (listed,) = json.loads(output)
    assert (listed["name"], listed["revoked_at"] is None) == ("gate", False)


async def test_shared_secret_is_shown_once_and_works(pool: Pool, postgres_dsn: str) -> None:
    words = ("cameras", "add", "city", "n8n", "--hmac", "--json")
    status, output, _ = await command(*words, postgres_dsn=postgres_dsn)
    assert status == 0
    secret = HmacKey.parse(json.loads(output)["hmac_secret"])
    camera = await cameras.find(pool, "city", "n8n")
    assert camera is not None
    assert camera.keys == (secret,)


async def test_mistakes_are_one_sentence(postgres_dsn: str) -> None:
    for words, said in (
        (("cameras", "add", "city", "gate"), "needs a public key"),
        (("cameras", "add", "City", "gate", "--hmac"), "is no name"),
        (("cameras", "add", "city", "gate", "--public-key", "whpk_x"), "is no public key"),
        (("cameras", "revoke", "city", "nobody"), "there is no camera"),
    ):
        status, output, complaint = await command(*words, postgres_dsn=postgres_dsn)
        assert (status, output) == (1, "")
        assert said in complaint
        assert len(complaint.strip().splitlines()) == 1


async def test_missing_settings_are_named() -> None:
    status, _, complaint = await command("cameras", "ls")
    assert (status, "DASHBOARD_POSTGRES_DSN" in complaint) == (1, True)


async def test_frames_that_were_given_up_are_tried_again(
    pool: Pool, postgres_dsn: str, camera: Sender
) -> None:
    await camera.send(*(camera.frame() for _ in range(3)))
    await pool.execute(GIVE_UP)
    await pool.execute("DELETE FROM dashboard.pgqueuer")
    for what, seq in (("failed", 1), ("missing", 2)):
        status, output, _ = await command("frames", "retry", what, postgres_dsn=postgres_dsn)
        assert (status, output) == (0, "1 frames are tried again\n")
        (job,) = await rows(pool, "DELETE FROM dashboard.pgqueuer RETURNING payload")
        (frame_id,) = queue.ids_of(bytes(job["payload"]))
        (row,) = await rows(pool, "SELECT * FROM dashboard.frames WHERE frame_id = $1", frame_id)
        assert (row["seq"], row["pin_attempts"], row["analysis_attempts"]) == (
            *(seq, 12 if what == "failed" else 0),
            0 if what == "failed" else 6,
        )
        assert row["analysis_state"] == "waiting"


GIVE_UP = """
    UPDATE dashboard.frames SET pin_attempts = 12, analysis_attempts = 6,
        bytes_state = (ARRAY['pinned', 'missing', 'pinned'])[seq]::dashboard.bytes_state,
        analysis_state = (ARRAY['failed', 'waiting', 'detected'])[seq]::dashboard.analysis_state
"""
