"""Everyone leaves a contract, by its own exits."""

import pytest
from msgspec.structs import replace

from tallystick.stress.leaving import Leaver, everyone_leaves
from tallystick.stress.scenario import ScenarioInvalid
from tests.ledger.world import call, deploy, issue
from tests.stress.street import ALDER, PERK, RESERVE, Street


@pytest.fixture
def street():
    return Street()


def leave(street, contract, **more):
    before = dict(street.store.values)
    found = everyone_leaves(street.store, street.kinds, contract, index=street.index, **more)
    assert street.store.values == before
    return found


def test_a_pool_pays_everybody_their_part_of_both_reserves(street):
    street.pool(10_000, 40_000)
    street.do("alder", issue("alder", (PERK, "alder.desk", 20_000)))
    street.do("cb", issue("cb", (RESERVE, "alder.desk", 5_000)))
    spend = [(RESERVE, 5_000), (PERK, 20_000)]
    street.do("alder.desk", call("alder.desk", "pool", "mint", units_0=5_000, units_1=20_000, spend=spend))
    found = leave(street, "pool")
    # The first thousand shares are locked for ever, and what stands behind them stays.
    assert found.leavers == (
        Leaver("alder.desk", ((PERK, 20_000), (RESERVE, 5_000)), (0,), (), (), ""),
        Leaver("alice", ((PERK, 38_000), (RESERVE, 9_500)), (0,), (), (), ""),
    )
    assert (found.out, found.transactions) == (2, 2)


def test_whoever_owes_or_comes_late_stays_inside_and_why_is_told(street):
    street.deposit("alder", "bob", 1_000)
    street.do("alice", call("alice", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))
    street.do("bob", call("bob", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))
    street.do("alice", call("alice", "till", "borrow", units=300))
    found = leave(street, "till", days=3)
    assert [(one.account, one.inside, one.owes, one.why) for one in found.leavers] == [
        ("alice", ((ALDER, 1_000),), ((ALDER, 300),), "unknown_method"),
        ("bob", ((ALDER, 1_000),), (), "unknown_method"),
    ]
    assert found.out == 0


def custody(street):
    """vault-co keeps alice's and birch's deposits at alder one for one: 900 and 600."""
    kept = [{"asset": ALDER, "code": "kept"}]
    made = deploy("vault", "safe", "custody", institution="vault-co", custodian="vault", kept=kept)
    street.do("vault", replace(made, obligor="vault-co"))
    street.deposit("alder", "birch", 600)
    for who, units in (("alice", 900), ("birch", 600)):
        street.do(who, call(who, "safe", "deposit", asset=ALDER, units=units, spend=[(ALDER, units)]))


def test_whoever_has_receipts_that_a_contract_issued_leaves_it_with_what_they_stand_for(street):
    custody(street)
    found = leave(street, "safe")
    assert [(one.account, one.got, one.inside) for one in found.leavers if one.account != "vault"] == [
        ("alice", ((ALDER, 900),), ()),
        ("birch", ((ALDER, 600),), ()),
    ]


def test_a_bank_that_is_short_takes_back_what_lies_in_custody_and_calls_it(street):
    custody(street)
    street.drain("birch", 20_500)  # 9,500 are left for bob's 10,000
    outcome = street.drill("birch-bank")
    assert [(one.contract, one.got) for one in outcome.left] == [("safe", ((ALDER, 600),))]
    assert outcome.failures == ()


def test_a_contract_that_holds_shares_of_another_asks_for_nothing(street):
    for name in ("inner", "outer"):
        street.basket(name)
    street.put_in("alice", "inner", ALDER, 600)
    street.put_in("alice", "outer", "share@inner", 200)
    found = leave(street, "inner")
    assert [(one.account, one.got, one.why) for one in found.leavers] == [
        ("alice", ((ALDER, 400),), ""),
        ("outer", (), "a contract asks for nothing"),
    ]
    assert leave(street, "outer").leavers[0].got == (("share@inner", 200),)


def test_the_same_exodus_has_the_same_hash_and_an_empty_contract_nobody_in_it(street):
    street.basket("chest")
    assert (leave(street, "chest").leavers, leave(street, "chest").out) == ((), 0)
    street.put_in("alice", "chest", ALDER, 600)
    first = leave(street, "chest")
    assert first.hash == leave(street, "chest").hash
    assert first.document()["participants"] == 1


def test_what_is_no_contract_is_refused(street):
    with pytest.raises(ScenarioInvalid) as refused:
        leave(street, "nowhere")
    assert refused.value.errors == ("'nowhere' is neither an institution nor a contract",)
    assert leave(street, "till").leavers == ()
