"""The typed client against a node, and against one that is killed, refuses or answers nonsense."""

import asyncio
import json
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from tallystick.client.connection import Connection
from tallystick.client.errors import ClientError
from tallystick.client.events import EventReader
from tallystick.client.http import Client
from tallystick.client.http_async import AsyncClient
from tallystick.client.proofs import ProvenBalance, ProvenReceipt, verify_proof
from tallystick.client.questions.asking import AnswerInvalid, NodeRefused, Unreachable
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import decode_envelope, decode_payload
from tests.ledger.world import SECOND, START, key, transfer
from tests.node.economy import LOG_KEY, Desk, VirtualClock, open_ledger
from tests.node_service.process import NodeProcess, desk_for, node
from tests.node_service.running import EUR, make_ledger, payments


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    path = tmp_path_factory.mktemp("client") / "a.tally"
    desk = desk_for(path)
    desk.path = path  # type: ignore[attr-defined]
    return desk


@pytest.fixture(scope="module")
def running(desk: Desk) -> Iterator[NodeProcess]:
    with node(desk.path, checkpoint_seconds=0.1) as running:  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def client(running: NodeProcess) -> Iterator[Client]:
    with Client(running.url) as client:
        yield client


def pay(desk: Desk, units: int = 1) -> bytes:
    return desk.envelope("alice", transfer("alice", (EUR, "bob", units)))


# A real node.


@pytest.mark.long
def test_a_client_is_a_connection(client, desk):
    connection: Connection = client
    assert connection.ledger_id == desk.ledger.ledger_id
    assert connection.now() >= desk.ledger.now()
    assert connection.account("alice").keys == (key("alice"),)
    assert connection.account("nobody") is None
    assert (connection.asset(EUR).issuer, connection.asset(EUR).kind) == ("bank", "token")
    assert connection.asset("eur@nobody") is None
    before = connection.balance("bob", EUR)
    (settled,) = connection.submit([pay(desk, 5)])
    assert decode_receipt(settled.receipt).postings[0][:3] == ("alice", EUR, "-5")
    assert connection.balance("bob", EUR) == before + 5


@pytest.mark.long
def test_one_and_many_settle_once_each_and_say_why_not(client, desk):
    envelope = pay(desk)
    first, again = client.submit([envelope])[0], client.submit([envelope])[0]
    assert (first.repeated, again.repeated) == (False, True)
    assert first.receipt == again.receipt
    (refused,) = client.submit([pay(desk, 10**15)])
    assert refused.rejection.code is Code.INSUFFICIENT_BALANCE
    mixed = client.submit([pay(desk), pay(desk, 10**15), envelope])
    assert [one.receipt is not None for one in mixed] == [True, False, True]
    assert mixed[1].rejection.code is Code.INSUFFICIENT_BALANCE
    assert mixed[2].receipt == first.receipt
    assert client.submit([]) == []


@pytest.mark.long
def test_more_than_a_batch_settles_in_order(client, desk):
    settled = client.submit(payments(desk, 1_001))
    indexes = [decode_receipt(one.receipt).index for one in settled]
    assert len(indexes) == 1_001
    assert indexes == sorted(indexes)


@pytest.mark.long
def test_what_can_be_asked(client, desk):
    payload = decode_payload(decode_envelope(pay(desk)).payload)
    assert decode_receipt(client.preview(payload)).sender == "alice"
    (settled,) = client.submit([pay(desk)])
    receipt = decode_receipt(settled.receipt)
    assert client.receipt(receipt.id, sender="alice") == settled.receipt
    assert client.entry(receipt.index).receipt["id"] == receipt.id
    assert client.balance("alice", EUR, entry=receipt.index) == int(receipt.postings[0][3])
    assert {name for name, _ in client.accounts()} >= {"alice", "bob", "bank"}
    assert EUR in {asset.id for asset in client.assets()}
    assert {balance.asset for balance in client.balances("alice")} >= {EUR}
    assert client.statistics().accounts == len(list(client.accounts()))
    with pytest.raises(Rejection, match="unknown_account"):
        client.balance("nobody", EUR)
    assert client.hold("1.0") is None
    assert [client.hold(name) for name, _ in client.holds("alice")] == [
        hold for _, hold in client.holds("alice")
    ]
    assert [client.contract(name) for name, _ in client.contracts()] == [one for _, one in client.contracts()]


@pytest.mark.long
def test_pages_add_up_to_the_whole_history(client, desk):
    client.submit([pay(desk) for _ in range(5)])
    whole = list(client.history("alice", asset=EUR, page_size=1_000))
    assert list(client.history("alice", asset=EUR, page_size=2)) == whole
    place = f"{whole[2].index}.{whole[2].n}"
    assert list(client.history("alice", asset=EUR, after=place)) == whole[3:]


@pytest.mark.long
def test_a_history_is_asked_by_time_and_backwards(tmp_path):
    path = tmp_path / "timed.tally"
    desk = make_ledger(path)
    with open_ledger(path, clock=(clock := VirtualClock())) as ledger:
        desk.ledger = ledger
        for seconds in (10, 20, 30):
            clock.time = START + seconds * SECOND
            for _ in range(2):
                desk.do("carol", transfer("carol", (EUR, "dave", 1)))
    path.with_name(path.name + ".logkey").write_text(LOG_KEY.skey + "\n")
    with node(path) as running, Client(running.url) as client:

        def ask(**filters: Any) -> list[Any]:
            return list(client.history("carol", asset=EUR, page_size=2, **filters))

        whole = ask()
        times = [posting.time for posting in whole]
        assert times[-6:] == [START + seconds * SECOND for seconds in (10, 10, 20, 20, 30, 30)]
        assert ask(newest_first=True) == whole[::-1]
        middle = START + 20 * SECOND
        assert ask(since=middle) == whole[-4:]
        assert ask(since=middle + 1) == whole[-2:]
        assert ask(until=middle) == whole[:-2]
        assert ask(until=middle - 1) == whole[:-4]
        assert ask(since=middle, until=middle) == whole[-4:-2]
        assert ask(since=middle, until=middle, newest_first=True) == whole[-4:-2][::-1]
        place = f"{whole[-3].index}.{whole[-3].n}"
        assert ask(newest_first=True, after=place) == whole[:-3][::-1]
        assert ask(since=0) == ask(until=START + 10**12) == whole
        assert ask(since=START + 10**12) == ask(until=START - 1) == []


@pytest.mark.long
def test_proofs_verify_with_the_logs_key_alone(client, desk):
    (settled,) = client.submit([pay(desk)])
    index = decode_receipt(settled.receipt).index
    for event in client.stream(after=index):
        if event.name == "checkpoint":
            break
    vkey = LOG_KEY.verifier.vkey
    proven = verify_proof(client.entry_proof(index), log_key=vkey)
    assert isinstance(proven, ProvenReceipt)
    assert proven.leaf.index == index
    assert isinstance(verify_proof(client.balance_proof("alice", EUR), log_key=vkey), ProvenBalance)


@pytest.mark.long
def test_the_stream_goes_on_where_it_was_left(client):
    first = list(islice(client.stream(after=-1), 4))
    assert [event.index for event in first] == [0, 1, 2, 3]
    assert first[0].name == "genesis"
    assert list(islice(client.stream(after=1), 2)) == first[2:]


@pytest.mark.long
def test_the_asynchronous_client_asks_the_same(running, client, desk):
    async def story() -> Any:
        async with AsyncClient(running.url, ledger_id=desk.ledger.ledger_id) as other:
            settled = await other.submit([pay(desk), pay(desk)])
            (refused,) = await other.submit([pay(desk, 10**15)])
            history = [posting async for posting in other.history("alice", page_size=100)]
            events = []
            async for event in other.stream(after=-1):
                events.append(event)
                if len(events) == 3:
                    break
            return (
                settled,
                refused,
                history,
                events,
                await other.account("alice"),
                await other.balance("bob", EUR),
                await other.account("nobody"),
                [name async for name, _ in other.accounts()],
                [one async for one in other.balances("alice")],
                await other.ledger_id(),
                await other.now() >= desk.ledger.now(),
            )

    settled, refused, history, events, account, balance, *rest = asyncio.run(story())
    assert [decode_receipt(one.receipt).sender for one in settled] == ["alice", "alice"]
    assert refused.rejection.code is Code.INSUFFICIENT_BALANCE
    assert history == list(client.history("alice"))
    assert events == list(islice(client.stream(after=-1), 3))
    assert account == client.account("alice")
    assert balance == client.balance("bob", EUR)
    names = [name for name, _ in client.accounts()]
    assert rest == [None, names, list(client.balances("alice")), client.ledger_id, True]


@pytest.mark.long
def test_another_ledger_than_the_pinned_one_is_refused(running, desk):
    with Client(running.url, ledger_id=desk.ledger.ledger_id) as right:
        assert right.ledger_id == desk.ledger.ledger_id
    with Client(running.url, ledger_id="0" * 64) as wrong, pytest.raises(AnswerInvalid, match="not 0000"):
        _ = wrong.ledger_id


@pytest.mark.long
def test_a_client_that_retries_through_kills_settles_each_payment_once(tmp_path):
    path = tmp_path / "killed.tally"
    desk = desk_for(path)
    envelopes = payments(desk, 120)
    with node(path) as first:
        # The port stays, as it does for a service that is started again.
        first.settings["port"] = int(first.url.rpartition(":")[2])
        outcomes: list[Any] = []

        def submit() -> None:
            with Client(first.url, timeout_seconds=60) as client:
                outcomes.extend(client.submit([envelope])[0] for envelope in envelopes)

        thread = threading.Thread(target=submit)
        thread.start()
        for already in (20, 60):
            while len(outcomes) < already and thread.is_alive():
                thread.join(0.005)
            first.kill()
            first.start()
        thread.join(60)
        assert [one.rejection for one in outcomes] == [None] * 120
        with Client(first.url) as client:
            indexes = [decode_receipt(one.receipt).index for one in outcomes]
            assert len(set(indexes)) == 120
            ids = [event.data["receipt"]["id"] for event in _all(client) if event.data.get("receipt")]
            sent = [decode_payload(decode_envelope(envelope).payload).id for envelope in envelopes]
            assert [ids.count(one) for one in sent] == [1] * 120


def _all(client: Client) -> list[Any]:
    size = client.info().size
    return list(islice(client.stream(after=-1), size))


# Scripted answers, where a node would have to be ill.


def scripted(*answers: Any, timeout_seconds: float = 30.0) -> tuple[Client, list[httpx.Request], list[float]]:
    """A client whose node gives these answers in order; what it asked, and how long it paused."""
    left, asked, pauses = list(answers), [], []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = Client(
        "http://node",
        timeout_seconds=timeout_seconds,
        transport=httpx.MockTransport(handle),
        sleep=pauses.append,
    )
    return client, asked, pauses


def refusal(status: int, error: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": error, "facts": {}, "message": "no"}, headers=headers)


RECEIPT = b'{"index":7,"height":1,"time":1,"id":"i","sender":"alice","postings":[],"events":[],"results":[]}'


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("silence"),
        httpx.RemoteProtocolError("closed"),
        refusal(429, "rate_exceeded"),
        refusal(503, "overloaded"),
        refusal(503, "not_durable"),
        httpx.Response(502, text="<html>a proxy</html>"),
    ],
    ids=str,
)
def test_the_same_bytes_are_sent_again(failure):
    client, asked, pauses = scripted(failure, failure, httpx.Response(200, content=RECEIPT))
    (settled,) = client.submit([b"envelope"])
    assert settled.receipt == RECEIPT
    assert [request.content for request in asked] == [b"envelope"] * 3
    assert len(pauses) == 2


@pytest.mark.parametrize("failure", [refusal(503, "stopped"), refusal(500, "internal"), refusal(404, "x")])
def test_what_waiting_does_not_help_is_told_at_once(failure):
    client, asked, _ = scripted(failure)
    with pytest.raises(NodeRefused):
        client.submit([b"envelope"])
    assert len(asked) == 1


def test_a_rejection_is_an_outcome_and_not_tried_again():
    client, asked, _ = scripted(refusal(422, "insufficient_balance"))
    (settled,) = client.submit([b"envelope"])
    assert settled.rejection.code is Code.INSUFFICIENT_BALANCE
    assert len(asked) == 1


@pytest.mark.parametrize("code", ["leg_not_open", "a_code_of_tomorrow"])
def test_what_a_contract_refuses_is_a_rejection_alone_and_in_a_batch(code):
    client, asked, _ = scripted(refusal(422, code))
    (alone,) = client.submit([b"envelope"])
    settled = {"repeated": False, "receipt": json.loads(RECEIPT)}
    refused = {"error": code, "facts": {"leg": "1"}, "message": ""}
    client, asked_together, _ = scripted(httpx.Response(200, json=[settled, refused]))
    _, together = client.submit([b"1", b"2"])
    assert [one.rejection.code.value for one in (alone, together)] == [code, code]
    assert together.rejection.facts == {"leg": "1"}
    assert (len(asked), len(asked_together)) == (1, 1)


def test_the_two_clients_ask_the_same():
    def asked(client: type) -> set[str]:
        return {name for name in vars(client) if not name.startswith("_")}

    assert asked(Client) == asked(AsyncClient)


def test_retry_after_is_the_least_pause_and_pauses_double():
    client, _, pauses = scripted(
        refusal(503, "overloaded", **{"retry-after": "3"}),
        *[refusal(503, "overloaded")] * 3,
        httpx.Response(200, content=RECEIPT),
    )
    client.submit([b"envelope"])
    assert pauses[0] == 3.0
    assert [low <= pause <= 2 * low for low, pause in zip((0.05, 0.1, 0.2), pauses[1:], strict=True)] == [
        True
    ] * 3


def test_the_deadline_ends_it_and_says_that_sending_again_is_safe():
    client, asked, _ = scripted(refusal(503, "overloaded", **{"retry-after": "2"}), timeout_seconds=1.5)
    with pytest.raises(NodeRefused, match="overloaded") as caught:
        client.submit([b"envelope"])
    assert "settles once" in caught.value.hint
    assert len(asked) == 1
    client, _, _ = scripted(httpx.ConnectError("refused"), timeout_seconds=0)
    with pytest.raises(Unreachable):
        client.submit([b"envelope"])


def test_of_a_batch_only_what_is_undecided_is_sent_again():
    settled = {"repeated": False, "receipt": json.loads(RECEIPT)}
    put_off = {"error": "rate_exceeded", "facts": {}, "message": ""}
    refused = {"error": "insufficient_balance", "facts": {"short_units": "1"}, "message": ""}
    client, asked, _ = scripted(
        httpx.Response(200, json=[settled, put_off, refused, put_off]),
        httpx.Response(200, json=[settled, settled]),
    )
    outcomes = client.submit([b"1", b"2", b"3", b"4"])
    assert [request.content for request in asked] == [b"[1,2,3,4]", b"[2,4]"]
    assert [one.rejection is None for one in outcomes] == [True, True, False, True]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'[{"receipt":{}}]', b'[{"repeated":false}]', b"[1]"]
)
def test_nonsense_is_no_receipt(body):
    client, _, _ = scripted(httpx.Response(200, content=body))
    with pytest.raises(AnswerInvalid):
        client.submit([b"1"])
    client, _, _ = scripted(httpx.Response(200, content=body))
    with pytest.raises(AnswerInvalid):
        client.submit([b"1", b"2"])


def test_a_stream_that_leaves_an_entry_out_is_refused():
    reader = EventReader(4)
    assert [reader.take(line) for line in ("id: 5", "event: timers", 'data: {"index": 5}')] == [None] * 3
    assert reader.take("").index == 5
    for line in ("id: 7", "data: {}"):
        reader.take(line)
    with pytest.raises(AnswerInvalid, match="entry 7 after entry 5"):
        reader.take("")


def test_a_stream_is_taken_up_after_the_last_entry_seen():
    def events(*indexes: int) -> httpx.Response:
        return httpx.Response(200, text="".join(f"id: {i}\nevent: timers\ndata: {{}}\n\n" for i in indexes))

    client, asked, _ = scripted(events(3, 4), httpx.ConnectError("gone"), events(5))
    assert [event.index for event in islice(client.stream(after=2), 3)] == [3, 4, 5]
    assert [request.url.params["after"] for request in asked] == ["2", "4", "4"]


@pytest.mark.parametrize("url", ["ledger.tally", "ftp://node", "http://"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ClientError, match="no URL"):
        Client(url)


@pytest.mark.parametrize("name", ["a/../b", "a b", "ä", "a?b"])
def test_a_name_cannot_leave_its_place_in_the_path(name):
    client, asked, _ = scripted(refusal(404, "unknown_account"))
    assert client.account(name) is None
    assert asked[0].url.path == f"/v1/accounts/{name}"
    assert b"?" not in asked[0].url.raw_path
    assert asked[0].url.raw_path.count(b"/") == 3
