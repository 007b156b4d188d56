"""A banking system through generated months: whatever happens, sides meet and claims net to zero.

Two banks, a central bank with a window, a custodian and a treasury with two clients. After every step:

- over all institutions and people, what claims are worth to their holders is what their obligors owe;
- coverage that was followed entry by entry is what one walk over the state gives;
- a sheet's totals are those of its rows, and nothing of an institution's own is among its assets;
- income and cash flow from the beginning to the end explain the change to the last unit.
"""

from contextlib import suppress

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.institutions.books import Books
from tallystick.institutions.coverage import levels_now
from tallystick.institutions.holdings import holdings_of
from tallystick.institutions.money import aggregates
from tallystick.institutions.owing import end_of
from tallystick.institutions.prices import Prices
from tallystick.institutions.sheet import Sheet, sheet
from tallystick.institutions.statements import cash_flow, income
from tallystick.institutions.trust import coverage_in_kind
from tallystick.institutions.views import Views
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import Store
from tests.institutions.city import ALDER, BIRCH, RESERVE, City
from tests.ledger.world import DAY, SECOND, call, create, deploy, issue, transfer

BOND, LOAN = "bond@treasury", "loan@alice"
BANKS = {"alder": ALDER, "birch": BIRCH}
PEOPLE = ("alice", "bob")
PRICES = Prices("EUR")


def system() -> City:
    """The city, with a treasury's bonds, a window, a safe for coins, and a borrower's promise."""
    city = City()
    city.open("treasury", "cb.purse", "carol")
    city.join("cb.purse", "central-bank", founder="cb")
    for account, name in (("treasury", "treasury-of-it"), ("alice", "alice-trading")):
        city.do(account, tx.FoundInstitution(account=account, name=name))
    matures = city.time + 900 * DAY * SECOND
    city.claim("treasury", "bond", "treasury-of-it", Terms(owes="EUR", matures=matures))
    city.claim("alice", "loan", "alice-trading", Terms(owes="EUR", matures=matures, pays=3, per=2))
    city.do("treasury", issue("treasury", (BOND, "alder", 10_000), (BOND, "birch", 10_000)))
    window = {
        "lender": "cb.purse",
        "asset": RESERVE,
        "term_seconds": 7 * DAY,
        "rate_ppm": 73_000,
        "rate_ppm_max": 100_000,
        "haircut_bps_max": 5_000,
        "delay_seconds": DAY,
        "collateral": [{"asset": BOND, "numerator": 1, "denominator": 1, "haircut_bps": 1_000}],
    }
    city.do("cb.purse", deploy("cb.purse", "window", "standing_facility", **window))
    city.do("cb", issue("cb", (RESERVE, "cb.purse", 20_000)))
    city.do("cb.purse", call("cb.purse", "window", "fund", units=20_000, spend=[(RESERVE, 20_000)]))
    for bank in BANKS:
        city.do("cb.purse", call("cb.purse", "window", "admit", borrower=bank, admitted=True))
    city.do("carol", create("carol", "coin"), issue("carol", ("coin@carol", "bob", 5_000)))
    safe = {
        "institution": "vault-co",
        "custodian": "vault",
        "kept": [{"asset": "coin@carol", "code": "coin"}],
    }
    city.do("vault", msgspec.structs.replace(deploy("vault", "safe", "custody", **safe), obligor="vault-co"))
    return city


UNITS = st.integers(1, 9_000)
BANK = st.sampled_from(sorted(BANKS))
PERSON = st.sampled_from(PEOPLE)
STEP = st.one_of(
    st.tuples(st.just("print"), BANK, UNITS),
    st.tuples(st.just("pay"), PERSON, BANK, UNITS),
    st.tuples(st.just("between"), PERSON, BANK, UNITS),
    st.tuples(st.just("lend"), BANK, UNITS),
    st.tuples(st.just("repay"), BANK, UNITS),
    st.tuples(st.just("redeem"), PERSON, BANK, UNITS),
    st.tuples(st.just("swap"), BANK, UNITS),
    st.tuples(st.just("borrow"), BANK, UNITS),
    st.tuples(st.just("pay_back"), BANK, st.integers(1, 4)),
    st.tuples(st.just("keep"), UNITS),
    st.tuples(st.just("fetch"), UNITS),
    st.tuples(st.just("desk"), UNITS),
    st.tuples(st.just("wait"), st.integers(1, 5 * DAY)),
)


def other(name: str, names: tuple[str, ...]) -> str:
    return next(one for one in names if one != name)


def take(city: City, step: tuple) -> None:
    """Take a step; one that the ledger refuses leaves everything as it is."""
    actions: list[tx.Action] = []
    match step:
        case ("print", bank, units):
            actions = [issue("cb", (RESERVE, bank, units))]
        case ("pay", person, bank, units):
            actions = [transfer(person, (BANKS[bank], other(person, PEOPLE), units))]
        case ("between", person, bank, units):
            to = other(bank, tuple(BANKS))
            actions = [
                transfer(person, (BANKS[bank], bank, units)),
                transfer(bank, (RESERVE, to, units)),
                issue(to, (BANKS[to], person, units)),
            ]
        case ("lend", bank, units):
            actions = [issue("alice", (LOAN, bank, units)), issue(bank, (BANKS[bank], "alice", units))]
        case ("repay", bank, units):
            actions = [transfer("alice", (BANKS[bank], bank, units)), transfer(bank, (LOAN, "alice", units))]
        case ("redeem", person, bank, units):
            lot = city.index
            actions = [tx.Redeem(account=person, asset=BANKS[bank], units=str(units))]
            city.do(person, *actions)
            actions = [tx.SettleRedemption(account=bank, lot=f"{lot}.0")]
        case ("swap", bank, units):
            to = other(bank, tuple(BANKS))
            actions = [transfer(bank, (BOND, to, units)), transfer(to, (RESERVE, bank, units))]
        case ("borrow", bank, units):
            spend = [(BOND, units)]
            actions = [
                call(
                    bank,
                    "window",
                    "borrow",
                    collateral=BOND,
                    collateral_units=units,
                    units=units * 9 // 10,
                    spend=spend,
                )
            ]
        case ("pay_back", bank, loan):
            actions = [call(bank, "window", "repay", loan=loan, spend=[(RESERVE, 20_000)])]
        case ("keep", units):
            actions = [
                call("bob", "safe", "deposit", asset="coin@carol", units=units, spend=[("coin@carol", units)])
            ]
        case ("fetch", units):
            spend = [("coin@safe", units)]
            actions = [call("bob", "safe", "withdraw", asset="coin@carol", units=units, spend=spend)]
        case ("desk", units):
            actions = [
                transfer("alder", (RESERVE, "alder.desk", units)),
                issue("alder", (ALDER, "alder.desk", units)),
            ]
        case ("wait", seconds):
            city.wait(seconds)
    if actions:
        city.do(actions[0].account, *actions)


def check_claims_net_to_zero(books: Books, sheets: dict[str, Sheet]) -> None:
    """What all have in a currency is what all owe in it, but for what rounding keeps."""
    total = sum(
        have - owe for made in sheets.values() for have, owe in [made.by_currency().get("EUR", (0, 0))]
    )
    for account in (*PEOPLE, "carol"):
        if books.institution_of(account):
            continue
        for holding in holdings_of(books, account)[0]:
            end = end_of(books.state.get, holding.asset)
            if end.thing == "EUR":
                total += holding.units * end.numerator // end.denominator
    rows = sum(len(made.assets) + len(made.liabilities) for made in sheets.values())
    assert -rows <= total <= 0


def check_coverage(books: Books, views: Views) -> None:
    """Compare what was followed with one walk over the state, for each thing that an institution owes."""
    for institution in books.institutions:
        own = {*books.accounts_of(institution), *books.contracts_of(institution)}
        for thing, level in views.coverage.now(institution).items():
            have = owe = 0
            assets = {asset for account in own for asset in books.balances(account)}
            for asset in assets - set(books.claims_on(institution)):
                units = sum(max(0, books.balances(account).get(asset, 0)) for account in own)
                end = end_of(books.state.get, asset)
                if asset == thing:
                    have += units
                elif end.thing == thing:
                    have += units * end.numerator // end.denominator
            for claim in books.claims_on(institution):
                units = books.outstanding(claim) - sum(
                    max(0, books.balances(account).get(claim, 0)) for account in own
                )
                terms, end = books.asset(claim).terms, end_of(books.state.get, claim)
                if terms.owes == thing:
                    owe += -(-units * terms.pays // terms.per)
                elif end.thing == thing:
                    owe += -(-units * end.numerator // end.denominator)
            assert (level.assets, level.liabilities) == (have, owe), (institution, thing)
        walked = levels_now(books, institution)
        now = views.coverage.now(institution)
        assert {thing: (one.assets, one.liabilities) for thing, one in walked.items() if thing in now} == {
            thing: (now[thing].assets, now[thing].liabilities) for thing in walked if thing in now
        }


def check_sheets(books: Books, sheets: dict[str, Sheet]) -> None:
    for name, made in sheets.items():
        assert made.assets_value == sum(part.value or 0 for row in made.assets for part in row.parts)
        if made.is_complete:
            assert made.assets_value == made.liabilities_value + made.equity
        own = set(books.claims_on(name))
        assert not [row for row in made.assets if row.asset in own and row.where != "due_in"]
        owed = {claim: sum(row.units for row in made.liabilities if row.asset == claim) for claim in own}
        for claim, units in owed.items():
            held = sum(books.balances(account).get(claim, 0) for account in made.accounts)
            parked = sum(row.units for row in made.liabilities if row.asset == claim and row.units < 0)
            issuer = books.asset(claim).issuer
            issued = books.balances(issuer).get(claim, 0) if issuer in made.accounts else 0
            debts = sum(row.units for row in made.liabilities if row.asset == claim and row.kind == "debt")
            assert units - parked - debts == books.outstanding(claim) - (held - issued)


@settings(max_examples=25)
@given(st.lists(STEP, min_size=1, max_size=14))
def test_whatever_happens_claims_net_to_zero_and_coverage_is_what_the_state_says(steps):
    city = system()
    start = city.index
    kept = Store()
    kept.write(dict(city.store.values))
    opening = {
        name: sheet(Books(kept, city.kinds), name, PRICES) for name in Books(kept, city.kinds).institutions
    }
    live = Views(
        city.store.get,
        lambda account: {
            key[2]: many for key, many in city.store.values.items() if key[:2] == ("balance", account)
        },
    )
    live.follow(city.receipts)
    for step in steps:
        followed = len(city.entries)
        with suppress(Rejection):
            take(city, step)
        live.follow(city.receipts[followed:])
        books = city.books
        sheets = {name: sheet(books, name, PRICES) for name in books.institutions}
        check_sheets(books, sheets)
        check_claims_net_to_zero(books, sheets)
        check_coverage(books, live)
        assert all(one.m0 >= 0 and one.m1 >= 0 for one in aggregates(books))
        assert live.coverage.now("vault-co").get("coin@carol") is None or (
            live.coverage.now("vault-co")["coin@carol"].is_covered
        )
    books = city.books
    between = [receipt for receipt in city.receipts if receipt.index >= start]
    for name in books.institutions:
        closing = sheet(books, name, PRICES)
        earned = income(opening[name], closing, between, books=books, prices=PRICES)
        if earned.opening is not None and earned.closing is not None:
            assert earned.opening + earned.total == earned.closing
        flow = cash_flow(opening[name], closing, between, books=books)
        assert all(line.activity != "joined" for line in flow.lines)
        for asset in {*flow.opening, *flow.closing}:
            moved = sum(line.units for line in flow.lines if line.asset == asset)
            assert flow.opening.get(asset, 0) + moved == flow.closing.get(asset, 0)


def test_a_payment_between_banks_happens_whole_or_not_at_all():
    """Burn at A, reserves from A to B, issue at B: all three sign, or nothing moves."""
    city = system()
    before = dict(city.store.values)
    city.check_signatures = True
    actions = [
        transfer("bob", (BIRCH, "birch", 3_000)),
        transfer("birch", (RESERVE, "alder", 3_000)),
        issue("alder", (ALDER, "bob", 3_000)),
    ]
    everybody = [one for name in ("bob", "birch", "alder") for one in city.signers_of(name)]
    for missing in everybody:
        refused = city.refused("bob", *actions, signers=[one for one in everybody if one is not missing])
        assert refused.code.value == "unauthorised"
    assert dict(city.store.values) == before
    poor = [*actions]
    poor[1] = transfer("birch", (RESERVE, "alder", 30_001))
    assert city.refused("bob", *poor, signers=everybody).code.value == "insufficient_balance"
    city.do("bob", *actions, signers=everybody)
    assert (city.balance("bob", BIRCH), city.balance("bob", ALDER)) == (7_000, 3_000)
    assert (city.balance("birch", RESERVE), city.balance("alder", RESERVE)) == (27_000, 53_000)


def lowest(city, institution):
    return coverage_in_kind(city.books, institution, city.books.claims_on(institution))


def test_the_lowest_ratio_now_is_told_or_that_nothing_is_owed():
    city = system()
    assert lowest(city, "vault-co") == "owes others nothing of this"
    assert lowest(city, "birch-bank") == 4_000_000  # 30,000 reserves and 10,000 bonds over 10,000
    city.do("birch", transfer("birch", (RESERVE, "bob", 30_000)))
    assert lowest(city, "birch-bank") == 1_000_000
