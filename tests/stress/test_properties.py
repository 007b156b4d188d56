"""Whatever network, whatever run: nothing is created, nobody gets more than it asked for, and it repeats."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.credit_world import RESERVE, CreditWorld
from tallystick.ledger.invariants import check_state
from tallystick.protocol import KINDS
from tallystick.stress.drill import Drill, run_drill
from tallystick.stress.scenario import Lender, Scenario

_scenarios = st.builds(
    Scenario,
    targets=st.sampled_from([(), ("bank-0000",), ("bank-0001", "bank-0003")]),
    withdraw_ppm=st.lists(st.integers(0, 300_000), min_size=1, max_size=3).map(tuple),
    horizon_days=st.integers(3, 9),
    calls_claims=st.booleans(),
    lender_of_last_resort=st.none() | st.builds(Lender, st.just("cb"), st.integers(0, 1_000_000)),
)


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), _scenarios)
def test_a_drill_creates_nothing_and_pays_nobody_more_than_it_asked_for(seed, scenario):
    world = CreditWorld(banks=5, holders=12, seed=seed)
    before = dict(world.store.values)
    drill = Drill(world.store, KINDS, scenario)
    outcome = drill.run()
    assert world.store.values == before
    fork = drill.ground.fork.overlay
    values = {**before, **fork.writes}
    check_state({key: value for key, value in values.items() if value is not None})
    lent = sum(one.units for one in outcome.loans)
    assert -fork.get(("balance", "cb", RESERVE)) == -before["balance", "cb", RESERVE] + lent
    for one in outcome.claims:
        assert one.paid + one.unpaid + one.waits == one.asked
        assert one.got == one.paid == sum(units for _, units in one.payments)
    # Who did not fail left nothing unpaid, and who failed kept no cash.
    owing = {one.obligor for one in outcome.claims if one.unpaid and not one.refused}
    assert owing <= {one.institution for one in outcome.failures}
    for name in owing:
        assert fork.get(("balance", name, RESERVE)) is None
    assert run_drill(world.store, KINDS, scenario).hash == outcome.hash
