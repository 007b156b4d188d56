"""A Dutch liquidation in the no-free-lunch property: others' lots, dearer than they are worth, time at rest.

With time a sale's price falls below what its lot is worth, and whoever takes then gains what the seller
loses: that is the mechanism. At any moment, though, no row of calls may take more than the price of that
moment says.
"""

from tallystick.contracts.dutch_liquidation import DutchLiquidation, Taken
from tallystick.ledger.rates import RAY
from tallystick.ledger.transactions import Action
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call, transfer
from tests.no_free_lunch.harness import OTHERS, Setting, Venue, everything, with_kinds

LOT, MONEY = f"lot@{ISSUER}", f"money@{ISSUER}"
PRICES = {MONEY: 1, LOT: 4}
ORACLE = "lot-price"
LONG = 86_400 * 365


def deploy_oracle(market: Market) -> None:
    """Price the lot at four."""
    market.deploy(
        ORACLE,
        "oracle",
        base=LOT,
        quote=MONEY,
        scale=1,
        sources=[{"name": "feed", "kind": "market", "window_seconds": 0, "reference": ""}],
        quorum=1,
        stale_seconds=LONG,
        spread_ppm_max=1,
    )
    market.call("feed", ORACLE, "report", value=4, observed=market.world.time)


def sales(contract: str, *, kind: str = "dutch_liquidation", factor: int = RAY) -> Venue:
    """Return a contract with a sale by each other account."""

    def set_up(market: Market) -> None:
        market.deploy(
            contract,
            kind,
            lot=LOT,
            money=MONEY,
            oracle=ORACLE,
            freshness_seconds=LONG,
            quorum=1,
            fall={"type": "linear", "seconds": 7_200},
            start_factor=factor,
            restart_seconds=3_600,
            restart_fraction=RAY // 4,
            least_due=50,
            tip=5,
            chip=10**16,
        )
        for who, lot, due in ((OTHERS[0], 10**7, 3 * 10**7), (OTHERS[1], 1_000, 9_999)):
            arguments = {"lot": lot, "due": due, "owner": who, "reserve": 500}
            market.call(who, contract, "start", spend={LOT: lot, MONEY: 500}, **arguments)

    def running(market: Market, which: int) -> int:
        found = [sale.sale for sale in market.view(contract, "sales")]
        return found[which % len(found)] if found else 1

    def take(market: Market, actor: str, units: int, which: int) -> list[Action]:
        arguments = {"sale": running(market, which), "most_units": units, "most_price": 10**40}
        return [call(actor, contract, "take", spend=everything(market, actor, MONEY), **arguments)]

    def nibble(market: Market, actor: str, units: int, times: int) -> list[Action]:
        return take(market, actor, units % 9 + 1, times) * (times % 9 + 1)

    def start(market: Market, actor: str, lot: int, due: int) -> list[Action]:
        spend = everything(market, actor, LOT, MONEY)
        arguments = {"lot": lot, "due": due, "owner": actor, "keeper": actor, "reserve": due % 1_000 + 1}
        return [call(actor, contract, "start", spend=spend, **arguments)]

    def cancel(market: Market, actor: str, _: int, which: int) -> list[Action]:
        own = [sale.sale for sale in market.view(contract, "sales") if sale.seller == actor]
        return [call(actor, contract, "cancel", sale=own[which % len(own)])] if own else []

    def give(market: Market, actor: str, units: int, which: int) -> list[Action]:
        return [transfer(actor, ((LOT, MONEY)[which % 2], contract, units))]

    moves = {"take": take, "nibble": nibble, "start": start, "cancel": cancel, "give": give}
    return Venue(contract=contract, set_up=set_up, moves=moves)


def setting(venue: Venue, **more: object) -> Setting:
    """Return the setting with the feed."""
    return Setting((venue,), PRICES, set_up=deploy_oracle, accounts=("feed",), **more)  # type: ignore[arg-type]


SETTINGS = {"dutch liquidation": setting(sales("sales", factor=RAY * 3 // 2))}


# A planted bug: the search must find it.


class OwesLess(DutchLiquidation):
    """Charges a unit less than the price says."""

    kind = "owes_less"

    def _terms(self, *arguments):  # type: ignore[no-untyped-def]
        price, taken = super()._terms(*arguments)
        return price, Taken(taken.units, max(taken.owed - 1, 0))


PLANTED = {
    "dutch liquidation, owes less": setting(sales("sales", kind="owes_less"), kinds=with_kinds(OwesLess()))
}
