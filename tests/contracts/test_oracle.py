import pytest

from tallystick.contracts.oracle import SOURCES_MAX, VALUE_MAX, Refusal, Track
from tallystick.ledger import transactions as tx
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts import feeds
from tests.contracts.feeds import REPORTERS, SCALE, deploy_oracle, source
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, START, call

GOLD, EUR = f"gold@{ISSUER}", f"eur@{ISSUER}"
ORACLE = "gold-price"
SIDES = {"asset_in": GOLD, "asset_out": EUR}


@pytest.fixture
def market():
    """Two of three reporters within 5%, reports good for an hour."""
    return redeployed()


def report(market, *values, ago=0):
    feeds.report(market, ORACLE, *values, ago=ago)


def price(market, **needs):
    return market.view(ORACLE, "price", **SIDES, **needs)


def refused(market, **needs):
    with pytest.raises(Rejection) as found:
        price(market, **needs)
    return found.value


def redeployed(**parameters):
    """Return a new market with an oracle of other parameters."""
    market = Market(accounts=("alice", "admin", "vault"))
    market.fund(10**12, GOLD, EUR)
    deploy_oracle(market, ORACLE, **({"base": GOLD, "quote": EUR} | parameters))
    return market


# The median, its quorum and its age.


def test_the_price_is_the_median_with_its_quorum_and_the_time_of_its_oldest_report(market):
    report(market, 60 * SCALE, ago=50)
    market.call("feed-2", ORACLE, "report", value=62 * SCALE, observed=START)
    market.call("feed-3", ORACLE, "report", value=61 * SCALE, observed=START - 9 * SECOND)
    assert price(market) == OraclePrice(2 * 61 * SCALE, 2 * SCALE, START - 50 * SECOND, 3)


def test_the_middle_of_two_reports_is_exact(market):
    report(market, 60, 61)
    assert price(market) == OraclePrice(121, 2 * SCALE, START, 2)


def test_a_price_asked_the_other_way_round_is_the_inverse(market):
    report(market, 60 * SCALE, 60 * SCALE)
    told = market.view(ORACLE, "price", asset_in=EUR, asset_out=GOLD)
    assert (told.numerator, told.denominator) == (2 * SCALE, 2 * 60 * SCALE)


def test_one_liar_of_three_moves_the_price_no_further_than_an_honest_report(market):
    report(market, 100, 102, 10**9)
    assert price(market) == OraclePrice(204, 2 * SCALE, START, 2)
    report_again = market.world.time = START + SECOND
    report(market, 100, 102, 1)
    assert price(market) == OraclePrice(200, 2 * SCALE, report_again, 2)


def test_no_price_before_a_quorum_has_reported(market):
    report(market, 100)
    found = refused(market)
    assert (found.code, found.facts) == (Refusal.QUORUM_MISSED, {"reported": "1", "quorum": "2"})
    market.call("feed-2", ORACLE, "report", value=100, observed=START)
    assert price(market).quorum == 2


def test_reports_that_disagree_are_no_price_and_within_the_bound_they_are(market):
    # The median of two is their middle: 5% of it is as far as each may be.
    report(market, 95_000, 105_000)
    assert price(market).numerator == 200_000
    market.world.time += SECOND
    report(market, 94_999, 105_001)
    found = refused(market)
    assert found.code is Refusal.SOURCES_DISAGREE
    assert found.facts == {"agree": "0", "quorum": "2", "spread_ppm_max": "50000"}


def test_a_report_counts_until_it_is_stale_and_no_longer(market):
    report(market, 100, 100)
    market.world.time = START + 3_600 * SECOND
    assert price(market).time == START
    market.world.time += 1
    found = refused(market)
    assert found.code is Refusal.STALE
    assert found.facts == {"fresh": "0", "quorum": "2", "freshness_seconds": "3600"}


def test_a_consumer_is_refused_without_the_freshness_and_quorum_it_needs(market):
    report(market, 100, 100)
    market.world.time = START + 60 * SECOND
    assert price(market, freshness_seconds=60, quorum=2).quorum == 2
    assert refused(market, freshness_seconds=59, quorum=2).code is Refusal.STALE
    assert refused(market, freshness_seconds=60, quorum=3).code is Refusal.QUORUM_MISSED
    report(market, 100, 100, 100)
    assert price(market, freshness_seconds=1, quorum=3).quorum == 3
    assert refused(market, freshness_seconds=-1).code is Refusal.NEEDS_INVALID
    assert refused(market, quorum=-1).code is Refusal.NEEDS_INVALID


def test_a_consumer_cannot_ask_for_less_than_the_oracle_demands(market):
    report(market, 100)
    assert refused(market, quorum=1).code is Refusal.QUORUM_MISSED
    market.call("feed-2", ORACLE, "report", value=100, observed=START)
    market.world.time = START + 3_601 * SECOND
    assert refused(market, freshness_seconds=10**6).code is Refusal.STALE


def test_other_assets_have_no_price(market):
    report(market, 100, 100)
    for sides in ((GOLD, GOLD), (EUR, EUR), (GOLD, "none@none")):
        with pytest.raises(Rejection) as found:
            market.view(ORACLE, "price", asset_in=sides[0], asset_out=sides[1])
        assert found.value.code is Refusal.WRONG_ASSET


def test_latest_says_why_there_is_no_price_and_refuses_nothing(market):
    assert market.view(ORACLE, "latest").refusal == "oracle.quorum_missed"
    report(market, 100, 101)
    told = market.view(ORACLE, "latest")
    assert (told.numerator, told.denominator, told.time, told.quorum, told.refusal) == (
        201,
        2 * SCALE,
        START,
        2,
        "",
    )


# Reports.


def test_only_a_source_reports(market):
    found = market.refused("alice", ORACLE, "report", value=100, observed=START)
    assert (found.code, found.facts) == (Refusal.NOT_A_SOURCE, {"caller": "alice"})


@pytest.mark.parametrize(("value", "fine"), [(0, 1), (-1, 1), (VALUE_MAX + 1, VALUE_MAX)])
def test_a_value_is_positive_and_fits(market, value, fine):
    found = market.refused("feed-1", ORACLE, "report", value=value, observed=START)
    assert found.code is Refusal.VALUE_INVALID
    market.call("feed-1", ORACLE, "report", value=fine, observed=START)


def test_a_value_outside_the_bounds_is_refused_and_at_them_taken():
    market = redeployed(least=50, most=200)
    for value, fine in ((49, 50), (201, 200)):
        market.world.time += SECOND
        found = market.refused("feed-1", ORACLE, "report", value=value, observed=market.world.time)
        assert found.facts == {"value": str(value), "least": "50", "most": "200"}
        market.call("feed-1", ORACLE, "report", value=fine, observed=market.world.time)


def test_a_report_is_not_from_the_future_nor_stale_nor_older_than_the_last(market):
    stale = START - 3_600 * SECOND
    for observed, fine in ((stale, stale + 1), (stale + 1, stale + 2), (START + 1, START)):
        found = market.refused("feed-1", ORACLE, "report", value=100, observed=observed)
        assert found.code is Refusal.OBSERVED_INVALID
        market.call("feed-1", ORACLE, "report", value=100, observed=fine)


def test_anybody_may_carry_reports_that_their_sources_signed(market):
    world = market.world
    reports = [call(name, ORACLE, "report", value=100, observed=START) for name in REPORTERS]
    assert world.do("alice", *reports).results == ["1", "2", "3"]
    unsigned = [call(name, ORACLE, "report", value=200, observed=START + 1) for name in REPORTERS]
    world.time += SECOND
    assert world.refused("alice", *unsigned, signers=world.signers_of("alice")).code is Code.UNAUTHORISED


def test_a_reporters_record_is_kept(market):
    report(market, 100, 100)
    market.world.time = START + 600 * SECOND
    report(market, 100, 100, 130)
    market.world.time = START + 700 * SECOND
    report(market, 100, 100)
    # The first report of all could be compared with nothing.
    assert market.view(ORACLE, "record", source="feed-1") == Track(
        reports=3, judged=2, far=0, furthest_ppm=0, silent_seconds=600, first=START, last=market.world.time
    )
    liar = market.view(ORACLE, "record", source="feed-3")
    assert (liar.reports, liar.judged, liar.far, liar.furthest_ppm) == (1, 1, 1, 300_000)
    with pytest.raises(Rejection) as found:
        market.view(ORACLE, "record", source="nobody")
    assert found.value.code is Refusal.UNKNOWN_SOURCE


def test_sources_are_told_with_what_they_said_last(market):
    report(market, 100, 101)
    first, _, third = market.view(ORACLE, "sources")
    assert (first.name, first.kind, first.value, first.observed, first.counts) == (
        "feed-1",
        "market",
        100,
        START,
        True,
    )
    assert (third.value, third.counts, third.record) == (0, False, Track())


# Kinds of source.


def test_any_account_of_an_institution_speaks_for_it_and_nobody_else():
    market = redeployed(sources=[source("vault-ag", "institution")], quorum=1)
    world = market.world
    world.do("vault", tx.FoundInstitution(account="vault", name="vault-ag", roles=("custodian",)))
    told = {"value": 100, "observed": START, "reference": "sha256:1f3a"}
    assert market.refused("alice", ORACLE, "report", **told).code is Refusal.NOT_A_SOURCE
    market.call("vault", ORACLE, "report", **told)
    assert price(market).quorum == 1
    world.do("vault", tx.JoinInstitution(account="alice", institution="vault-ag"))
    world.time += SECOND
    market.call("alice", ORACLE, "report", value=103, observed=world.time)
    assert price(market).numerator == 206


def test_a_reference_is_short_and_printable(market):
    told = {"value": 100, "observed": START}
    assert market.refused("feed-1", ORACLE, "report", **told, reference=" x").code is Code.NAME_INVALID
    market.call("feed-1", ORACLE, "report", **told, reference="nav-2027-01-14.pdf")


def test_a_device_counts_after_it_is_registered_and_until_it_is_removed():
    meters = [source("feed-1", "device", reference="SN-1"), source("feed-2", "device", reference="SN-2")]
    market = redeployed(
        base="kWh", quote="EUR", sources=meters, quorum=1, registrar="admin", delay_seconds=7_200
    )
    added = {"source": source("feed-3", "device", reference="SN-3")}
    assert market.refused("alice", ORACLE, "add_source", **added).code is Refusal.NOT_ITS_ADMIN
    since = int(market.call("admin", ORACLE, "add_source", **added))
    assert since == START + 7_200 * SECOND
    market.world.time = since - 1
    early = market.refused("feed-3", ORACLE, "report", value=5, observed=since - 1)
    assert early.facts == {"caller": "feed-3", "since": str(since), "until": "0"}
    market.world.time = since
    market.call("feed-3", ORACLE, "report", value=5, observed=since)
    until = int(market.call("admin", ORACLE, "remove_source", name="feed-3"))
    market.world.time = until - 1
    market.call("feed-3", ORACLE, "report", value=5, observed=until - 1)
    market.world.time = until
    assert market.refused("feed-3", ORACLE, "report", value=5, observed=until).code is Refusal.NOT_A_SOURCE
    with pytest.raises(Rejection) as found:
        market.view(ORACLE, "price", asset_in="kWh", asset_out="EUR")
    assert found.value.code is Refusal.QUORUM_MISSED


def deploy_pool(market, units_0=1_000_000, units_1=60_000_000):
    market.deploy("pool", "constant_product_pool", asset_0=GOLD, asset_1=EUR)
    market.call(
        "alice",
        "pool",
        "mint",
        spend={GOLD: units_0, EUR: units_1},
        units_0=units_0,
        units_1=units_1,
    )


@pytest.fixture
def with_pool():
    """Two reporters and a pool's price over ten minutes; two must agree."""
    sources = [source("feed-1"), source("feed-2"), source("pool", "pool", window_seconds=600)]
    market = redeployed(sources=sources)
    deploy_pool(market)
    market.world.time += 600 * SECOND
    return market


def test_a_pools_average_is_a_source(with_pool):
    now = with_pool.world.time
    report(with_pool, 60 * SCALE, ago=3)
    # The pool's price is kept in 112 binary digits, rounded down, and again to the scale.
    assert price(with_pool) == OraclePrice(60 * SCALE * 2, 2 * SCALE, now - 3 * SECOND, 2)
    told = with_pool.view(ORACLE, "sources")[2]
    assert (told.value, told.observed, told.counts) == (60 * SCALE, now, True)


def test_a_trade_in_the_pool_moves_nothing_that_the_same_batch_reads(with_pool):
    report(with_pool, 60 * SCALE)
    before = price(with_pool)
    with_pool.call(
        "alice",
        "pool",
        "swap_exact_in",
        spend={GOLD: 1_000_000},
        asset_in=GOLD,
        asset_out=EUR,
        units_in=1_000_000,
        least_out=0,
    )
    assert price(with_pool) == before
    # Left standing for half the window it counts by half: 60 and 15 on average, so the sources disagree.
    with_pool.world.time += 300 * SECOND
    report(with_pool, 60 * SCALE)
    assert refused(with_pool).code is Refusal.SOURCES_DISAGREE


def test_a_pool_without_a_price_is_a_source_that_says_nothing():
    sources = [source("feed-1"), source("feed-2"), source("pool", "pool", window_seconds=600)]
    market = redeployed(sources=sources)
    report(market, 100, 100)
    assert price(market).quorum == 2  # there is no such contract yet
    deploy_pool(market)
    assert price(market).quorum == 2  # it has no history yet
    assert market.view(ORACLE, "sources")[2].counts is False


def test_a_pool_that_lends_at_this_moment_is_not_left_out_but_refused(with_pool):
    world = with_pool.world
    report(with_pool, 60 * SCALE, 60 * SCALE)
    world.time += SECOND
    flash = call("alice", "pool", "flash", units={GOLD: 1_000})
    told = call("feed-1", ORACLE, "report", value=60 * SCALE, observed=world.time)
    back = call("alice", "pool", "repay", spend=[(GOLD, 1_004)], units={GOLD: 1_004})
    assert world.refused("alice", flash, told, back).code is Refusal.SOURCE_BUSY
    world.do("alice", flash, back, told)


# The bound on steps.


@pytest.fixture
def stepping():
    """A price may move by 10% in ten minutes."""
    market = redeployed(step_ppm_max=100_000, step_seconds=600)
    report(market, 1_000, 1_000, 1_000)
    return market


def later(market, seconds, *values):
    market.world.time += seconds * SECOND
    report(market, *values)


def test_a_price_a_step_away_passes_and_one_unit_further_is_refused(stepping):
    later(stepping, 60, 1_100, 1_100, 1_100)
    assert price(stepping).numerator == 2_200
    later(stepping, 60, 1_101, 1_101, 1_101)
    found = refused(stepping)
    assert found.code is Refusal.MOVED_TOO_FAR
    assert (found.facts["price"], found.facts["last"]) == ("2202", "2000")
    assert stepping.view(ORACLE, "latest").refusal == "oracle.moved_too_far"


def test_small_steps_in_quick_succession_do_not_add_up(stepping):
    for value in (1_100, 1_210, 1_331):
        later(stepping, 1, value, value, value)
    assert refused(stepping).code is Refusal.MOVED_TOO_FAR


def test_a_price_that_has_stood_for_long_enough_is_the_price(stepping):
    later(stepping, 60, 500, 500, 500)
    doubted = stepping.world.time
    until = doubted + 600 * SECOND
    assert refused(stepping).facts["until"] == str(until)
    later(stepping, 300, 520, 520, 520)
    stepping.world.time = until - 1
    assert refused(stepping).code is Refusal.MOVED_TOO_FAR
    stepping.world.time = until
    assert price(stepping).numerator == 1_040
    later(stepping, 1, 480, 480, 480)
    assert price(stepping).numerator == 960


def test_an_absurd_price_behind_a_doubted_one_waits_anew(stepping):
    later(stepping, 60, 1_200, 1_200, 1_200)
    later(stepping, 599, 99_999, 99_999, 99_999)
    stepping.world.time += SECOND
    assert refused(stepping).code is Refusal.MOVED_TOO_FAR
    stepping.world.time += 597 * SECOND
    assert refused(stepping).code is Refusal.MOVED_TOO_FAR


def test_a_doubt_is_forgotten_when_the_price_comes_back(stepping):
    later(stepping, 60, 500, 500, 500)
    later(stepping, 1, 1_000, 1_000, 1_000)
    assert price(stepping).numerator == 2_000
    later(stepping, 598, 500, 500, 500)
    stepping.world.time += SECOND
    assert refused(stepping).code is Refusal.MOVED_TOO_FAR


def test_refresh_notes_what_a_pool_says():
    sources = [source("pool", "pool", window_seconds=60)]
    market = redeployed(sources=sources, quorum=1, step_ppm_max=100_000, step_seconds=600)
    deploy_pool(market)
    market.world.time += 600 * SECOND
    market.call("alice", ORACLE, "refresh")
    sell = {"asset_in": GOLD, "asset_out": EUR, "units_in": 300_000, "least_out": 0}
    market.call("alice", "pool", "swap_exact_in", spend={GOLD: 300_000}, **sell)
    market.world.time += 60 * SECOND
    assert refused(market).facts["until"] == "0"
    market.call("alice", ORACLE, "refresh")
    market.world.time += 600 * SECOND
    assert price(market).numerator // SCALE == 71  # 60,000,000 / 1,300,000, twice squared by the product


# Who may change what.


def test_the_admin_adds_and_removes_sources_after_the_delay_and_never_below_the_quorum():
    market = redeployed(admin="admin")
    found = market.refused("feed-1", ORACLE, "remove_source", name="feed-2")
    assert found.code is Refusal.NOT_ITS_ADMIN
    until = int(market.call("admin", ORACLE, "remove_source", name="feed-1"))
    assert until == START + DAY * SECOND
    found = market.refused("admin", ORACLE, "remove_source", name="feed-2")
    assert (found.code, found.facts) == (Refusal.SOURCES_NEEDED, {"left": "1", "quorum": "2"})
    market.call("admin", ORACLE, "add_source", source=source("alice"))
    market.call("admin", ORACLE, "remove_source", name="feed-2")
    assert market.refused("admin", ORACLE, "remove_source", name="zed").code is Refusal.UNKNOWN_SOURCE
    device = {"source": source("vault", "device")}
    assert market.refused("admin", ORACLE, "add_source", **device).code is Refusal.NOT_ITS_ADMIN


def test_a_source_resigns_at_once(market):
    report(market, 100, 100)
    market.call("feed-1", ORACLE, "resign")
    assert refused(market).code is Refusal.QUORUM_MISSED
    market.world.time += SECOND
    again = market.refused("feed-1", ORACLE, "report", value=100, observed=market.world.time)
    assert again.code is Refusal.NOT_A_SOURCE
    market.call("feed-3", ORACLE, "report", value=100, observed=market.world.time)
    assert price(market).quorum == 2


def test_no_source_stands_twice_and_there_are_at_most_32():
    market = redeployed(admin="admin", sources=[source(f"s-{n}") for n in range(SOURCES_MAX - 1)])
    twice = market.refused("admin", ORACLE, "add_source", source=source("s-3"))
    assert twice.code is Refusal.SOURCE_INVALID
    market.call("admin", ORACLE, "add_source", source=source("alice"))
    many = market.refused("admin", ORACLE, "add_source", source=source("vault"))
    assert many.facts["reason"] == "at most 32 sources"


def test_a_pool_as_a_source_names_a_window_and_nothing_else_does():
    for wrong, right in (
        (source("pool", "pool", window_seconds=59), source("pool", "pool", window_seconds=60)),
        (source("feed-9", window_seconds=60), source("feed-9")),
    ):
        with pytest.raises(Rejection) as found:
            redeployed(sources=[source("feed-1"), wrong])
        assert found.value.code is Refusal.SOURCE_INVALID
        redeployed(sources=[source("feed-1"), right])


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"scale": 0}, {"scale": 1}),
        ({"quorum": 0}, {"quorum": 1}),
        ({"quorum": 4}, {"quorum": 3}),
        ({"stale_seconds": 0}, {"stale_seconds": 1}),
        ({"spread_ppm_max": 0}, {"spread_ppm_max": 1}),
        ({"spread_ppm_max": 500_001}, {"spread_ppm_max": 500_000}),
        ({"least": 5, "most": 4}, {"least": 4, "most": 4}),
        ({"least": -1}, {"least": 1}),
        ({"step_ppm_max": 5}, {"step_ppm_max": 5, "step_seconds": 1}),
        ({"step_seconds": 5}, {}),
        ({"admin": "admin", "delay_seconds": 3_599}, {"admin": "admin", "delay_seconds": 3_600}),
        ({"base": EUR}, {"base": GOLD}),
        ({"quote_decimals": 37}, {"quote_decimals": 36}),
    ],
)
def test_parameters_are_checked(wrong, right):
    with pytest.raises(Rejection) as found:
        redeployed(**wrong)
    assert found.value.code is Refusal.PARAMETERS_INVALID
    redeployed(**right)


def test_an_asset_that_does_not_exist_has_no_oracle():
    with pytest.raises(Rejection) as found:
        redeployed(base="none@none")
    assert found.value.code is Code.UNKNOWN_ASSET
    redeployed(base="XAU")


# What it says about itself.


def test_it_says_who_reports_and_who_may_change_that(with_pool):
    powers = with_pool.view(ORACLE, "powers")
    assert [power.holder for power in powers] == ["feed-1", "feed-2", "pool"]
    assert powers[0].bound == "one of 3 sources; 2 must agree within 50000 ppm"
    needs = with_pool.view(ORACLE, "dependencies")
    assert (needs.assets, needs.contracts) == ((GOLD, EUR), ("pool",))
    admin = redeployed(admin="admin", registrar="vault").view(ORACLE, "powers")[-2:]
    assert [(power.holder, power.delay_seconds) for power in admin] == [("admin", DAY), ("vault", DAY)]
    assert with_pool.view(ORACLE, "positions", account="alice") == []
    assert with_pool.view(ORACLE, "exits", account="alice") == []


def test_views_change_nothing_and_history_replays(with_pool):
    report(with_pool, 60 * SCALE, 61 * SCALE)
    before = dict(with_pool.world.store.values)
    for name in ("latest", "sources", "assets", "powers", "dependencies"):
        with_pool.view(ORACLE, name)
    assert with_pool.world.store.values == before
    with_pool.world.replayed()
