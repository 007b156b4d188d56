"""Streams by hand: a salary locked up, a flow with its buffer, and who may take what."""

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    lines = [
        "asset issue eur@bank alice 10000",
        "contract deploy streams stream --account bank --arg buffer_seconds=60",
    ]
    return Desk(tmp_path).start("alice", "bob", then=lines)


def test_a_lockup_is_listed_and_refunded(desk):
    desk("stream lock streams alice bob 1200.00 eur@bank --until 365d --cliff 90d --at-cliff 300.00")
    (shown,) = desk.jsonl("stream list streams bob")
    assert (shown["of"], shown["streamed"]) == ("1200.00 eur@bank", "0.00 eur@bank")
    nothing = desk.fails("stream withdraw streams 1 bob", exit_code=2)
    assert "hint:" in nothing.stderr
    desk("stream refund streams 1 alice")
    assert desk.units("alice") == 1_000_000
    assert desk.jsonl("stream list streams bob") == []


def test_what_streams_while_it_is_asked_for_is_refunded_without_knowing_how_much(desk):
    desk("stream lock streams alice bob 5000.00 eur@bank --until 1h")
    desk("stream flow streams alice bob 5.00 eur@bank --every 1m --with 5000.00")
    desk("stream refund streams 1 alice")
    desk("stream refund streams 2 alice")
    assert desk.units("alice") > 990_000


def test_one_for_good_cannot_be_taken_back(desk):
    desk("stream lock streams alice bob 100.00 eur@bank --until 1d --for-good")
    desk.refused("stream refund streams 1 alice 100.00", code="stream.not_cancelable")
    desk("stream lock streams alice bob 100.00 eur@bank --until 1d")
    desk("stream renounce streams 2 alice")
    desk.refused("stream refund streams 2 alice 100.00", code="stream.not_cancelable")
    desk("stream void streams 2 bob")
    assert desk.units("alice") >= 1_000_000 - 10_000 - 1


def test_a_flow_keeps_its_buffer(desk):
    desk("stream flow streams alice bob 0.01 eur@bank --every 1h --with 5.00")
    desk("stream top-up streams 1 alice 1.00")
    desk("stream refund streams 1 alice 2.00")
    desk.refused("stream refund streams 1 alice 4.00", code="stream.streamed_exceeded")
    desk.refused("stream stop streams 1 bob", code="stream.not_its_sender")
    desk("stream stop streams 1 alice")
    desk("stream void streams 1 bob")


def test_words_that_do_not_go_together(desk):
    desk.fails("stream lock streams alice bob 1.00 eur@bank --until 1d --at-cliff 1.00", exit_code=2)
    desk.refused("stream list bank alice", code="unknown_contract")
    desk.refused("stream withdraw streams 7 bob", code="stream.no_such_stream")
