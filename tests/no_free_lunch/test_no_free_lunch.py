from collections import Counter
from itertools import permutations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.no_free_lunch.harness import (
    ACTOR,
    OTHERS,
    FreeLunch,
    act,
    check_backed,
    check_no_free_lunch,
    leave,
    move_lists,
    one_move,
)
from tests.no_free_lunch.settings import PLANTED, SETTINGS

PROVIDERS = (ACTOR, *OTHERS)


def search(setting, *, effort=2, most=12, phases=tuple(Phase)):
    """Look for a free lunch; raise one that is found. Return how often each move went through."""
    market = setting.market()
    went = Counter()

    @settings(max_examples=effort * settings().max_examples, phases=phases, report_multiple_bugs=False)
    @given(move_lists(setting.venues, most=most))
    def property_holds(moves):
        went.update(check_no_free_lunch(market, setting, moves))

    property_holds()
    return went


@pytest.mark.parametrize("name", SETTINGS)
def test_no_sequence_of_one_actors_calls_is_a_free_lunch(name):
    search(SETTINGS[name])


@pytest.mark.long
@pytest.mark.parametrize("name", SETTINGS)
def test_a_longer_search_finds_none_and_tries_every_move(name):
    # The search means nothing where the moves are refused: each of them must have gone through. Which lists
    # Hypothesis draws depends on the modules that other tests loaded, so it may take a longer search.
    venues = SETTINGS[name].venues
    moves = {f"{venue.contract}.{move}" for venue in venues for move in venue.moves if move != "wait"}
    missed = moves
    for effort in (10, 60):
        missed = missed - search(SETTINGS[name], effort=effort).keys()
        if not missed:
            return
    assert len(missed) <= (len(moves) // 5 if len(venues) > 1 else 0), missed


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if setting.found_late else name
        for name, setting in PLANTED.items()
    ],
)
def test_a_planted_bug_is_found(name):
    # As above, which lists are drawn is chance: a longer search finds what a short one missed.
    for effort in (8, 32, 128):
        try:
            search(PLANTED[name], effort=effort, phases=[Phase.generate])
        except FreeLunch:
            return
    pytest.fail("the bug was not found")


# Conservation and backing, whoever calls.


@pytest.mark.parametrize("name", SETTINGS)
def test_conservation_and_backing_hold_after_every_step_of_anybodys_calls(name):
    # `World` checks the ledger's invariants over the whole state after each of these transactions.
    setting = SETTINGS[name]
    market = setting.market()
    steps = st.lists(st.tuples(st.sampled_from(PROVIDERS), one_move(setting.venues)), min_size=4, max_size=16)
    went = Counter()

    @settings(max_examples=settings().max_examples * 2 // 5)
    @given(steps)
    def property_holds(steps):
        with market.forked():
            for who, ((index, move), first, second) in steps:
                venue = setting.venues[index]
                if act(market, venue.moves[move](market, who, first, second), by=who):
                    went[who] += 1
                    check_backed(market)

    property_holds()
    assert went.keys() == set(PROVIDERS)


# Everyone leaves.


@pytest.mark.parametrize("name", SETTINGS)
def test_everyone_leaves_in_the_worst_order_and_is_paid_what_was_promised(name):
    venues = SETTINGS[name].venues
    market = SETTINGS[name].market()
    for venue in venues:
        if "add" in venue.moves:
            market.world.do(ACTOR, *venue.moves["add"](market, ACTOR, 777_777, 333_333))

    @settings(max_examples=settings().max_examples // 5)
    @given(move_lists(venues, most=8))
    def property_holds(moves):
        with market.forked():
            _play(market, venues, moves)
            promised = {who: _promised(market, venues, who) for who in PROVIDERS}
            for order in permutations(PROVIDERS):
                with market.forked():
                    for who in order:
                        paid = sum((leave(market, who, venue) for venue in venues), Counter())
                        short = promised[who] - paid
                        assert not short, f"{who} left {order.index(who) + 1}th and lacks {short}"
                        check_backed(market)

    property_holds()


def _play(market, venues, moves):
    for (index, name), first, second in moves:
        if name not in ("remove", "give"):
            act(market, venues[index].moves[name](market, ACTOR, first, second))


def _promised(market, venues, who):
    ways = [way for venue in venues for way in market.view(venue.contract, "exits", account=who)]
    promised = Counter()
    for way in ways:
        promised[way.asset] += way.units_now
    return promised
