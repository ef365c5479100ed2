"""The Pinning Service API 1.0.0: requests, filters, paging, errors."""

import io
import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from multiformats import CID
from yarl import URL

from pinhole.contract.cid import Cid, Codec
from pinhole.contract.errors import Refused
from pinhole.contract.owners import Owner
from pinhole.contract.pins import Status
from pinhole.contract.scopes import Scope
from pinhole.runtime.kubo import KuboRpc
from pinhole.runtime.postgres import Pool
from pinning.filters import Filter
from tests.pinning.conftest import SITE, Caller, Service, frame
from tests.support.polling import Eventually


@pytest.fixture
async def anna(service: Service) -> Caller:
    """A client that can also push, so that its pins are pinned at once."""
    return await service.caller("anna", Scope.PINS_READ, Scope.PINS_WRITE, Scope.BLOCKS_WRITE)


async def _pushed(caller: Caller) -> str:
    return str((await caller.push(frame(500)))["cid"])


async def _add(caller: Caller, cid: str, **pin: Any) -> dict[str, Any]:
    status, answer = await caller.call("POST", "/pins", json={"cid": cid, **pin})
    assert status == 202, answer
    assert isinstance(answer, dict)
    return answer


async def _list(caller: Caller, query: str = "") -> list[str]:
    status, answer = await caller.call("GET", f"/pins{query}")
    assert status == 200, answer
    return [result["requestid"] for result in answer["results"]]


async def test_a_pin_is_added_read_and_listed_in_the_specifications_words(anna: Caller) -> None:
    cid = await _pushed(anna)
    pin: dict[str, Any] = {"name": "holiday", "meta": {"app_id": "7"}, "origins": []}
    added = await _add(anna, cid, **pin)
    assert set(added) == {"requestid", "status", "created", "pin", "delegates", "info"}
    assert added["pin"] == {"cid": cid, **pin}
    assert added["status"] == "pinned"
    assert added["delegates"]
    assert all("/p2p/" in address for address in added["delegates"])
    assert datetime.fromisoformat(added["created"]).tzinfo is not None
    assert await anna.call("GET", f"/pins/{added['requestid']}") == (200, added)
    assert await anna.call("GET", "/pins") == (200, {"count": 1, "results": [added]})


async def test_the_same_cid_twice_is_two_requests(anna: Caller) -> None:
    cid = await _pushed(anna)
    one, two = await _add(anna, cid), await _add(anna, cid)
    assert one["requestid"] != two["requestid"]
    assert one["created"] < two["created"]
    assert await _list(anna) == [two["requestid"], one["requestid"]]


async def test_a_deleted_pin_is_not_found_and_the_other_of_its_cid_stays(
    anna: Caller, hub: KuboRpc, eventually: Eventually
) -> None:
    cid = await _pushed(anna)
    one, two = await _add(anna, cid), await _add(anna, cid)
    assert await anna.call("DELETE", f"/pins/{one['requestid']}") == (202, None)
    status, answer = await anna.call("GET", f"/pins/{one['requestid']}")
    assert (status, answer["error"]["reason"]) == (404, "NOT_FOUND")
    assert (await anna.call("DELETE", f"/pins/{one['requestid']}"))[0] == 404
    assert await _list(anna) == [two["requestid"]]
    assert await hub.is_pinned(Cid.parse(cid))

    await anna.call("DELETE", f"/pins/{two['requestid']}")

    async def is_gone() -> bool:
        return await hub.block_stat(Cid.parse(cid)) is None

    await eventually(is_gone)


async def test_a_replaced_pin_has_a_new_requestid_and_the_old_one_is_unknown(
    anna: Caller, hub: KuboRpc, eventually: Eventually
) -> None:
    before, after = await _pushed(anna), await _pushed(anna)
    old = await _add(anna, before, name="v1")
    status, new = await anna.call(
        "POST", f"/pins/{old['requestid']}", json={"cid": after, "name": "v2"}
    )
    assert status == 202
    assert new["requestid"] != old["requestid"]
    assert (new["status"], new["pin"]["cid"], new["pin"]["name"]) == ("pinned", after, "v2")
    assert (await anna.call("GET", f"/pins/{old['requestid']}"))[0] == 404
    assert await _list(anna) == [new["requestid"]]

    async def is_gone() -> bool:
        return await hub.block_stat(Cid.parse(before)) is None

    await eventually(is_gone)
    assert await hub.is_pinned(Cid.parse(after))


async def test_a_pin_replaced_by_the_same_cid_never_lets_its_block_go(
    anna: Caller, pool: Pool
) -> None:
    cid = await _pushed(anna)
    old = await _add(anna, cid)
    _, new = await anna.call("POST", f"/pins/{old['requestid']}", json={"cid": cid, "name": "n"})
    assert (new["status"], new["pin"]["name"]) == ("pinned", "n")
    assert await pool.fetchval("SELECT state FROM pinning.blocks") == "held"


async def test_a_pin_of_another_token_is_not_there(service: Service, anna: Caller) -> None:
    pin = await _add(anna, await _pushed(anna))
    bert = await service.client("bert")
    path = f"/pins/{pin['requestid']}"
    for method, arguments in {
        "GET": {},
        "DELETE": {},
        "POST": {"json": {"cid": pin["pin"]["cid"]}},
    }.items():
        status, answer = await bert.call(method, path, **arguments)
        assert (status, answer["error"]["reason"]) == (404, "NOT_FOUND"), method
    assert await bert.call("GET", "/pins") == (200, {"count": 0, "results": []})
    assert await _list(anna) == [pin["requestid"]]


async def test_paging_by_before_shows_every_pin_once(anna: Caller) -> None:
    cid = await _pushed(anna)
    added = [(await _add(anna, cid))["requestid"] for _ in range(25)]
    seen: list[str] = []
    query, counts = "", []
    while True:
        _, page = await anna.call("GET", f"/pins{query}")
        counts.append(page["count"])
        seen += [result["requestid"] for result in page["results"]]
        if page["count"] == len(page["results"]):  # as Kubo's client decides
            break
        query = f"?before={page['results'][-1]['created']}"
    assert seen == added[::-1]
    assert counts == [25, 15, 5]


async def test_filters_select_by_each_of_the_specifications_parameters(anna: Caller) -> None:
    first, second = await _pushed(anna), await _pushed(anna)
    a = await _add(anna, first, name="Harbour", meta={"camera_id": "gate-a", "kind": "frame"})
    b = await _add(anna, second, name="harbour-2", meta={"camera_id": "gate-b", "kind": "frame"})
    c = await _add(anna, second, name="market_50%")
    ids = {pin["requestid"]: letter for pin, letter in ((a, "a"), (b, "b"), (c, "c"))}

    async def found(query: str) -> str:
        return "".join(sorted(ids[requestid] for requestid in await _list(anna, query)))

    assert await found(f"?cid={first}") == "a"
    assert await found(f"?cid={first},{second}") == "abc"
    assert await found("?name=Harbour") == "a"
    assert await found("?name=harbour&match=iexact") == "a"
    assert await found("?name=arbour&match=partial") == "ab"
    assert await found("?name=HARBOUR&match=ipartial") == "ab"
    assert await found("?name=50%25&match=partial") == "c"
    assert await found(f"?before={b['created']}") == "a"
    assert await found(f"?after={b['created']}") == "c"
    assert await found('?meta={"camera_id":"gate-b"}') == "b"
    assert await found('?meta={"kind":"frame"}&limit=1') == "b"
    assert await found('?meta={"kind":"other"}') == ""
    assert await found("?status=queued,pinning,failed") == ""


async def test_a_cid_in_another_spelling_is_the_same_cid(anna: Caller) -> None:
    cid = Cid.parse(await _pushed(anna))
    spelled = CID("base58btc", 1, "raw", ("sha2-256", cid.digest)).encode()
    pin = await _add(anna, spelled)
    assert pin["pin"]["cid"] == str(cid)
    assert await _list(anna, f"?cid={spelled}") == [pin["requestid"]]


async def test_lists_without_a_status_show_pinned_only_unless_the_token_says_otherwise(
    service: Service,
) -> None:
    strict = await service.client("strict")
    lenient = await service.client("lenient", unfinished_in_lists=True)
    for caller, count in ((strict, 0), (lenient, 1)):
        await _add(caller, str(Cid.of(frame())))
        assert len(await _list(caller)) == count
        assert len(await _list(caller, "?status=queued,pinning,failed")) == 1


async def test_origins_outside_the_tokens_peers_and_networks_are_ignored_and_said_so(
    service: Service, camera_rpc: KuboRpc, camera_kubo: Any
) -> None:
    own = camera_kubo.addresses[0]
    client = await service.client(
        "edge", origin_peers=[camera_kubo.peer_id], origin_networks=["127.0.0.0/8"]
    )
    foreign = [
        "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWOther",
        f"/ip4/10.9.9.9/tcp/4001/p2p/{camera_kubo.peer_id}",
        f"/dns4/example.org/tcp/4001/p2p/{camera_kubo.peer_id}",
        "nonsense",
    ]
    pin = await _add(client, str(Cid.of(frame())), origins=[own, *foreign])
    assert pin["pin"]["origins"] == [own, *foreign]
    assert pin["info"]["origins_ignored"].startswith("4 of 5 origins")
    alone = await _add(client, str(Cid.of(frame())), origins=[own])
    assert "origins_ignored" not in alone["info"]


async def test_a_service_lists_the_pins_of_a_camera(
    dispatcher: Caller, gate_a: str, camera_rpc: KuboRpc
) -> None:
    (result,) = await dispatcher.pin(gate_a, [await camera_rpc.block_put(frame())])
    assert await _list(dispatcher) == []
    camera = dispatcher.acting_for(Owner.camera(SITE, gate_a))
    assert await _list(camera) == [result.requestid]


IDENTITY = "bafkqaaa"
SHA512 = CID("base32", 1, "raw", ("sha2-512", bytes(64))).encode()


MALFORMED = [
    ("{", 400, "BAD_REQUEST"),
    ("[]", 400, "BAD_REQUEST"),
    ("{}", 400, "BAD_REQUEST"),
    (json.dumps({"cid": 7}), 400, "BAD_REQUEST"),
    (json.dumps({"cid": "hello"}), 422, "CID_MALFORMED"),
    (json.dumps({"cid": IDENTITY}), 422, "CID_HASH"),
    (json.dumps({"cid": SHA512}), 422, "CID_HASH"),
    (json.dumps({"cid": str(Cid.of(b"")), "name": "x" * 256}), 400, "BAD_REQUEST"),
    (json.dumps({"cid": str(Cid.of(b"")), "name": "a\0b"}), 400, "BAD_REQUEST"),
    (json.dumps({"cid": str(Cid.of(b"")), "meta": {"k": "\ud800"}}), 400, "BAD_REQUEST"),
    (json.dumps({"cid": str(Cid.of(b"")), "meta": {"k": 1}}), 400, "BAD_REQUEST"),
    (json.dumps({"cid": str(Cid.of(b"")), "origins": ["x"] * 21}), 400, "BAD_REQUEST"),
    (
        json.dumps({"cid": str(Cid.of(b"")), "meta": {str(n): "" for n in range(1001)}}),
        400,
        "BAD_REQUEST",
    ),
    ('{"cid": "\xff"}', 422, "CID_MALFORMED"),
    ("x" * (2**20 + 1), 413, "TOO_LARGE"),
]


async def test_a_malformed_pin_is_refused_in_the_specifications_form(
    anna: Caller, pool: Pool
) -> None:
    for body, status, reason in MALFORMED:
        found, answer = await anna.call("POST", "/pins", data=io.BytesIO(body.encode()))
        assert found == status, answer
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"reason", "details"}
        assert answer["error"]["reason"] == reason, body[:100]
    assert await pool.fetchval("SELECT count(*) FROM pinning.pins") == 0


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=ten", "limit=1e3", "limit=-1", "limit=²"),
        *("status=done", "match=regex", "before=yesterday", "before=2026-01-31T12:00:00"),
        *("after=9999-12-31T23:59:59-23:00", "after=0001-01-01T00:00:00%2B23:00"),
        *("meta=[]", "meta={", 'meta={"a":1}', "meta=%22%5Cud800%22", "name=" + "x" * 256),
        *("name=%00", 'meta={"a":"%5Cu0000"}', "meta=" + "[" * 5000),
        f"cid={','.join([str(Cid.of(b''))] * 11)}",
        *("before=2026-01-31", "before=20260131T120000Z", "before=2026-W05-6T12:00:00Z"),
        *("after=1769860800", "after=now", "after=", "before=2026-02-30T12:00:00Z"),
        *("limit=", "limit=1001", "limit=99999999999999999999", "limit=%2B1", "match="),
        "meta=" + json.dumps({str(n): "" for n in range(51)}),
        "meta=" + json.dumps({str(n): "" for n in range(1001)}),
    ],
)
def test_a_malformed_filter_is_refused(query: str) -> None:
    parsed = URL(f"http://x/pins?{query}").query
    with pytest.raises(Refused) as refused:
        Filter.of(parsed, default_statuses=[Status.PINNED])
    assert (refused.value.status, refused.value.reason) == (400, "BAD_REQUEST")


async def test_a_malformed_filter_is_answered_in_the_specifications_form(anna: Caller) -> None:
    status, answer = await anna.call("GET", "/pins?limit=0")
    assert status == 400
    assert answer == {
        "error": {"reason": "BAD_REQUEST", "details": "limit is a number from 1 to 1000; got '0'"}
    }


async def test_a_filter_by_a_cid_that_nobody_can_hold_is_refused(anna: Caller) -> None:
    for cid, reason in ((IDENTITY, "CID_HASH"), (SHA512, "CID_HASH"), ("hello", "CID_MALFORMED")):
        status, answer = await anna.call("GET", f"/pins?cid={cid}")
        assert (status, answer["error"]["reason"]) == (422, reason)
        assert set(answer["error"]) == {"reason", "details"}


async def test_routes_of_many_pins_answer_their_own_methods_only(anna: Caller) -> None:
    for method, path in (("GET", "/pins/batch"), ("POST", "/pins/meta"), ("DELETE", "/pins/meta")):
        status, answer = await anna.call(method, path)
        assert (status, answer["error"]["reason"]) == (405, "METHOD_NOT_ALLOWED")


async def test_a_requestid_that_is_none_is_not_found(anna: Caller) -> None:
    for requestid in ("x", "..%2F..", str(uuid4()), "a" * 300, "%00"):
        for method in ("GET", "DELETE"):
            status, answer = await anna.call(method, f"/pins/{requestid}")
            assert (status, answer["error"]["reason"]) == (404, "NOT_FOUND"), requestid


async def test_each_route_asks_for_its_scope(service: Service) -> None:
    reader = await service.caller("reader", Scope.PINS_READ)
    writer = await service.caller("writer", Scope.PINS_WRITE)
    body = {"cid": str(Cid.of(b""))}
    some = f"/pins/{uuid4()}"
    for caller, method, path in (
        (reader, "POST", "/pins"),
        (reader, "POST", some),
        (reader, "DELETE", some),
        (reader, "POST", "/pins/batch"),
        (writer, "GET", "/pins"),
        (writer, "GET", some),
        (writer, "GET", f"/api/v1/origins/{SITE}/gate-a"),
        (writer, "PUT", f"/api/v1/origins/{SITE}/gate-a"),
        (writer, "DELETE", f"/api/v1/origins/{SITE}/gate-a"),
    ):
        arguments = {"json": body} if method in ("POST", "PUT") else {}
        status, answer = await caller.call(method, path, **arguments)
        assert (status, answer["error"]["reason"]) == (403, "FORBIDDEN"), (method, path)
        nobody = Caller(service.session, service.base, {"Authorization": "Bearer pnh_guess"})
        status, answer = await nobody.call(method, path, **arguments)
        assert (status, answer["error"]["reason"]) == (401, "UNAUTHORIZED"), (method, path)


async def test_a_tree_whose_blocks_nobody_has_is_given_up_with_a_reason(
    service: Service, eventually: Eventually
) -> None:
    client = await service.client("client")
    pin = await _add(client, str(Cid(Cid.of(frame()).digest, Codec.DAG_PB)))
    assert pin["status"] == "queued"

    async def failed() -> Any:
        _, found = await client.call("GET", f"/pins/{pin['requestid']}")
        return found if found["status"] == "failed" else None

    found = await eventually(failed, timeout_s=20)
    assert found["info"]["reason"] == "NOT_AT_ORIGIN"
