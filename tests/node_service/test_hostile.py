"""What strangers and crashes do to a node: none of it stalls others, and nothing acknowledged is lost."""

import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tallystick.ledger.receipts import decode_receipt
from tests.ledger.world import transfer
from tests.node.economy import PEOPLE, open_ledger
from tests.node_service.process import NodeProcess, desk_for, node
from tests.node_service.running import EUR, payments

pytestmark = pytest.mark.long


@pytest.fixture
def running(tmp_path: Path) -> Iterator[NodeProcess]:
    path = tmp_path / "a.tally"
    desk = desk_for(path)
    with node(
        path, body_seconds=1.0, header_seconds=1.0, body_bytes_max=100_000, stream_clients_max=3
    ) as running:
        running.desk = desk  # type: ignore[attr-defined]
        yield running


def connect(running: NodeProcess) -> socket.socket:
    url = urlsplit(running.url)
    return socket.create_connection((url.hostname, url.port), timeout=10)


def head(length: int) -> bytes:
    return b"POST /v1/transactions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length


def longest_payment(running: NodeProcess, count: int) -> float:
    """Return the seconds that the slowest of some payments took."""
    longest = 0.0
    with running.client() as client:
        for envelope in payments(running.desk, count):  # type: ignore[attr-defined]
            began = time.monotonic()
            assert client.post("/v1/transactions", content=envelope).status_code == 200
            longest = max(longest, time.monotonic() - began)
    return longest


def test_slow_bodies_half_open_connections_and_silence_stall_nobody(running: NodeProcess) -> None:
    silent = [connect(running) for _ in range(50)]
    half_a_head = [connect(running) for _ in range(50)]
    slow = [connect(running) for _ in range(50)]
    gone = [connect(running) for _ in range(50)]
    for connection in half_a_head:
        connection.sendall(b"POST /v1/transactions HTTP/1.1\r\nhost")
    for connection in slow:
        connection.sendall(head(1000) + b"{")
    for connection in gone:
        connection.sendall(head(1000) + b"{")
        connection.shutdown(socket.SHUT_WR)
    assert longest_payment(running, 20) < 2.0
    # The slow ones are told; the silent ones and those with half a head are closed.
    for connection in slow:
        assert b"408" in connection.recv(4096).split(b"\r\n")[0]
    for connection in (*silent, *half_a_head):
        assert connection.recv(4096) == b""
    for connection in (*silent, *half_a_head, *slow, *gone):
        connection.close()


def test_bodies_too_large_are_refused_before_they_are_read(running: NodeProcess) -> None:
    with connect(running) as connection:
        connection.sendall(head(10**12))
        assert b"413" in connection.recv(4096).split(b"\r\n")[0]
    with connect(running) as connection:  # the same without a declared length
        connection.sendall(b"POST /v1/transactions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)
        for _ in range(3):
            connection.sendall(chunk)
        assert b"413" in connection.recv(4096).split(b"\r\n")[0]
    assert longest_payment(running, 3) < 2.0


def test_a_flood_of_rubbish_and_of_large_pages_leaves_room_for_payments(running: NodeProcess) -> None:
    stop = threading.Event()

    def flood(method: str, path: str, body: bytes | None) -> None:
        with running.client() as client:
            while not stop.is_set():
                client.request(method, path, content=body)

    floods = [
        threading.Thread(target=flood, args=arguments)
        for arguments in [
            ("POST", "/v1/transactions", b"x" * 50_000),
            ("POST", "/v1/transactions/batch", b"[" + b"[" * 40_000),
            ("GET", "/v1/accounts/alice/history?limit=1000", None),
            ("GET", "/v1/accounts?limit=1000", None),
        ]
    ]
    for thread in floods:
        thread.start()
    try:
        assert longest_payment(running, 30) < 3.0
    finally:
        stop.set()
        for thread in floods:
            thread.join()


def test_streams_that_are_not_read_are_bounded_in_number(running: NodeProcess) -> None:
    with running.client() as client:
        open_streams = []
        for _ in range(3):
            connection = connect(running)
            connection.sendall(b"GET /v1/stream?after=-1 HTTP/1.1\r\nhost: x\r\n\r\n")
            connection.recv(100)
            open_streams.append(connection)
        assert client.get("/v1/stream").status_code == 503
        assert longest_payment(running, 5) < 2.0
        for connection in open_streams:
            connection.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with client.stream("GET", "/v1/stream") as stream:
                if stream.status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("closed streams still count")


def test_an_address_and_a_key_have_their_rates(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = desk_for(path)
    with node(path, sender_rate=3) as running, running.client() as client:
        envelopes = [desk.envelope("alice", transfer("alice", (EUR, "bob", 1))) for _ in range(10)]
        answers = client.post("/v1/transactions/batch", content=b"[" + b",".join(envelopes) + b"]").json()
        refused = [answer for answer in answers if answer.get("error") == "rate_exceeded"]
        assert 6 <= len(refused) <= 7
        single = client.post("/v1/transactions", content=envelopes[9])
        assert (single.status_code, single.headers["retry-after"]) == (429, "1")
        other = desk.envelope("bob", transfer("bob", (EUR, "alice", 1)))
        assert client.post("/v1/transactions", content=other).status_code == 200
    with node(path, address_rate=5) as running, running.client() as client:
        statuses = [client.get("/v1/ledger").status_code for _ in range(12)]
        assert statuses[0] == 200
        assert statuses[-1] == 429


def test_kills_under_load_lose_no_acknowledged_receipt_and_settle_each_payment_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = desk_for(path)
    choose = random.Random(4)
    running = NodeProcess(path)
    acknowledged: dict[bytes, bytes] = {}
    lock = threading.Lock()

    def keep_paying(envelopes: list[bytes]) -> None:
        """Send each until it is answered, whatever happens to the node meanwhile."""
        for envelope in envelopes:
            while True:
                try:
                    answer = httpx.post(f"{running.url}/v1/transactions", content=envelope, timeout=5)
                except httpx.HTTPError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    with lock:
                        acknowledged[envelope] = answer.content
                    break
                assert answer.status_code == 503, answer.text
                time.sleep(0.05)

    shares = [
        [desk.envelope(payer, transfer(payer, (EUR, PEOPLE[number - 1], 1))) for _ in range(60)]
        for number, payer in enumerate(PEOPLE)
    ]
    threads = [threading.Thread(target=keep_paying, args=[share]) for share in shares]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(choose.uniform(0.1, 0.4))
        running.kill()
        running.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(acknowledged) == 240
    assert running.stop() == 0
    with open_ledger(path, read_only=True) as ledger:
        indexes = [decode_receipt(receipt).index for receipt in acknowledged.values()]
        assert len(set(indexes)) == 240
        for envelope, receipt in acknowledged.items():
            entry = ledger.entry(decode_receipt(receipt).index)
            assert (entry.envelope, entry.receipt) == (envelope, receipt)
        # Everybody paid one neighbour sixty and got sixty from the other: settled once each, nothing moved.
        assert [ledger.balance(name, EUR) for name in PEOPLE] == [1000] * 4


def test_a_stopped_node_ends_in_a_checkpoint(running: NodeProcess) -> None:
    longest_payment(running, 3)
    assert running.stop() == 0
    with open_ledger(running.path, read_only=True) as ledger:
        newest = ledger.journal.checkpoint()
        assert newest is not None
        assert newest[0] == ledger.size
