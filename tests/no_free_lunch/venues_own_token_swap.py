"""The own-token swap in the no-free-lunch property: a round trip costs the least spread twice, at least.

Everybody begins with tokens alone, and the virtual pool is small: so the search goes far out on the curve,
and leaving at once, which redeems nothing, is what it is compared with.
"""

from typing import ClassVar

from tallystick.contracts.own_token_swap import DELTA_ONE, WARNING, OwnTokenSwap
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import replace
from tests.contracts import feeds
from tests.contracts.market import Market
from tests.ledger.world import deploy
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import repeated, transfer

MAKER, ORACLE, SWAP = "maker", "token-price", "own-swap"
STABLE, TOKEN = f"stable@{SWAP}", f"token@{SWAP}"
PRICE = 80
HELD = 10**12
YEAR = 365 * 86_400


def own_token_swap(*, kind="own_token_swap", base_pool=10**7):
    """Return a swap of tokens that cost 80 stable claims each, with tokens in everybody's wallet."""

    def set_up(market: Market):
        parameters = {
            "warning": WARNING,
            "oracle": ORACLE,
            "obligor": "maker-labs",
            "unit": "USD",
            "base_pool": base_pool,
            "recovery_periods": 36,
            "opening_token_units": 4 * HELD,
        }
        market.world.do(MAKER, tx.FoundInstitution(account=MAKER, name="maker-labs", roles=("issuer",)))
        deployed = tx.Deploy(
            account=MAKER,
            contract=SWAP,
            kind=kind,
            version=1,
            parameters=deploy(MAKER, SWAP, kind, **parameters).parameters,
            obligor="maker-labs",
        )
        market.world.do(MAKER, deployed)
        feeds.deploy_oracle(market, ORACLE, base=TOKEN, quote=STABLE, stale_seconds=10 * YEAR)
        feeds.report(market, ORACLE, *[PRICE * feeds.SCALE] * 3)
        for who in (*OTHERS, ACTOR):
            market.world.do(MAKER, transfer(MAKER, (TOKEN, who, HELD)))

    def swap(asset_in, asset_out, scale=1):
        def play(market, actor, units, _):
            given = {"asset_in": asset_in, "asset_out": asset_out, "units_in": units * scale, "least_out": 0}
            spend = everything(market, actor, asset_in)
            return [call(actor, SWAP, "swap_exact_in", spend=spend, **given)]

        return play

    make, redeem = swap(TOKEN, STABLE), swap(STABLE, TOKEN)
    return Venue(
        contract=SWAP,
        set_up=set_up,
        moves={
            "make": make,
            "redeem": redeem,
            "make_again": repeated(make),
            "redeem_again": repeated(swap(STABLE, TOKEN, scale=PRICE + 1)),
            "wait": wait,
        },
    )


def setting(venue, **more):
    issued = {STABLE: 1, TOKEN: PRICE}
    return Setting((venue,), prices={}, issued=issued, accounts=(MAKER,), **more)


SETTINGS = {"own-token swap": setting(own_token_swap())}


# Planted bugs: the search must find each.


class PaysOneTokenMore(OwnTokenSwap):
    """Makes what came in worth without a spread, rounded up."""

    kind = "pays_one_token_more"
    tables: ClassVar = OwnTokenSwap.tables

    def _quoted(self, ctx, pool, units_in, price, *, redeems):
        quote = super()._quoted(ctx, pool, units_in, price, redeems=redeems)
        worth = quote.value_in // DELTA_ONE
        return replace(quote, units_out=worth // PRICE + 1 if redeems else worth)


class PaysTheSpread(OwnTokenSwap):
    """Pays the spread to whoever brings stable claims, instead of keeping it."""

    kind = "pays_the_spread"
    tables: ClassVar = OwnTokenSwap.tables

    def _quoted(self, ctx, pool, units_in, price, *, redeems):
        quote = super()._quoted(ctx, pool, units_in, price, redeems=redeems)
        if not redeems:
            return quote
        return replace(quote, units_out=(2 * quote.value_in - quote.value_out) // DELTA_ONE // PRICE)


PLANTED = {
    f"own-token swap, {bug.kind}": setting(
        own_token_swap(kind=bug.kind), kinds=with_kinds(bug), found_late=late
    )
    for bug, late in ((PaysOneTokenMore(), False), (PaysTheSpread(), True))
}
