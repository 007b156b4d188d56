"""A follower against a real node, and against one that lies: each lie once, beside the honest answer."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallystick.client.follow import Follower, LogLied, RemoteLog, open_url
from tallystick.client.http import Client
from tallystick.client.questions.asking import Unreachable
from tallystick.client.sources import SourceError
from tallystick.client.verifier import VerificationFailed, verify
from tallystick.ledger.receipts import decode_receipt
from tallystick.log.checkpoint import Checkpoint, sign_checkpoint
from tallystick.log.note import Algorithm, SigningKey
from tests.ledger.world import transfer
from tests.node.economy import LOG_KEY, Desk
from tests.node_service.process import NodeProcess, desk_for, node
from tests.node_service.running import EUR, payments

pytestmark = pytest.mark.long
VKEY = LOG_KEY.verifier.vkey
_OPEN: list[RemoteLog] = []
Change = Callable[[httpx.Request, bytes], bytes]


class Liar(httpx.BaseTransport):
    """Passes requests on to a real node, which `node` says, and alters what comes back."""

    def __init__(self, node: NodeProcess, change: Change | None = None) -> None:
        self.node = node
        self.change = change
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        target = httpx.URL(self.node.url).copy_with(raw_path=request.url.raw_path)
        headers = {"content-type": "application/json"}
        passed = httpx.Request(request.method, target, headers=headers, content=request.read())
        answer = self._inner.handle_request(passed)
        body = answer.read()
        if self.change is not None and answer.status_code == 200:
            body = self.change(request, body)
        return httpx.Response(answer.status_code, content=body)

    def close(self) -> None:
        self._inner.close()


def remote(url: str, transport: httpx.BaseTransport | None = None) -> RemoteLog:
    """Return a log that is closed after the test."""
    _OPEN.append(RemoteLog(url, transport=transport))
    return _OPEN[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def desks(folder: Path) -> Desk:
    desk = desk_for(folder / "a.tally")
    desk.path = folder / "a.tally"  # type: ignore[attr-defined]
    return desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desks(tmp_path_factory.mktemp("honest"))


@pytest.fixture(scope="module")
def honest(desk: Desk) -> Iterator[NodeProcess]:
    with node(desk.path, checkpoint_seconds=0.05) as running:  # type: ignore[attr-defined]
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """The same ledger with another history, and longer: the same genesis, the same key."""
    desk = desks(tmp_path_factory.mktemp("other"))
    desk.number = 5_000  # other ids
    with node(desk.path, checkpoint_seconds=0.05) as running:  # type: ignore[attr-defined]
        with Client(running.url) as client:
            client.submit(payments(desk, 600))
            wait_for_checkpoint(client)
        yield running


def wait_for_checkpoint(client: Client) -> int:
    """Return the size that a checkpoint signs once it covers all there is."""
    for event in client.stream(after=client.info().size - 2):
        if event.name == "checkpoint":
            return int(event.data["size"])
    raise AssertionError


def pay(node: NodeProcess, desk: Desk, count: int = 1) -> tuple[bytes, bytes]:
    """Settle some payments, and return the last one's envelope and receipt, checkpointed."""
    with Client(node.url) as client:
        envelopes = payments(desk, count)
        receipt = client.submit(envelopes)[-1].receipt
    assert receipt is not None
    wait_until_signed(node, decode_receipt(receipt).index)
    return envelopes[-1], receipt


def wait_until_signed(node: NodeProcess, index: int) -> None:
    """Return once a published checkpoint covers the entry, within ten seconds."""
    until = time.monotonic() + 10
    while Follower(remote(node.url), log_key=VKEY).update().tree_size <= index:
        assert time.monotonic() < until, f"no checkpoint covers entry {index}"
        time.sleep(0.02)


# The honest neighbour.


def test_an_honest_log_is_followed_across_restarts_of_the_follower(honest, desk, tmp_path):
    memory = tmp_path / "seen"
    sizes = []
    for count in (1, 30, 300):
        follower = Follower(remote(honest.url), log_key=VKEY, memory=memory)
        envelope, receipt = pay(honest, desk, count)
        standing = follower.check_receipt(receipt, envelope=envelope)
        assert standing.leaf.index == decode_receipt(receipt).index
        sizes.append(standing.checkpoint.tree_size)
        assert memory.read_bytes() == follower.note
    assert sizes == sorted(set(sizes))
    assert follower.update() == follower.update()


def test_every_receipt_of_a_log_stands_in_it(honest, desk):
    pay(honest, desk, 300)
    follower = Follower(remote(honest.url), log_key=VKEY)
    with Client(honest.url) as client:
        size = wait_for_checkpoint(client)
        assert size > 256
        for index in {1, 2, 254, 255, 256, 257, size - 2}:
            leaf = base64.b64decode(client.entry(index).leaf)
            found = follower._leaf(index, follower.update())
            assert found.encode() == leaf


# The lies.


def test_an_altered_receipt_is_caught(honest, desk):
    def alter(request: httpx.Request, body: bytes) -> bytes:
        return body.replace(b'"-1"', b'"-2"') if request.url.path == "/v1/transactions" else body

    with Client(honest.url, transport=Liar(honest, alter)) as client:
        envelope = desk.envelope("alice", transfer("alice", (EUR, "bob", 1)))
        (settled,) = client.submit([envelope])
    assert settled.receipt is not None
    follower = Follower(remote(honest.url), log_key=VKEY)
    with pytest.raises(LogLied, match="has another receipt"):
        follower.check_receipt(settled.receipt)
    with Client(honest.url) as client:
        (settled,) = client.submit([envelope])
    follower.check_receipt(settled.receipt, envelope=envelope)


def test_the_receipt_of_another_payment_is_caught(honest, desk):
    first, receipt = pay(honest, desk)
    second, _ = pay(honest, desk)
    follower = Follower(remote(honest.url), log_key=VKEY)
    with pytest.raises(LogLied, match="not of this envelope"):
        follower.check_receipt(receipt, envelope=second)
    follower.check_receipt(receipt, envelope=first)


def test_a_second_history_is_caught_with_both_signatures_as_evidence(honest, other, desk, tmp_path):
    pay(honest, desk)
    liar = Liar(honest)
    memory = tmp_path / "seen"
    follower = Follower(remote("http://node", transport=liar), log_key=VKEY, memory=memory)
    # Never more than the other history has, so that it could pass for the continuation.
    kept = follower.update()
    note = memory.read_bytes()
    _outgrow(other, kept)
    liar.node = other
    with pytest.raises(LogLied, match="do not begin with") as caught:
        follower.update()
    assert caught.value.notes[0] == note
    assert caught.value.notes[1] != note
    assert (follower.checkpoint, memory.read_bytes()) == (kept, note)
    # A new follower with the same memory is not taken in either; back with the first history all is well.
    again = Follower(remote("http://node", transport=liar), log_key=VKEY, memory=memory)
    with pytest.raises(LogLied, match="do not begin with"):
        again.update()
    liar.node = honest
    assert again.update().tree_size >= kept.tree_size


def _outgrow(other: NodeProcess, kept: Checkpoint) -> None:
    """Let the other history sign more entries than were kept."""
    with Client(other.url) as client:
        assert wait_for_checkpoint(client) > 0
        while client.info().size <= kept.tree_size:
            desk = Desk(_Frozen(client), number=9_000 + client.info().size)  # type: ignore[arg-type]
            client.submit(payments(desk, 200))
        wait_for_checkpoint(client)


class _Frozen:
    """What a desk asks of a ledger, of a client."""

    def __init__(self, client: Client) -> None:
        self.ledger_id = client.ledger_id
        self._time = client.info().time

    def now(self) -> int:
        return self._time


def test_an_old_checkpoint_is_caught(honest, desk, tmp_path):
    pay(honest, desk)
    old = httpx.get(f"{honest.url}/log/checkpoint").content
    memory = tmp_path / "seen"
    _, receipt = pay(honest, desk)
    Follower(remote(honest.url), log_key=VKEY, memory=memory).check_receipt(receipt)

    def roll_back(request: httpx.Request, body: bytes) -> bytes:
        return old if request.url.path == "/log/checkpoint" else body

    liar = remote("http://node", transport=Liar(honest, roll_back))
    follower = Follower(liar, log_key=VKEY, memory=memory)
    with pytest.raises(LogLied, match="went back") as caught:
        follower.update()
    assert old in caught.value.notes
    # Who never saw the newer one cannot know; that is why it is kept.
    assert Follower(liar, log_key=VKEY).update().tree_size < follower.checkpoint.tree_size


def test_two_roots_of_one_size_are_caught(honest, desk):
    pay(honest, desk)
    follower = Follower(remote(honest.url), log_key=VKEY)
    kept = follower.update()
    forged = sign_checkpoint(
        Checkpoint(origin=kept.origin, tree_size=kept.tree_size, root=bytes(32)), LOG_KEY
    )

    def fork(request: httpx.Request, body: bytes) -> bytes:
        return forged if request.url.path == "/log/checkpoint" else body

    follower._log = remote("http://node", transport=Liar(honest, fork))
    with pytest.raises(LogLied, match="two histories"):
        follower.update()


def test_a_strangers_checkpoint_is_caught(honest):
    stranger = SigningKey(name=LOG_KEY.name, algorithm=Algorithm.ED25519, seed=bytes(32))
    with pytest.raises(LogLied, match="not of the log you pinned"):
        Follower(remote(honest.url), log_key=stranger.verifier.vkey).update()


@pytest.mark.parametrize("what", ["/log/tile/entries/", "/log/tile/0/"])
def test_altered_tiles_are_caught(honest, desk, what):
    _, receipt = pay(honest, desk)

    def alter(request: httpx.Request, body: bytes) -> bytes:
        if not request.url.path.startswith(what):
            return body
        return bytes([*body[:10], body[10] ^ 1, *body[11:]]) if "entries" not in what else _flip_all(body)

    liar = remote("http://node", transport=Liar(honest, alter))
    with pytest.raises(LogLied, match=r"does not stand under|do not begin with"):
        Follower(liar, log_key=VKEY).check_receipt(receipt)
    Follower(remote(honest.url), log_key=VKEY).check_receipt(receipt)


def _flip_all(bundle: bytes) -> bytes:
    """Alter the last byte of every entry."""
    step = 92
    return b"".join(
        bundle[start : start + step - 1] + bytes([bundle[start + step - 1] ^ 1])
        for start in range(0, len(bundle), step)
    )


def test_a_receipt_that_no_checkpoint_covers_is_owed(honest, desk):
    _, receipt = pay(honest, desk)
    future = json.loads(receipt) | {"index": 10**9}
    follower = Follower(remote(honest.url), log_key=VKEY)
    with pytest.raises(LogLied, match="no checkpoint covers"):
        follower.check_receipt(json.dumps(future).encode(), seconds=0)
    for nonsense in (b"", b"{}", json.dumps(future | {"index": -1}).encode()):
        with pytest.raises(LogLied, match="what the node sent is"):
            follower.check_receipt(nonsense)


# The whole history over HTTP.


def test_a_history_is_verified_over_http(honest, desk):
    pay(honest, desk, 300)
    with open_url(honest.url) as source:
        verdict = verify(source, log_key=VKEY, processes=0)
    assert verdict.entries > 256
    assert verdict.checkpoint_size == verdict.entries
    assert verdict.tiles >= 2


def test_an_altered_payload_is_named(honest, desk):
    _, receipt = pay(honest, desk)
    index = decode_receipt(receipt).index

    def alter(request: httpx.Request, body: bytes) -> bytes:
        return (
            body.replace(receipt, receipt.replace(b'"-1"', b'"-2"'))
            if "/payload/" in str(request.url)
            else body
        )

    with (
        open_url("http://node", transport=Liar(honest, alter)) as source,
        pytest.raises(VerificationFailed) as caught,
    ):
        verify(source, log_key=VKEY, processes=0)
    assert caught.value.index == index


def test_what_is_no_log_is_told(honest):
    with pytest.raises(Unreachable):
        open_url("http://127.0.0.1:1")
    with pytest.raises(SourceError):
        open_url(f"{honest.url}/nothing")
    with pytest.raises(SourceError):
        RemoteLog("ledger.tally")


def test_more_than_belongs_there_is_not_taken_in(honest):
    def flood(_: httpx.Request, body: bytes) -> bytes:
        return body * 10_000

    with pytest.raises(SourceError, match="more than the"):
        Follower(remote("http://node", transport=Liar(honest, flood)), log_key=VKEY).update()


def test_following_needs_nothing_of_the_node():
    code = (
        "import sys, tallystick.client.follow, tallystick.client.http, tallystick.client.verifier;"
        "print([name for name in sys.modules if name.startswith(('tallystick.node', 'litestar', 'uvicorn'))])"
    )
    found: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
