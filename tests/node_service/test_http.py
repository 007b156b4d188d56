"""Every route of a running node, once as it should be and beside it as it should not."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.client.sources import open_source
from tallystick.client.verifier import verify
from tallystick.ledger.transactions import decode_envelope
from tallystick.log.checkpoint import verify_checkpoint
from tallystick.log.note import Algorithm, SigningKey, parse_note
from tests.ledger.world import transfer
from tests.node.economy import LOG_KEY, Desk
from tests.node_service.process import NodeProcess, desk_for, node
from tests.node_service.running import EUR

pytestmark = pytest.mark.long

WITNESS = SigningKey(name="witness.example", algorithm=Algorithm.COSIGNATURE_V1, seed=bytes(range(32)))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    path = tmp_path_factory.mktemp("http") / "a.tally"
    desk = desk_for(path)
    desk.path = path  # type: ignore[attr-defined]
    return desk


@pytest.fixture(scope="module")
def running(desk: Desk) -> Iterator[NodeProcess]:
    with node(desk.path, witnesses=WITNESS.verifier.vkey, checkpoint_seconds=0.1) as running:  # type: ignore[attr-defined]
        yield running


@pytest.fixture(scope="module")
def client(running: NodeProcess) -> Iterator[httpx.Client]:
    with running.client() as client:
        yield client


def pay(client: httpx.Client, desk: Desk, units: int = 1) -> dict[str, Any]:
    answer = client.post(
        "/v1/transactions", content=desk.envelope("alice", transfer("alice", (EUR, "bob", units)))
    )
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def checkpointed(client: httpx.Client, index: int) -> None:
    """Wait until a checkpoint covers an entry."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        note = client.get("/log/checkpoint").content
        if verify_checkpoint(note, log_key=LOG_KEY.verifier).tree_size > index:
            return
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint covers entry {index}")


def test_a_payment_is_answered_with_its_receipt_and_a_retry_with_the_same(
    client: httpx.Client, desk: Desk
) -> None:
    envelope = desk.envelope("alice", transfer("alice", (EUR, "bob", 3)))
    first = client.post("/v1/transactions", content=envelope)
    again = client.post("/v1/transactions", content=envelope)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert "tallystick-repeated" not in first.headers
    assert again.headers["tallystick-repeated"] == "true"
    receipt = first.json()
    assert [posting[:3] for posting in receipt["postings"]] == [["alice", EUR, "-3"], ["bob", EUR, "3"]]
    found = client.get(f"/v1/receipts/{receipt['id']}", params={"sender": "alice"})
    assert found.content == first.content
    assert client.get(f"/v1/receipts/{receipt['id']}", params={"sender": "bob"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda envelope: envelope[:-1], 400, "malformed"),
        (lambda envelope: b"", 400, "malformed"),
        (lambda envelope: envelope.replace(b'":"', b'": "', 1), 400, "not_canonical"),
        (
            lambda envelope: (
                envelope[:-8] + (b"AAA=" if envelope[-8:-4] != b"AAA=" else b"BBB=") + envelope[-4:]
            ),
            403,
            "signature_invalid",
        ),
    ],
)
def test_a_bad_envelope_is_refused_in_the_one_shape(
    client: httpx.Client, desk: Desk, change: Any, status: int, code: str
) -> None:
    envelope = desk.envelope("alice", transfer("alice", (EUR, "bob", 1)))
    answer = client.post("/v1/transactions", content=change(envelope))
    problem = answer.json()
    assert (answer.status_code, problem["error"]) == (status, code)
    assert sorted(problem) == ["error", "facts", "message"]


def test_a_batch_answers_each_in_its_place(client: httpx.Client, desk: Desk) -> None:
    envelopes = [desk.envelope("alice", transfer("alice", (EUR, "bob", units))) for units in (1, 10**9, 2)]
    answer = client.post("/v1/transactions/batch", content=b"[" + b",".join(envelopes) + b"]")
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert first["receipt"]["index"] + 1 == third["receipt"]["index"]
    assert second["error"] == "insufficient_balance"
    for body in (b"[]", b"{}", b"[1,", b"[" + b",".join([b"{}"] * 1001) + b"]"):
        assert client.post("/v1/transactions/batch", content=body).status_code == 400


def test_a_preview_says_what_would_happen_and_changes_nothing(client: httpx.Client, desk: Desk) -> None:
    payload = decode_envelope(desk.envelope("alice", transfer("alice", (EUR, "bob", 5)))).payload
    before = client.get(f"/v1/accounts/alice/balances/{EUR}").json()
    answer = client.post("/v1/preview", content=payload)
    assert answer.status_code == 200
    assert answer.json()["postings"][0][:3] == ["alice", EUR, "-5"]
    assert client.get(f"/v1/accounts/alice/balances/{EUR}").json()["units"] == before["units"]
    too_much = decode_envelope(desk.envelope("alice", transfer("alice", (EUR, "bob", 10**9)))).payload
    assert client.post("/v1/preview", content=too_much).status_code == 422


@pytest.mark.parametrize("query", ["", f"asset={EUR}", f"limit=2&asset={EUR}", "limit=1000", "limit=1"])
def test_a_history_read_on_the_short_way_is_the_one_on_the_long_way(client: httpx.Client, query: str) -> None:
    short = client.get(f"/v1/accounts/alice/history?{query}")
    # An argument that only the framework knows, and that changes nothing.
    long = client.get(f"/v1/accounts/alice/history?{query}{'&' if query else ''}order=oldest")
    assert short.status_code == long.status_code == 200
    assert short.json() == long.json()
    assert short.json()["items"]


def test_whoever_has_a_receipt_finds_it_in_a_history_that_others_ask_for_all_the_time(
    client: httpx.Client, running: NodeProcess, desk: Desk
) -> None:
    paths = [f"/v1/accounts/{name}/history?limit=1000&asset={EUR}" for name in ("alice", "bob")]
    done = threading.Event()
    answers: list[int] = []

    def ask_on_and_on() -> None:
        with running.client() as other:
            while not done.is_set():
                answers.extend(other.get(path).status_code for path in paths)

    asking = [threading.Thread(target=ask_on_and_on) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for units in range(1, 41):
            receipt = pay(client, desk, units)
            for path, change in zip(paths, (f"-{units}", str(units)), strict=True):
                for _ in range(2):  # read anew, and as it was kept
                    last = client.get(path).json()["items"][-1]
                    assert (last["index"], last["change"]) == (receipt["index"], change)
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert len(answers) > 40
    assert set(answers) == {200}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 400),
        ("limit=1001", 400),
        ("limit=0001", 400),
        ("limit=x", 400),
        ("limit=", 400),
        ("asset=no@such", 404),
        (f"asset={'a' * 201}", 400),
        ("asset=%ff", 404),
        ("unknown=1", 200),
    ],
)
def test_an_unusual_history_is_answered_by_the_framework(
    client: httpx.Client, query: str, status: int
) -> None:
    assert client.get(f"/v1/accounts/alice/history?{query}").status_code == status


def test_balances_now_and_at_an_entry_and_the_history_that_leads_there(
    client: httpx.Client, desk: Desk
) -> None:
    receipts = [pay(client, desk, units) for units in (1, 2, 3)]
    now = client.get(f"/v1/accounts/alice/balances/{EUR}").json()
    assert int(now["available"]) == int(now["units"]) - int(now["held"])
    assert now["held"] == "70"
    for receipt in receipts:
        past = client.get(f"/v1/accounts/alice/balances/{EUR}", params={"entry": receipt["index"]}).json()
        assert past["units"] == receipt["postings"][0][3]
    listed = client.get("/v1/accounts/alice/balances").json()["items"]
    assert [item["units"] for item in listed if item["asset"] == EUR] == [now["units"]]
    rows: list[dict[str, Any]] = []
    after = None
    while True:  # page by page, two at a time
        page = client.get(
            "/v1/accounts/alice/history",
            params={"asset": EUR, "limit": 2} | ({"after": after} if after else {}),
        ).json()
        rows += page["items"]
        after = page["next"]
        if after is None:
            break
    whole = client.get("/v1/accounts/alice/history", params={"asset": EUR, "limit": 1000}).json()["items"]
    assert rows == whole
    assert rows[-1]["balance"] == now["units"]
    beyond = client.get(f"/v1/accounts/alice/balances/{EUR}", params={"entry": 10**9})
    assert (beyond.status_code, beyond.json()["error"]) == (404, "not_yet")


def test_lists_have_cursors_that_skip_and_repeat_nothing(client: httpx.Client) -> None:
    names: list[str] = []
    after = None
    while True:
        page = client.get("/v1/accounts", params={"limit": 3} | ({"after": after} if after else {})).json()
        names += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert names == ["alice", "bank", "bob", "carol", "dave", "operator", "vault"]


def pages(client: httpx.Client, path: str, **parameters: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": None}
    while True:
        page = client.get(path, params=parameters | ({"after": page["next"]} if page["next"] else {})).json()
        items += page["items"]
        if page["next"] is None:
            return items


def test_who_has_an_asset_adds_up_to_nothing(client: httpx.Client) -> None:
    holders = pages(client, f"/v1/assets/{EUR}/holders", limit=2)
    assert [item["account"] for item in holders] == ["alice", "bank", "bob", "carol", "dave"]
    assert sum(int(item["units"]) for item in holders) == 0
    assert next(item for item in holders if item["account"] == "bank")["units"] == "-4000"


def test_rows_of_the_state_are_what_the_root_commits_to(client: httpx.Client, desk: Desk) -> None:
    pay(client, desk)
    rows = pages(client, "/v1/state/balance", limit=3)
    assert rows == client.get("/v1/state/balance", params={"limit": 1000}).json()["items"]
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    mine = pages(client, "/v1/state/balance", under='["alice"]', limit=1)
    assert mine == [row for row in rows if json.loads(row["key"])[0] == "alice"]
    (row,) = pages(client, "/v1/state/balance", under=f'["alice","{EUR}"]')
    checkpointed(client, client.get("/v1/ledger").json()["size"] - 1)
    proof = client.get(f"/v1/accounts/alice/balances/{EUR}/proof").json()
    assert [proof["key"], proof["value"]] == [["balance", *json.loads(row["key"])], json.loads(row["value"])]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/accounts/alice", 200),
        ("/v1/accounts/nobody", 404),
        ("/v1/accounts/nobody/history", 404),
        ("/v1/accounts/nobody/balances/eur@bank", 404),
        ("/v1/accounts/alice/balances/no@such", 404),
        ("/v1/accounts/alice/holds", 200),
        ("/v1/accounts/alice/mandates", 200),
        ("/v1/accounts/alice/history?after=1.x", 400),
        ("/v1/accounts?limit=0", 400),
        ("/v1/accounts?limit=1000000", 400),
        ("/v1/assets", 200),
        ("/v1/assets/eur@bank", 200),
        ("/v1/assets/no@such", 404),
        ("/v1/assets/no@such/holders", 404),
        ("/v1/holds", 200),
        ("/v1/holds/1.0", 404),
        ("/v1/accounts/nobody/holds", 404),
        ("/v1/redemptions", 200),
        ("/v1/redemptions/1.0", 404),
        ("/v1/accounts/alice/redemptions", 200),
        ("/v1/accounts/nobody/redemptions", 404),
        ("/v1/institutions", 200),
        ("/v1/institutions/nobody", 404),
        ("/v1/state/clock", 200),
        ("/v1/state/once", 400),
        ("/v1/state/nonsense", 404),
        ("/v1/state/nobody!", 404),
        ("/v1/state/timer?under=[%22x%22]", 400),
        ("/v1/state/balance?under=[", 400),
        ("/v1/state/balance?after=[5]", 400),
        ("/v1/witnesses/request?old_size=999999", 404),
        ("/v1/witnesses/request?old_size=-1", 400),
        ("/v1/contracts", 200),
        ("/v1/contracts/no", 404),
        ("/v1/contracts/no/views/powers", 404),
        ("/v1/contracts/no/views/powers?arguments=[]", 400),
        ("/v1/entries/0", 200),
        ("/v1/entries/99999999", 404),
        ("/v1/entries/x", 404),
        ("/v1/ledger", 200),
        ("/v1/statistics", 200),
        ("/v1/docs", 200),
        ("/v1/openapi.json", 200),
        ("/v1/no-such-route", 404),
        ("/health", 200),
        ("/ready", 200),
        ("/metrics", 200),
        ("/log/genesis.json", 200),
        ("/log/tile/0/999", 404),
        ("/log/tile/../../etc/passwd", 404),
        ("/log/payload/x", 404),
    ],
)
def test_every_route_answers_as_it_says(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert sorted(answer.json()) == ["error", "facts", "message"]


def test_a_wrong_method_is_refused_in_the_one_shape(client: httpx.Client) -> None:
    answer = client.delete("/v1/accounts")
    assert (answer.status_code, sorted(answer.json())) == (405, ["error", "facts", "message"])


def test_the_log_is_served_as_export_writes_it(client: httpx.Client, desk: Desk, tmp_path: Path) -> None:
    """Fetched file by file, the log verifies as an export does: signatures, transitions, roots, tiles."""
    checkpointed(client, pay(client, desk)["index"])
    note = client.get("/log/checkpoint")
    assert note.headers["cache-control"] == "no-cache"
    size = verify_checkpoint(note.content, log_key=LOG_KEY.verifier).tree_size
    assert size < 256
    for name in (
        f"tile/0/000.p/{size}",
        f"tile/entries/000.p/{size}",
        f"payload/000.p/{size}",
        "genesis.json",
    ):
        answer = client.get(f"/log/{name}")
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["cache-control"]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(answer.content)
    (tmp_path / "checkpoint").write_bytes(note.content)
    with open_source(tmp_path) as source:
        verdict = verify(source, log_key=LOG_KEY.verifier.vkey)
    assert verdict.entries == size


def test_proofs_are_served_once_a_checkpoint_covers_them(client: httpx.Client, desk: Desk) -> None:
    receipt = pay(client, desk)
    early = client.get(f"/v1/entries/{receipt['index']}/proof")
    assert early.status_code == 200 or early.json()["error"] == "not_signed"
    assert (early.headers.get("retry-after") is None) is (early.status_code == 200)
    checkpointed(client, receipt["index"])
    proof = client.get(f"/v1/entries/{receipt['index']}/proof").json()
    assert proof["format"] == "tallystick-receipt-proof-v1"
    balance = client.get(f"/v1/accounts/bob/balances/{EUR}/proof").json()
    assert balance["format"] == "tallystick-balance-proof-v1"


def test_a_witness_cosigns_and_a_stranger_does_not(client: httpx.Client, desk: Desk) -> None:
    checkpointed(client, pay(client, desk)["index"])
    note = client.get("/v1/witnesses").json()["checkpoint"]
    text = parse_note(note.encode()).text
    line = WITNESS.signature_line(text, timestamp_seconds=1_800_000_000)
    cosigned = client.post("/v1/witnesses/cosignatures", content=line)
    assert cosigned.status_code == 200, cosigned.text
    assert line in cosigned.json()["cosigned"]
    checkpointed(client, pay(client, desk)["index"])
    newer = client.get("/v1/witnesses").json()
    assert line not in newer["checkpoint"]
    assert line in newer["cosigned"]
    asked = client.get("/v1/witnesses/request", params={"old_size": 3})
    assert asked.text.startswith("old 3\n")
    assert asked.text.endswith(newer["checkpoint"])
    stranger = SigningKey(name="x.example", algorithm=Algorithm.COSIGNATURE_V1, seed=bytes(32))
    refused = client.post(
        "/v1/witnesses/cosignatures", content=stranger.signature_line(text, timestamp_seconds=1)
    )
    assert (refused.status_code, refused.json()["error"]) == (400, "note_invalid")


def read_events(
    client: httpx.Client, count: int, *, opened: threading.Event | None = None, **options: Any
) -> list[tuple[int, str, dict[str, Any]]]:
    """Return the next events; set `opened` once the node has begun to answer."""
    events = []
    with client.stream("GET", "/v1/stream", **options) as stream:
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            if opened is not None:
                opened.set()
            name, _, value = line.partition(": ")
            if name in {"id", "event", "data"}:
                fields[name] = value
            elif not line and fields:
                events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
                fields = {}
                if len(events) == count:
                    return events
    raise AssertionError("the stream ended")


def test_the_stream_resumes_where_the_client_left_off(client: httpx.Client, desk: Desk) -> None:
    checkpointed(client, pay(client, desk)["index"])
    size = client.get("/v1/ledger").json()["size"]
    whole = read_events(client, size, params={"after": -1})
    assert [index for index, _, _ in whole] == list(range(size))
    assert {"genesis", "transaction", "checkpoint"} <= {name for _, name, _ in whole}
    resumed = read_events(client, size - 4, headers={"Last-Event-ID": "3"})
    assert resumed == whole[4:]
    notes = [data for _, name, data in whole if name == "checkpoint"]
    assert (
        verify_checkpoint(notes[-1]["note"].encode(), log_key=LOG_KEY.verifier).tree_size == notes[-1]["size"]
    )


def test_the_stream_tells_what_happens_while_it_is_open(
    client: httpx.Client, running: NodeProcess, desk: Desk
) -> None:
    found: list[Any] = []
    opened = threading.Event()
    size = client.get("/v1/ledger").json()["size"]

    def listen() -> None:
        with running.client() as other:
            found.extend(read_events(other, 1, opened=opened, params={"after": size - 1}))

    listener = threading.Thread(target=listen)
    listener.start()
    assert opened.wait(timeout=20)
    receipt = pay(client, desk)
    listener.join(timeout=20)
    assert found
    assert found[0][0] == size
    assert found[0][2].get("receipt") in (receipt, None)


def test_webhooks_arrive_in_order_signed_and_again_until_they_are_taken(tmp_path: Path) -> None:
    taken: list[tuple[str, int]] = []
    refused_first: set[str] = set()
    secret = bytes(range(24))
    wrong: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            name = self.headers["webhook-id"]
            signed = f"{name}.{self.headers['webhook-timestamp']}.".encode() + body
            expected = "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
            if self.headers["webhook-signature"] != expected:
                wrong.append(name)
            index = json.loads(body)["data"]["index"]
            if index % 3 == 0 and name not in refused_first:
                refused_first.add(name)
                self.send_response(503)
            else:
                taken.append((name, index))
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    try:
        path = tmp_path / "a.tally"
        desk = desk_for(path)
        config = tmp_path / "node.toml"
        config.write_text(
            f'[[webhooks]]\nname = "books"\nurl = "http://127.0.0.1:{receiver.server_port}/in"\n'
            f'secret = "whsec_{base64.b64encode(secret).decode()}"\n'
        )
        for _ in range(2):  # the second node goes on where the first one stopped
            with node(path, config_file=config) as running, running.client() as client:
                index = pay(client, desk)["index"]
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and (not taken or taken[-1][1] < index):
                    time.sleep(0.05)
        indexes = [index for _, index in taken]
        assert indexes == sorted(set(indexes))
        assert indexes[0] == 0
        assert indexes[-1] >= index
        assert indexes == list(range(indexes[-1] + 1))
        assert refused_first
        assert wrong == []
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()
