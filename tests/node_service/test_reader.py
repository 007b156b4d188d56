"""Readers beside a node: the same answers from the same file, a moment later, and nothing written."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.client.follow import Follower, RemoteLog
from tallystick.client.http import Client
from tallystick.client.questions.asking import NodeRefused
from tallystick.ledger.receipts import decode_receipt
from tallystick.node.following import FollowingService
from tallystick.node.metrics import Metrics
from tallystick.node.service import Lag
from tallystick.node.staged import StagedLedger
from tests.ledger.world import START, hold, transfer
from tests.node.economy import LOG_KEY, Desk
from tests.node_service.process import NodeProcess, desk_for, node
from tests.node_service.running import EUR, make_ledger, payments, serving

pytestmark = pytest.mark.long

ASKED = (
    "/v1/accounts?limit=1000",
    "/v1/accounts/alice",
    "/v1/accounts/alice/balances",
    f"/v1/accounts/alice/balances/{EUR}",
    "/v1/accounts/bob/history?limit=1000",
    "/v1/accounts/bob/holds",
    f"/v1/assets/{EUR}/holders",
    "/v1/holds",
    "/v1/state/held",
    "/v1/state/timer",
    "/v1/state/balance?limit=1000",
    "/v1/contracts",
    "/v1/institutions",
    "/v1/entries/3",
    "/log/checkpoint",
    f"/v1/accounts/alice/balances/{EUR}/proof",
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    path = tmp_path / "a.tally"
    desk = desk_for(path)
    desk.path = path  # type: ignore[attr-defined]
    return desk


@pytest.fixture
def writer(desk: Desk) -> Iterator[NodeProcess]:
    with node(desk.path, checkpoint_seconds=0.1) as running:  # type: ignore[attr-defined]
        yield running


def reader(desk: Desk) -> Any:
    return node(desk.path, reader="true")  # type: ignore[attr-defined]


def caught_up(client: Client, size: int) -> None:
    """Wait until a reader shows so many entries."""
    deadline = time.monotonic() + 20
    while client.info().size < size:
        assert time.monotonic() < deadline, "the reader does not follow"
        time.sleep(0.01)


def settled(client: Client) -> int:
    """Wait until a checkpoint covers everything, so that nothing moves any more; return the size."""
    while True:
        size = client.info().size
        client.entry_proof(size - 1)
        if client.info().size == size and client.entry(size - 1).kind == "root":
            return size


def test_readers_answer_as_the_node_does(desk: Desk, writer: NodeProcess) -> None:
    with reader(desk) as first, reader(desk) as second, Client(writer.url) as client:
        for count in (3, 200):
            client.submit(payments(desk, count))
            promise = hold("alice", "bob", (EUR, 7), expires=START + 10**10, at_expiry="release")
            (kept,) = client.submit([desk.envelope("alice", promise)])
            assert kept.rejection is None
            size = settled(client)
            for url in (first.url, second.url):
                with Client(url) as other:
                    caught_up(other, size)
                    for asked in ASKED:
                        here, there = httpx.get(writer.url + asked), httpx.get(url + asked)
                        assert (there.status_code, there.content) == (200, here.content), asked
        index = decode_receipt(kept.receipt or b"").index
        with closing(RemoteLog(second.url)) as log:
            follower = Follower(log, log_key=LOG_KEY.verifier.vkey)
            assert follower.check_receipt(kept.receipt or b"").leaf.index == index


def test_a_reader_writes_nothing_and_says_who_does(desk: Desk, writer: NodeProcess) -> None:
    envelope = desk.envelope("alice", transfer("alice", (EUR, "bob", 1)))
    with reader(desk) as running, Client(running.url) as client:
        with pytest.raises(NodeRefused, match="not_the_writer") as refused:
            client.submit([envelope])
        assert refused.value.status == 421
        cosigned = httpx.post(f"{running.url}/v1/witnesses/cosignatures", content=b"line")
        assert (cosigned.status_code, cosigned.json()["error"]) == (421, "not_the_writer")
        with Client(writer.url) as there:
            (paid,) = there.submit([envelope])
        assert paid.rejection is None
        assert not paid.repeated
        assert httpx.get(f"{running.url}/ready").status_code == 200


def metric(url: str, name: str) -> float:
    found = [line for line in httpx.get(f"{url}/metrics").text.splitlines() if line.startswith(f"{name} ")]
    assert len(found) == 1, name
    return float(found[0].split()[1])


def test_a_readers_metrics_tell_how_far_it_is_behind(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as writer:
        ledger = StagedLedger.open(tmp_path / "a.tally", read_only=True)
        with closing(ledger), closing(FollowingService(ledger)) as follower:
            with follower.state_lock:  # the follower cannot take in what comes now
                writer.submit_and_wait(payments(desk, 3))
                writer.checkpoint().result()
                first = follower.lag()
                time.sleep(0.05)
                second = follower.lag()
                text = Metrics().render(follower).decode()
            assert (first.entries, second.entries) == (4, 4)
            assert second.seconds >= first.seconds + 0.05
            assert "\ntallystick_lag_entries 4.0\n" in text
            deadline = time.monotonic() + 20
            while follower.lag().entries:
                assert time.monotonic() < deadline, "the reader does not follow"
                time.sleep(0.01)
            assert follower.lag() == Lag(entries=0, seconds=0.0)
            assert writer.lag() == Lag(entries=0, seconds=0.0)
            assert "\ntallystick_lag_seconds 0.0\n" in Metrics().render(follower).decode()


def test_metrics_tell_what_the_projections_took_in(desk: Desk, writer: NodeProcess) -> None:
    with reader(desk) as running, Client(writer.url) as client:
        assert metric(writer.url, "tallystick_projected_entries_total") == 0
        client.submit(payments(desk, 3))
        size = settled(client)
        with Client(running.url) as other:
            caught_up(other, size)
        for url in (writer.url, running.url):
            assert httpx.get(f"{url}/v1/accounts/bob/history").status_code == 200
            assert metric(url, "tallystick_projected_entries_total") == size
            assert 0 < metric(url, "tallystick_projection_seconds_total") < 5
            assert metric(url, "tallystick_lag_entries") == 0


def test_a_reader_outlives_the_node_and_follows_the_next_one(desk: Desk, writer: NodeProcess) -> None:
    with reader(desk) as running, Client(running.url) as client:
        before = client.balance("bob", EUR)
        writer.kill()
        assert client.balance("bob", EUR) == before
        writer.start()
        with Client(writer.url) as there:
            there.submit([desk.envelope("alice", transfer("alice", (EUR, "bob", 5)))])
            caught_up(client, there.info().size)
        assert client.balance("bob", EUR) == before + 5
        events = []
        for event in client.stream(after=-1):
            events.append(event.index)
            if len(events) == 8:
                break
        assert events == list(range(8))
