"""Vaults in the no-free-lunch property: at once, with and without virtual shares, and in windows."""

from collections import Counter
from typing import ClassVar

from tallystick.contracts.vault import Vault
from tallystick.ledger.amounts import mul_div_up
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import A, method_move, repeated, transfer

WINDOW_SECONDS = 60


def vault(contract, *, kind="vault", waits=False, **parameters):
    share = f"share@{contract}"
    if waits:
        parameters |= {"window_seconds": WINDOW_SECONDS, "deposits_wait": True, "redemptions_wait": True}

    def set_up(market):
        market.deploy(contract, kind, asset=A, **parameters)
        for who in (*OTHERS, ACTOR):
            come = "request_deposit" if waits else "deposit"
            window = market.call(who, contract, come, spend={A: 10_007}, units=10_007)
        if waits:
            market.world.wait(WINDOW_SECONDS)
            for who in (*OTHERS, ACTOR):
                market.call(who, contract, "claim_deposit", window=int(window))
        market.call(OTHERS[0], contract, "donate", spend={A: 5_003}, units=5_003)

    def units_move(method, **more):
        def move(market, actor, units, _):
            spend = everything(market, actor, A, share)
            return [call(actor, contract, method, spend=spend, units=units, **more)]

        return move

    def shares_move(method, **more):
        def move(market, actor, number, _):
            shares = number * 10 ** (parameters.get("virtual_offset", 6) or 0) if number < 1_000 else number
            spend = everything(market, actor, A, share)
            return [call(actor, contract, method, spend=spend, shares=shares, **more)]

        return move

    def give(market, actor, units, _):
        return [transfer(actor, (A, contract, units))]

    def answer(kind_of):
        """Return the move that claims or cancels one of the actor's requests."""

        def move(market, actor, number, which):
            told = [one for one in market.view(contract, "requests", account=actor) if one.status == kind_of]
            if not told:
                return []
            one = told[which % len(told)]
            if kind_of == "claimable":
                return [call(actor, contract, f"claim_{one.side}", window=one.window)]
            amount = {"units" if one.side == "deposit" else "shares": min(number, one.asked)}
            return [call(actor, contract, f"cancel_{one.side}", window=one.window, **amount)]

        return move

    def wealth(market, account):
        """Count shares, in the wallet or inside, at their worth: in windows nobody redeems at once."""
        owned = Counter({share: -market.world.balance(account, share)})
        shares = -owned[share]
        for position in market.view(contract, "positions", account=account):
            if position.asset == share:
                shares += position.units
            else:
                owned[position.asset] += position.units
        owned[A] += market.view(contract, "quote_redeem", shares=shares) if shares else 0
        return owned

    moves = {
        "donate": units_move("donate"),
        "give": give,
        "sync": method_move(contract, "sync"),
    }
    if waits:
        moves |= {
            "add": units_move("request_deposit"),
            "ask": shares_move("request_redemption"),
            "claim": answer("claimable"),
            "cancel": answer("pending"),
            "wait": wait,
        }
    else:
        plenty = 10**30
        moves |= {
            "add": units_move("deposit"),
            "mint": shares_move("mint", most_units=plenty),
            "withdraw": units_move("withdraw", most_shares=plenty),
            "redeem": shares_move("redeem"),
            "crumble": repeated(units_move("deposit")),
            "nibble": repeated(units_move("withdraw", most_shares=plenty)),
        }
    return Venue(contract=contract, set_up=set_up, moves=moves, wealth=wealth if waits else None)


class RoundsWithdrawalsDown(Vault):
    """Asks one share too few for a withdrawal."""

    kind = "rounds_withdrawals_down"
    tables: ClassVar = Vault.tables

    def _shares(self, ctx, pot, units, *, up=False):
        return super()._shares(ctx, pot, units)


class RoundsRedemptionsUp(Vault):
    """Pays a redemption rounded up."""

    kind = "rounds_redemptions_up"
    tables: ClassVar = Vault.tables

    def _units(self, ctx, pot, shares, *, up=False):
        supply = ctx.supply(self._share(ctx))
        return mul_div_up(shares, pot.total, supply) if supply else shares


PRICES = {A: 1}
SETTINGS = {
    "vault": Setting((vault("vault"),), prices=PRICES),
    "vault, no virtual shares": Setting((vault("vault", virtual_offset=None),), prices=PRICES),
    "vault, in windows": Setting((vault("vault", waits=True, virtual_offset=0),), prices=PRICES),
}


class PaysOneMore(Vault):
    """Pays a window's redemptions one unit more than they are worth."""

    kind = "pays_one_more"
    tables: ClassVar = Vault.tables

    def _redemption_gives(self, ctx, row, shares):
        return super()._redemption_gives(ctx, row, shares) + 1


PLANTED = {
    "vault in windows, pays one more": Setting(
        (vault("vault", kind="pays_one_more", waits=True, virtual_offset=0),),
        prices=PRICES,
        kinds=with_kinds(PaysOneMore()),
        found_late=True,
    ),
    "vault, rounds withdrawals down": Setting(
        (vault("vault", kind="rounds_withdrawals_down", virtual_offset=None),),
        prices=PRICES,
        kinds=with_kinds(RoundsWithdrawalsDown()),
    ),
    "vault, rounds redemptions up": Setting(
        (vault("vault", kind="rounds_redemptions_up", virtual_offset=0),),
        prices=PRICES,
        kinds=with_kinds(RoundsRedemptionsUp()),
    ),
}
