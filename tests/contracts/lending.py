"""A lending market for tests: an oracle of three reporters, two lenders, a borrower, a keeper."""

from typing import Any

from tests.contracts.feeds import SCALE, deploy_oracle, report
from tests.contracts.market import ISSUER, Market

LOAN, COLLATERAL = f"eur@{ISSUER}", f"gold@{ISSUER}"
MARKET, ORACLE, SHARE = "loans", "gold-price", "share@loans"
FUNDS = 10**18
WAD = 10**18
TEN_PERCENT = {"type": "linear", "base": WAD // 10, "slope": 0}
ALL = {LOAN: FUNDS, COLLATERAL: FUNDS, SHARE: FUNDS * 10**6}


def deploy_market(market: Market, contract: str = MARKET, **more: Any) -> None:
    """Deploy a market at 50% and 10% interest a year; its price is an hour old at most, by two sources."""
    parameters = {
        "loan": LOAN,
        "collateral": COLLATERAL,
        "oracle": ORACLE,
        "freshness_seconds": 3_600,
        "quorum": 2,
        "rate": TEN_PERCENT,
    }
    market.deploy(contract, "lending_market", **(parameters | more))


def new_lending(**more: Any) -> Market:
    """Return a world with an empty market and gold at 60 euro."""
    market = Market(accounts=("lender", "other", "alice", "bob", "keeper", "fees"))
    market.fund(FUNDS, LOAN, COLLATERAL)
    deploy_oracle(market, ORACLE, base=COLLATERAL, quote=LOAN)
    set_price(market, 60)
    deploy_market(market, **more)
    return market


def set_price(market: Market, price: int, *, scaled: bool = False) -> None:
    """Let all reporters say what a unit of collateral is worth; a microsecond passes first."""
    market.world.time += 1
    value = price if scaled else price * SCALE
    report(market, ORACLE, value, value, value)


def act(market: Market, who: str, method: str, *, contract: str = MARKET, **arguments: Any) -> Any:
    """Call the market with all funds as the budget."""
    spend = {
        asset: units
        for asset in (LOAN, COLLATERAL, f"share@{contract}")
        if (units := market.world.balance(who, asset)) > 0
    }
    return market.call(who, contract, method, spend=spend, **arguments)


def refuses(market: Market, who: str, method: str, *, contract: str = MARKET, **arguments: Any) -> Any:
    """Make a call that must be refused, with all funds as the budget, and return the rejection."""
    spend = {
        asset: units
        for asset in (LOAN, COLLATERAL, f"share@{contract}")
        if (units := market.world.balance(who, asset)) > 0
    }
    return market.refused(who, contract, method, spend=spend, **arguments)


def open_loan(market: Market, who: str, *, collateral: int, units: int, contract: str = MARKET) -> None:
    act(market, who, "supply_collateral", units=collateral, contract=contract)
    act(market, who, "borrow", units=units, contract=contract)
