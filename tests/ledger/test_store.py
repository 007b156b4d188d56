"""The store and its overlays against one sorted dictionary, under any sequence of writes."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.ledger.store import Key, Overlay, SortedKeys, State, Store, is_ordered, scan

NAMES = ["a!", "b!", "timer"]
keys = st.tuples(st.sampled_from(NAMES), st.sampled_from(["x", "y"]), st.integers(0, 9))
writes = st.dictionaries(keys, st.none() | st.integers(0, 3), max_size=12)
layers = st.lists(writes, min_size=1, max_size=4)


def merged(parts: list[dict[Key, int | None]]) -> dict[Key, int]:
    """Return what the layers amount to, one upon another."""
    model: dict[Key, int] = {}
    for part in parts:
        for key, value in part.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
    return model


def stacked(parts: list[dict[Key, int | None]]) -> State:
    """Return a store with the first part, and an overlay upon it for each further one."""
    store = Store()
    store.write(dict(parts[0]))
    state: State = store
    for part in parts[1:]:
        state = Overlay(state)
        for key, value in part.items():
            state.put(key, value)
    return state


def check_equal(state: State, model: dict[Key, int]) -> None:
    """Check every read that the state answers against the model."""
    for name in NAMES:
        listed = sorted(key for key in model if key[0] == name)
        assert list(scan(state, (name,))) == listed
        assert list(scan(state, (name,), start=(name, "z"), reverse=True)) == listed[::-1]
        for letter in ("w", "x", "y", "z"):
            below = [key for key in listed if key[1] == letter]
            assert list(scan(state, (name, letter))) == below
            for number in range(-1, 11):
                start = (name, letter, number)
                ahead = [key for key in listed if key >= start]
                behind = [key for key in listed if key <= start]
                for inclusive in (True, False):
                    right = [key for key in ahead if inclusive or key != start]
                    left = [key for key in behind if inclusive or key != start]
                    assert state.next_key(name, start, inclusive=inclusive) == min(right, default=None)
                    assert state.previous_key(name, start, inclusive=inclusive) == max(left, default=None)
                assert list(scan(state, (name, letter), start=start)) == [
                    key for key in below if key >= start
                ]
                assert list(scan(state, (name, letter), start=start, reverse=True)) == [
                    key for key in reversed(below) if key <= start
                ]
                assert state.get(start) == model.get(start)


@given(layers)
def test_nested_overlays_read_like_one_dictionary(parts: list[dict[Key, int | None]]) -> None:
    check_equal(stacked(parts), merged(parts))


@given(layers)
def test_merging_overlays_changes_no_answer(parts: list[dict[Key, int | None]]) -> None:
    state = stacked(parts)
    while isinstance(state, Overlay) and isinstance(state.parent, Overlay):
        state.parent.merge(state)
        state = state.parent
    check_equal(state, merged(parts))
    if isinstance(state, Overlay):
        assert isinstance(state.parent, Store)
        state.parent.write(state.writes)
        check_equal(state.parent, merged(parts))


@given(layers, st.lists(writes, max_size=3))
def test_dropping_overlays_changes_no_answer(
    parts: list[dict[Key, int | None]], dropped: list[dict[Key, int | None]]
) -> None:
    state = stacked(parts)
    for part in dropped:
        upper = Overlay(state)
        for key, value in part.items():
            upper.put(key, value)
        check_equal(upper, merged([*parts, part]))
    check_equal(state, merged(parts))


@given(layers, st.lists(st.tuples(st.booleans(), keys, st.none() | st.integers(0, 3)), max_size=20))
def test_answers_stay_right_between_writes(
    parts: list[dict[Key, int | None]], steps: list[tuple[bool, Key, int | None]]
) -> None:
    # Scans remember what they stepped over; writes in between must not make them remember wrongly.
    state = Overlay(stacked(parts))
    model = merged(parts)
    for backwards, key, value in steps:
        state.put(key, value)
        model = merged([model, {key: value}])
        listed = sorted(one for one in model if one[0] == key[0])
        if backwards:
            start = (key[0], "z")
            assert list(scan(state, (key[0],), start=start, reverse=True)) == listed[::-1]
        else:
            assert list(scan(state, (key[0],))) == listed


@settings(max_examples=20)
@given(layers, st.data())
def test_a_scan_meets_what_is_written_ahead_of_it(
    parts: list[dict[Key, int | None]], data: st.DataObject
) -> None:
    state = Overlay(stacked(parts))
    model = merged(parts)
    seen: list[Key] = []
    for key in scan(state, ("a!",)):
        assert seen == [] or key > seen[-1]
        assert model.get(key) is not None
        seen.append(key)
        write = data.draw(st.none() | st.tuples(keys, st.none() | st.integers(0, 3)))
        if write is not None and write[0][0] == "a!":
            state.put(*write)
            model = merged([model, {write[0]: write[1]}])
    for key in model:
        # Whatever still lies behind the last step was met, unless it was written after it was passed.
        assert key[0] != "a!" or key in seen or (seen and key < seen[-1])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200), st.integers(-1, 41))
def test_sorted_keys_are_a_sorted_set(steps: list[tuple[bool, int]], asked: int) -> None:
    index = SortedKeys()
    model: set[int] = set()
    for add, number in steps:
        if add and number not in model:
            index.add((number,))
            model.add(number)
        elif not add and number in model:
            index.remove((number,))
            model.remove(number)
    for inclusive in (True, False):
        ahead = [n for n in model if n > asked or (inclusive and n == asked)]
        behind = [n for n in model if n < asked or (inclusive and n == asked)]
        assert index.next((asked,), inclusive=inclusive) == ((min(ahead),) if ahead else None)
        assert index.previous((asked,), inclusive=inclusive) == ((max(behind),) if behind else None)


def test_sorted_keys_over_many_chunks() -> None:
    chooser = random.Random(7)
    index = SortedKeys((number,) for number in range(0, 6_000, 2))
    model = set(range(0, 6_000, 2))
    for _ in range(20_000):
        number = chooser.randrange(-5, 6_005)
        if number in model:
            index.remove((number,))
            model.remove(number)
        else:
            index.add((number,))
            model.add(number)
    ordered = [(number,) for number in sorted(model)]
    walked, at = [], index.next((-10,), inclusive=True)
    while at is not None:
        walked.append(at)
        at = index.next(at, inclusive=False)
    assert walked == ordered
    assert [key for chunk in index.chunks for key in chunk] == ordered
    assert index.lasts == [chunk[-1] for chunk in index.chunks]
    assert all(index.chunks)
    back, at = [], index.previous((9_999,), inclusive=True)
    while at is not None:
        back.append(at)
        at = index.previous(at, inclusive=False)
    assert back == ordered[::-1]


def test_only_timers_and_contracts_tables_are_ordered() -> None:
    assert [name for name in ("timer", "pool-1!", "balance", "id", "hold") if is_ordered(name)] == [
        "timer",
        "pool-1!",
    ]


def test_what_an_overlay_accumulates_goes_or_stays_as_one() -> None:
    below = Overlay(Store())
    upper = Overlay(below)
    upper.put(("a!", "x", 1), 1)
    upper.postings.append(("alice", "eur@bank", 1, 1))
    upper.events.append(("p", "done", {}))
    upper.obligations["p", "eur@bank"] = 5
    assert (upper.open_obligations(), below.open_obligations()) == ({("p", "eur@bank"): 5}, {})
    assert (below.writes, below.postings, below.events) == ({}, [], [])
    below.merge(upper)
    assert below.get(("a!", "x", 1)) == 1
    assert (len(below.postings), len(below.events), below.obligation(("p", "eur@bank"))) == (1, 1, 5)
