"""Lending market: one asset lent against one other, isolated from everything else, exactly as Morpho Blue.

Lenders supply the loan asset and hold shares of all that is owed and at hand. Borrowers deposit collateral
and owe debt shares. Interest makes what a debt share costs grow, and what a supply share is worth with it,
less a fee. A position is healthy while

    debt  <=  collateral x price x LLTV          (each factor rounded against the borrower)

and anyone may repay an unhealthy one for its collateral at an incentive. A debt that is left when no
collateral is comes off what the lenders own, at once and pro rata (*bad debt socialised*). The rule that must
hold: what the market counts as at hand, supplied less owed, it holds, whatever anybody sends it.

The price comes from an oracle, under the freshness and quorum that the market states; without such a price
nobody borrows, takes collateral from under a debt, or liquidates. *Virtual* shares and units, which nobody
owns, keep a share cheap, so that the first lender cannot make it dear. Every division rounds for the market.

Beyond the source: lenders' shares are an asset; borrowing that pays nothing is refused, for it makes debt
shares from air; positions are kept in the order in which a falling price meets them, so that a keeper sees
whom and a lender how long; `liquidate_most` fits a budget, and dust that nobody would buy is written off by
whoever finds it. Interest is carried to the last part of a unit unless `carry` is false: the source rounds it
down at every call, so whoever calls each second pays none on a debt of cents. Refused: other accounts'
authorisations (mandates are the ledger's), a fee or a model that anybody could change, and the source's free
flash loan (pools lend).

Source: Morpho Labs, "Morpho Blue Whitepaper" (2023). To the unit: src/Morpho.sol and its libraries of
morpho-org/morpho-blue at 3085651. Rate models: `ledger/rates.py`.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT, mul_div_down, mul_div_up
from tallystick.ledger.contract import (
    Backing,
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.pools import Price
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.rates import WAD, YEAR_SECONDS, RateModel, compounded, rate_per_second, why_invalid
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

VIRTUAL_SHARES = 10**6
VIRTUAL_UNITS = 1
LIQUIDATION_CURSOR = 3 * 10**17
INCENTIVE_MAX = 115 * 10**16
FEE_MAX = 25 * 10**16
PPM = 1_000_000
RANK_ONE = 1 << 64
"""Debt shares for one unit of collateral are ranked as a fraction of this."""
LISTED_MAX = 100
BORROWERS_LISTED_MAX = 1_000
DEBT_SHARES_PER_UNIT_MAX = 1_000 * VIRTUAL_SHARES
"""Repaying share by share rounds debts away from under their shares; never further than this."""
YEARS_AHEAD = 100

SHARE_CODE = "share"


class Parameters(Record, frozen=True):
    """The pair, the oracle and what is demanded of it, the loan-to-value that liquidates, the rate model.

    `lltv`, `fee` (of the interest) and a model's rates count in WAD, 10^18. `carry` keeps what rounding
    leaves of interest for the next time; without it the market is the source's to the unit. Nothing of it can
    change.
    """

    loan: str
    collateral: str
    oracle: str
    freshness_seconds: int
    quorum: int
    rate: RateModel
    lltv: int = 5 * 10**17
    fee: int = 0
    fee_account: str = ""
    carry: bool = True


class Refusal(StrEnum):
    """Why a lending market refuses."""

    PARAMETERS_INVALID = "lending_market.parameters_invalid"
    """The market cannot be deployed like this. Facts: reason."""
    INPUT_INCONSISTENT = "lending_market.input_inconsistent"
    """Exactly one of units and shares (seized and shares, for a liquidation) is given. Facts: both."""
    UNITS_MISSING = "lending_market.units_missing"
    """No units are given, or so few that rounding leaves nothing to move."""
    COLLATERAL_INSUFFICIENT = "lending_market.collateral_insufficient"
    """The debt would exceed what the collateral may secure. Facts: debt, limit."""
    LIQUIDITY_INSUFFICIENT = "lending_market.liquidity_insufficient"
    """More would leave than is at hand: the rest is lent out. Facts: asked, at_hand."""
    POSITION_HEALTHY = "lending_market.position_healthy"
    """The debt is within what the collateral secures, so that nobody may liquidate. Facts: debt, limit."""
    POSITION_EXCEEDED = "lending_market.position_exceeded"
    """More is repaid or taken than the position has. Facts: what, asked, has."""
    SHARES_TOO_MANY = "lending_market.shares_too_many"
    """Debt shares would not fit in 128 bits. Facts: shares."""
    NOT_DUST = "lending_market.not_dust"
    """Collateral that is worth a unit of the loan asset is liquidated, not written off. Facts: worth."""
    NOTHING_TO_COLLECT = "lending_market.nothing_to_collect"
    """The caller has no fee here, or the market no surplus. Facts: caller."""
    WRONG_ASSET = "lending_market.wrong_asset"
    """The market prices its share in the loan asset and back, nothing else. Facts: asset_in, asset_out."""


class Market(Record, frozen=True):
    """The market's one row.

    Units supplied and owed with interest to second `updated`, debt shares, and all collateral;
    `rate_at_target` is an adaptive model's own. `fee_shares` are due to the fee's account, and minted when it
    collects them: until then they count in every price, and an accrual moves nothing. `carried` is interest
    short of a unit, WAD.
    """

    supplied: int = 0
    borrowed: int = 0
    debt_shares: int = 0
    collateral: int = 0
    updated: int = 0
    rate_at_target: int = 0
    fee_shares: int = 0
    carried: int = 0


class Loan(Record, frozen=True):
    """An account's debt shares and collateral."""

    shares: int = 0
    collateral: int = 0


class Moved(Record, frozen=True):
    """Units of the loan asset, and the shares that they are."""

    units: int
    shares: int


class Liquidated(Record, frozen=True):
    """What a liquidation takes and gives: collateral to the caller, units from it, and the lenders' loss."""

    seized: int
    repaid: int
    shares: int
    bad_debt: int = 0


class Withdrawable(Record, frozen=True):
    """What a lender has, and how much of it is at hand now; the rest is lent out.

    `when` is the latest time (microseconds UTC) by which every debt is open to liquidation, hence to
    repayment by anyone at a profit, if nobody repays, and price and rate stay as they are. None: never so.
    """

    units: int
    now: int
    later: int
    when: int | None


class PositionState(Record, frozen=True):
    """What an account has in the market, with interest to now.

    A price of collateral below `liquidation_numerator` / `liquidation_denominator` units of the loan asset
    liquidates; without debt both are zero. `limit_units` is what the collateral may secure at the oracle's
    price, `free_collateral` what can be taken out; both are zero while the oracle refuses, with `refusal`.
    """

    shares: int
    units: int
    collateral: int
    debt_units: int
    debt_shares: int
    limit_units: int
    free_collateral: int
    liquidation_numerator: int
    liquidation_denominator: int
    refusal: str


class Rates(Record, frozen=True):
    """Utilisation in WAD, and what borrowers pay and lenders get a second in WAD and a year in ppm."""

    utilisation: int
    borrow_per_second: int
    supply_per_second: int
    borrow_ppm: int
    supply_ppm: int


# The formulas (whitepaper; SharesMathLib, MathLib).


def shares_down(units: int, total_units: int, total_shares: int) -> int:
    """Return the shares that `units` buy: lenders' supply, borrowers' repayment."""
    return mul_div_down(units, total_shares + VIRTUAL_SHARES, total_units + VIRTUAL_UNITS)


def shares_up(units: int, total_units: int, total_shares: int) -> int:
    """Return the shares that `units` cost: lenders' withdrawal, borrowers' loan."""
    return mul_div_up(units, total_shares + VIRTUAL_SHARES, total_units + VIRTUAL_UNITS)


def units_down(shares: int, total_units: int, total_shares: int) -> int:
    """Return what `shares` are paid."""
    return mul_div_down(shares, total_units + VIRTUAL_UNITS, total_shares + VIRTUAL_SHARES)


def units_up(shares: int, total_units: int, total_shares: int) -> int:
    """Return what `shares` cost."""
    return mul_div_up(shares, total_units + VIRTUAL_UNITS, total_shares + VIRTUAL_SHARES)


def liquidation_incentive(lltv: int) -> int:
    """Return the collateral seized for one unit's worth repaid, WAD: dearer where there is more room."""
    left = WAD - mul_div_down(LIQUIDATION_CURSOR, WAD - lltv, WAD)
    return min(INCENTIVE_MAX, mul_div_down(WAD, WAD, left))


def accrue(params: Parameters, market: Market, *, supply: int, second: int) -> Market:
    """Return the market with the interest of the whole seconds since it was updated.

    `supply` is the lenders' shares outstanding. Interest and the fee's shares are rounded down, and stop
    growing where they would not fit: a market that outgrew the ledger would hold its collateral for ever.
    """
    elapsed = second - market.updated
    if elapsed <= 0:
        return market
    rate, rate_at_target = rate_per_second(
        params.rate,
        supplied=market.supplied,
        borrowed=market.borrowed,
        rate_at_target=market.rate_at_target,
        elapsed_seconds=elapsed,
    )
    interest, carried = divmod(market.borrowed * compounded(rate, elapsed) + market.carried, WAD)
    interest = min(interest, max(UNITS_LIMIT - 1 - market.supplied, 0))
    supplied = market.supplied + interest
    fee_shares = market.fee_shares
    if params.fee and interest:
        fee_wad = interest * params.fee
        if not params.carry:
            fee_wad -= fee_wad % WAD
        rest = (supplied + VIRTUAL_UNITS) * WAD - fee_wad
        more = mul_div_down(fee_wad, supply + fee_shares + VIRTUAL_SHARES, rest)
        fee_shares += max(min(more, UNITS_LIMIT - 1 - supply - fee_shares), 0)
    return replace(
        market,
        supplied=supplied,
        borrowed=market.borrowed + interest,
        updated=second,
        rate_at_target=rate_at_target,
        fee_shares=fee_shares,
        carried=carried if params.carry else 0,
    )


def _exactly_one(first: int, second: int, *names: str) -> None:
    if first < 0 or second < 0:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(min(first, second))[:48])
    if first >= UNITS_LIMIT or second >= UNITS_LIMIT:
        raise Rejection(
            Code.AMOUNT_TOO_LARGE, digits=len(str(max(first, second))), limit=str(UNITS_LIMIT - 1)
        )
    if bool(first) == bool(second):
        facts = dict(zip(names, (str(first), str(second)), strict=True))
        raise Rejection(Refusal.INPUT_INCONSISTENT, **facts)


def _check_some(units: int) -> None:
    if units < 0:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(units)[:48])
    if not units:
        raise Rejection(Refusal.UNITS_MISSING)


class LendingMarket(Contract):
    """Shares in what is lent, debts against collateral, and their liquidation."""

    kind = "lending_market"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "market": Table(key=(), value=Market),
        "loan": Table(key=(str,), value=Loan),
        "rank": Table(key=(int, str), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters and declare the share."""
        params: Parameters = ctx.params
        loan, collateral = ctx.asset(params.loan), ctx.asset(params.collateral)
        priced = ctx.view(params.oracle, "assets")
        checks = (
            (loan.id != collateral.id, "the loan and its collateral are different assets"),
            (loan.id in priced and collateral.id in priced, "the oracle prices the pair"),
            (params.freshness_seconds > 0, "freshness_seconds is positive"),
            (params.quorum > 0, "quorum is positive"),
            (0 < params.lltv < WAD, "lltv is between 0 and 1"),
            (0 <= params.fee <= FEE_MAX, "fee is 0 to 25%"),
            (bool(params.fee) == bool(params.fee_account), "a fee has a fee_account"),
        )
        reason = next((why for holds, why in checks if not holds), "") or why_invalid(params.rate)
        if reason:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)
        if params.fee_account:
            ctx.check_account(params.fee_account)
        # A share begins at a millionth of a unit.
        ctx.create_asset(SHARE_CODE, decimals=min(loan.decimals + 6, 36))
        ctx.put("market", value=Market(updated=ctx.time // MICROSECONDS))

    # Lenders.

    @method
    def supply(self, ctx: CallContext, units: int = 0, shares: int = 0) -> Moved:
        """Lend exactly `units`, for shares rounded down; or what `shares` cost, rounded up."""
        _exactly_one(units, shares, "units", "shares")
        market, total = self._accrue(ctx)
        if units:
            shares = shares_down(units, market.supplied, total)
        else:
            units = units_up(shares, market.supplied, total)
        if not shares:
            raise Rejection(Refusal.UNITS_MISSING)
        market = replace(market, supplied=market.supplied + units)
        ctx.put("market", value=market)
        ctx.take(ctx.params.loan, units)
        ctx.mint(ctx.caller, self._share(ctx), shares)
        self._tell(ctx, "supplied", market, lender=ctx.caller, units=units, shares=shares)
        return Moved(units, shares)

    @method
    def withdraw(self, ctx: CallContext, units: int = 0, shares: int = 0) -> Moved:
        """Take exactly `units` out, for shares rounded up; or what `shares` are paid, rounded down."""
        _exactly_one(units, shares, "units", "shares")
        market, total = self._accrue(ctx)
        if units:
            shares = shares_up(units, market.supplied, total)
        else:
            units = units_down(shares, market.supplied, total)
        ctx.burn(self._share(ctx), shares)
        self._check_at_hand(market, units)
        market = replace(market, supplied=market.supplied - units)
        ctx.put("market", value=market)
        self._pay(ctx, ctx.params.loan, units)
        self._tell(ctx, "withdrawn", market, lender=ctx.caller, units=units, shares=shares)
        return Moved(units, shares)

    @method
    def accrue(self, ctx: CallContext) -> int:
        """Add the interest since the last call, as every other method does first; return it."""
        before: Market = ctx.get("market")
        market, _ = self._accrue(ctx)
        ctx.put("market", value=market)
        return market.supplied - before.supplied

    @method
    def collect(self, ctx: CallContext) -> int:
        """Pay out the fee's shares to the account that the parameters name; return how many."""
        market, _ = self._accrue(ctx)
        if ctx.caller != ctx.params.fee_account or not market.fee_shares:
            raise Rejection(Refusal.NOTHING_TO_COLLECT, caller=ctx.caller)
        ctx.put("market", value=replace(market, fee_shares=0))
        ctx.mint(ctx.caller, self._share(ctx), market.fee_shares)
        ctx.emit("collected", to=ctx.caller, shares=market.fee_shares)
        return market.fee_shares

    # Borrowers. What they take goes to themselves alone.

    @method
    def supply_collateral(self, ctx: CallContext, units: int) -> None:
        """Deposit collateral, which is not lent to anybody."""
        _check_some(units)
        market: Market = ctx.get("market")
        loan = self._loan(ctx, ctx.caller)
        ctx.take(ctx.params.collateral, units)
        ctx.put("market", value=replace(market, collateral=market.collateral + units))
        self._put_loan(ctx, ctx.caller, loan, Loan(loan.shares, loan.collateral + units))
        ctx.emit("collateral_supplied", borrower=ctx.caller, units=units)

    @method
    def withdraw_collateral(self, ctx: CallContext, units: int) -> None:
        """Take collateral out, as far as the debt leaves it free."""
        _check_some(units)
        market, _ = self._accrue(ctx)
        loan = self._loan(ctx, ctx.caller)
        self._check_has("collateral", units, loan.collateral)
        left = Loan(loan.shares, loan.collateral - units)
        self._check_healthy(ctx, market, left)
        ctx.put("market", value=replace(market, collateral=market.collateral - units))
        self._put_loan(ctx, ctx.caller, loan, left)
        ctx.pay(ctx.caller, ctx.params.collateral, units)
        ctx.emit("collateral_withdrawn", borrower=ctx.caller, units=units)

    @method
    def borrow(self, ctx: CallContext, units: int = 0, shares: int = 0) -> Moved:
        """Borrow exactly `units`, for debt shares rounded up; or what `shares` are paid, rounded down."""
        _exactly_one(units, shares, "units", "shares")
        market, _ = self._accrue(ctx)
        if units:
            shares = shares_up(units, market.borrowed, market.debt_shares)
        else:
            units = units_down(shares, market.borrowed, market.debt_shares)
            # Debt shares for nothing would make the next ones dearer without end.
            _check_some(units)
        if market.debt_shares + shares >= UNITS_LIMIT:
            raise Rejection(Refusal.SHARES_TOO_MANY, shares=str(market.debt_shares + shares))
        loan = self._loan(ctx, ctx.caller)
        grown = Loan(loan.shares + shares, loan.collateral)
        lent = replace(market, borrowed=market.borrowed + units, debt_shares=market.debt_shares + shares)
        self._check_healthy(ctx, lent, grown)
        self._check_at_hand(market, units)
        ctx.put("market", value=lent)
        self._put_loan(ctx, ctx.caller, loan, grown)
        ctx.pay(ctx.caller, ctx.params.loan, units)
        self._tell(ctx, "borrowed", lent, borrower=ctx.caller, units=units, shares=shares)
        return Moved(units, shares)

    @method
    def repay(self, ctx: CallContext, units: int = 0, shares: int = 0) -> Moved:
        """Repay exactly `units`, for debt shares rounded down; or what `shares` cost, rounded up."""
        return self._repay(ctx, ctx.caller, units, shares)

    @method
    def repay_for(self, ctx: CallContext, borrower: str, units: int = 0, shares: int = 0) -> Moved:
        """Repay another's debt. Apart from `repay`, so that a mandate can allow one without the other."""
        return self._repay(ctx, borrower, units, shares)

    @method
    def repay_all(self, ctx: CallContext) -> Moved:
        """Repay all that the caller owes at this moment: what the call may spend is the bound.

        `repay` refuses more shares than are owed, as the original does, and anybody may repay a share before
        it. This call cannot be made to fail like that.
        """
        shares = self._loan(ctx, ctx.caller).shares
        self._check_has("debt_shares", max(shares, 1), shares)
        return self._repay(ctx, ctx.caller, 0, shares)

    def _repay(self, ctx: CallContext, borrower: str, units: int, shares: int) -> Moved:
        _exactly_one(units, shares, "units", "shares")
        market, _ = self._accrue(ctx)
        if units:
            shares = shares_down(units, market.borrowed, market.debt_shares)
            if not shares:
                raise Rejection(Refusal.UNITS_MISSING)
        else:
            units = units_up(shares, market.borrowed, market.debt_shares)
        loan = self._loan(ctx, borrower)
        self._check_has("debt_shares", shares, loan.shares)
        ctx.take(ctx.params.loan, units)
        market = _repaid(market, units, shares)
        ctx.put("market", value=market)
        self._put_loan(ctx, borrower, loan, Loan(loan.shares - shares, loan.collateral))
        self._tell(ctx, "repaid", market, borrower=borrower, by=ctx.caller, units=units, shares=shares)
        return Moved(units, shares)

    # Liquidation.

    @method
    def liquidate(self, ctx: CallContext, borrower: str, seized: int = 0, shares: int = 0) -> Liquidated:
        """Repay an unhealthy debt for collateral: what `seized` units cost, or `shares` of the debt.

        The caller pays what is repaid, rounded up, and gets what is seized, rounded down. What the debt still
        is when the last collateral is gone comes off the lenders' units.
        """
        _exactly_one(seized, shares, "seized", "shares")
        market, _ = self._accrue(ctx)
        loan = self._loan(ctx, borrower)
        price = self._price(ctx)
        self._check_unhealthy(ctx, market, loan, price)
        if seized:
            done = self._by_seized(ctx, market, price, seized)
        else:
            done = self._by_shares(ctx, market, price, shares)
        return self._settle(ctx, market, borrower, loan, done)

    @method
    def liquidate_most(self, ctx: CallContext, borrower: str, most_repaid: int) -> Liquidated:
        """Liquidate as much as `most_repaid` units pay for: all the debt or all the collateral at most."""
        _check_some(most_repaid)
        market, _ = self._accrue(ctx)
        loan = self._loan(ctx, borrower)
        price = self._price(ctx)
        self._check_unhealthy(ctx, market, loan, price)
        done = self._most(ctx, market, loan, price, most_repaid)
        if not done.seized:
            raise Rejection(Refusal.UNITS_MISSING)
        return self._settle(ctx, market, borrower, loan, done)

    @method
    def write_off(self, ctx: CallContext, borrower: str) -> Liquidated:
        """Write off a debt whose collateral is not worth one unit: nobody would pay one to seize it.

        The caller gets the dust, and the lenders see their loss now instead of never.
        """
        market, _ = self._accrue(ctx)
        loan = self._loan(ctx, borrower)
        price = self._price(ctx)
        self._check_unhealthy(ctx, market, loan, price)
        worth = mul_div_down(loan.collateral, price.numerator, price.denominator)
        if worth:
            raise Rejection(Refusal.NOT_DUST, worth=str(worth))
        return self._settle(ctx, market, borrower, loan, Liquidated(loan.collateral, 0, 0))

    def _by_seized(self, ctx: CallContext, market: Market, price: OraclePrice, seized: int) -> Liquidated:
        quoted = mul_div_up(seized, price.numerator, price.denominator)
        worth = mul_div_up(quoted, WAD, liquidation_incentive(ctx.params.lltv))
        shares = shares_up(worth, market.borrowed, market.debt_shares)
        return Liquidated(seized, units_up(shares, market.borrowed, market.debt_shares), shares)

    def _by_shares(self, ctx: CallContext, market: Market, price: OraclePrice, shares: int) -> Liquidated:
        worth = units_down(shares, market.borrowed, market.debt_shares)
        raised = mul_div_down(worth, liquidation_incentive(ctx.params.lltv), WAD)
        seized = mul_div_down(raised, price.denominator, price.numerator)
        return Liquidated(seized, units_up(shares, market.borrowed, market.debt_shares), shares)

    def _most(
        self, ctx: CallContext, market: Market, loan: Loan, price: OraclePrice, most_repaid: int
    ) -> Liquidated:
        done = self._by_shares(ctx, market, price, loan.shares)
        if done.seized > loan.collateral:
            done = self._by_seized(ctx, market, price, loan.collateral)
        if done.repaid > most_repaid:
            affordable = shares_down(most_repaid, market.borrowed, market.debt_shares)
            done = self._by_shares(ctx, market, price, min(affordable, loan.shares))
        return done

    def _settle(
        self, ctx: CallContext, market: Market, borrower: str, loan: Loan, done: Liquidated
    ) -> Liquidated:
        """Write a liquidation, socialise what is left of the debt without collateral, and move the units."""
        self._check_has("debt_shares", done.shares, loan.shares)
        self._check_has("collateral", done.seized, loan.collateral)
        # From here the liquidation succeeds, if the caller has the units.
        left = Loan(loan.shares - done.shares, loan.collateral - done.seized)
        market = _repaid(market, done.repaid, done.shares)
        market = replace(market, collateral=market.collateral - done.seized)
        if not left.collateral and left.shares:
            bad = _bad_debt(market, left.shares)
            market = replace(
                market,
                supplied=market.supplied - bad,
                borrowed=market.borrowed - bad,
                debt_shares=market.debt_shares - left.shares,
            )
            left, done = Loan(), replace(done, bad_debt=bad)
        if done.repaid:
            ctx.take(ctx.params.loan, done.repaid)
        ctx.put("market", value=market)
        self._put_loan(ctx, borrower, loan, left)
        self._pay(ctx, ctx.params.collateral, done.seized)
        self._tell(
            ctx,
            "liquidated",
            market,
            borrower=borrower,
            by=ctx.caller,
            seized=done.seized,
            repaid=done.repaid,
            shares=done.shares,
            bad_debt=done.bad_debt,
        )
        return done

    @method
    def sync(self, ctx: CallContext) -> int:
        """Take what the loan asset's issuer clawed back from here off the lenders' units, for all alike.

        Whoever is quick would otherwise leave in full, and the last with nothing. Returns what was missing.
        """
        market, _ = self._accrue(ctx)
        missing = max(market.supplied - market.borrowed - ctx.balance(ctx.params.loan), 0)
        market = replace(market, supplied=market.supplied - missing)
        ctx.put("market", value=market)
        if missing:
            self._tell(ctx, "synced", market, by=ctx.caller, missing=missing)
        return missing

    @method
    def skim(self, ctx: CallContext, asset: str) -> int:
        """Pay the caller what somebody sent here by mistake: nothing else is above what the market owes."""
        market: Market = ctx.get("market")
        owed = {ctx.params.loan: market.supplied - market.borrowed, ctx.params.collateral: market.collateral}
        surplus = ctx.balance(asset) - owed.get(asset, 0)
        if surplus <= 0 or asset == self._share(ctx):
            raise Rejection(Refusal.NOTHING_TO_COLLECT, caller=ctx.caller)
        ctx.pay(ctx.caller, asset, surplus)
        ctx.emit("skimmed", by=ctx.caller, asset=asset, units=surplus)
        return surplus

    # What the methods share.

    def _tell(self, ctx: CallContext, name: str, market: Market, **fields: str | int) -> None:
        """Record what moved, with what is supplied and owed after it: the chart's two lines."""
        ctx.emit(name, **fields, total_supplied=market.supplied, total_borrowed=market.borrowed)

    def _share(self, ctx: CallContext) -> str:
        return f"{SHARE_CODE}@{ctx.this}"

    def _shares_of(self, ctx: CallContext, account: str) -> int:
        """Return the shares that an account could withdraw by; the market has none of its own."""
        return max(ctx.available(account, self._share(ctx)), 0)

    def _loan(self, ctx: CallContext, account: str) -> Loan:
        return ctx.get("loan", account) or Loan()

    def _put_loan(self, ctx: CallContext, account: str, before: Loan, after: Loan) -> None:
        """Write a position and keep its rank: the more debt a unit of collateral bears, the sooner its turn.

        Interest multiplies all debts alike, so the order stands between two writes.
        """
        ctx.put("loan", account, value=after if after.shares or after.collateral else None)
        old, new = _rank(before), _rank(after)
        if old != new:
            if old:
                ctx.put("rank", old, account, value=None)
            if new:
                ctx.put("rank", new, account, value=1)

    def _accrue(self, ctx: CallContext) -> tuple[Market, int]:
        """Return the market with interest to now, written nowhere yet, and all shares with the fee's."""
        supply = ctx.supply(self._share(ctx))
        market = accrue(ctx.params, ctx.get("market"), supply=supply, second=ctx.time // MICROSECONDS)
        return market, supply + market.fee_shares

    def _price(self, ctx: CallContext) -> OraclePrice:
        """Return the price of collateral as the market demands it. Rejections: the oracle's."""
        params: Parameters = ctx.params
        price: OraclePrice = ctx.view(
            params.oracle,
            "price",
            asset_in=params.collateral,
            asset_out=params.loan,
            freshness_seconds=params.freshness_seconds,
            quorum=params.quorum,
        )
        return price

    def _limit(self, ctx: CallContext, collateral: int, price: OraclePrice) -> int:
        """Return the most that the collateral may secure, rounded down twice."""
        worth = mul_div_down(collateral, price.numerator, price.denominator)
        return mul_div_down(worth, ctx.params.lltv, WAD)

    def _check_healthy(self, ctx: CallContext, market: Market, loan: Loan) -> None:
        if not loan.shares:
            return
        debt = units_up(loan.shares, market.borrowed, market.debt_shares)
        limit = self._limit(ctx, loan.collateral, self._price(ctx))
        if debt > limit:
            raise Rejection(Refusal.COLLATERAL_INSUFFICIENT, debt=str(debt), limit=str(limit))

    def _check_unhealthy(self, ctx: CallContext, market: Market, loan: Loan, price: OraclePrice) -> None:
        debt = units_up(loan.shares, market.borrowed, market.debt_shares)
        limit = self._limit(ctx, loan.collateral, price)
        if not loan.shares or debt <= limit:
            raise Rejection(Refusal.POSITION_HEALTHY, debt=str(debt), limit=str(limit))

    def _check_at_hand(self, market: Market, units: int) -> None:
        if units > market.supplied - market.borrowed:
            raise Rejection(
                Refusal.LIQUIDITY_INSUFFICIENT,
                asked=str(units),
                at_hand=str(market.supplied - market.borrowed),
            )

    def _check_has(self, what: str, asked: int, has: int) -> None:
        if asked > has:
            raise Rejection(Refusal.POSITION_EXCEEDED, what=what, asked=str(asked), has=str(has))

    def _pay(self, ctx: CallContext, asset: str, units: int) -> None:
        if units:
            ctx.pay(ctx.caller, asset, units)

    # Views.

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the share and the loan asset, which `price` prices in each other."""
        return [self._share(ctx), ctx.params.loan]

    @view
    def price(self, ctx: CallContext, asset_in: str, asset_out: str) -> Price:
        """Return what a lender's share is worth with interest to now; not what is at hand to pay it."""
        market, total = self._accrue(ctx)
        worth = Price(market.supplied + VIRTUAL_UNITS, total + VIRTUAL_SHARES)
        pair = [self._share(ctx), ctx.params.loan]
        if [asset_in, asset_out] == pair:
            return worth
        if [asset_out, asset_in] == pair:
            return Price(worth.denominator, worth.numerator)
        raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])

    @view
    def state(self, ctx: CallContext) -> Market:
        """Return the market's row with interest to now."""
        return self._accrue(ctx)[0]

    @view
    def rates(self, ctx: CallContext) -> Rates:
        """Return what borrowing costs and lending earns at this moment."""
        market, _ = self._accrue(ctx)
        borrow = self._rate(ctx, market)
        utilisation = mul_div_down(market.borrowed, WAD, market.supplied) if market.supplied else 0
        supply = mul_div_down(mul_div_down(borrow, utilisation, WAD), WAD - ctx.params.fee, WAD)
        yearly = [mul_div_down(rate, YEAR_SECONDS * PPM, WAD) for rate in (borrow, supply)]
        return Rates(utilisation, borrow, supply, *yearly)

    @view
    def position(self, ctx: CallContext, account: str) -> PositionState:
        """Return what the account has and owes here, and the price that liquidates it."""
        market, total = self._accrue(ctx)
        loan = self._loan(ctx, account)
        shares = self._shares_of(ctx, account)
        price, refusal = self._attempt_price(ctx)
        debt = units_up(loan.shares, market.borrowed, market.debt_shares)
        needed = mul_div_up(debt, WAD, ctx.params.lltv)
        return PositionState(
            shares=shares,
            units=units_down(shares, market.supplied, total),
            collateral=loan.collateral,
            debt_units=debt,
            debt_shares=loan.shares,
            limit_units=self._limit(ctx, loan.collateral, price) if price else 0,
            free_collateral=self._free(loan, needed, price),
            liquidation_numerator=needed,
            liquidation_denominator=loan.collateral if needed else 0,
            refusal=refusal,
        )

    @view
    def withdrawable(self, ctx: CallContext, account: str) -> Withdrawable:
        """Return what a lender can take out now, and when the rest can leave at the latest."""
        market, total = self._accrue(ctx)
        units = units_down(self._shares_of(ctx, account), market.supplied, total)
        now = min(units, market.supplied - market.borrowed)
        return Withdrawable(units, now, units - now, self._when(ctx, market) if units > now else None)

    @view
    def liquidatable(self, ctx: CallContext, most: int = LISTED_MAX, skip: int = 0) -> list[str]:
        """Return up to `most` accounts that anyone may liquidate now, the deepest in debt first.

        The first `skip` are left out: who makes many small bad debts hides no large one behind them.
        """
        if not 1 <= most <= LISTED_MAX or skip < 0:
            raise Rejection(Code.ARGUMENTS_INVALID, method="liquidatable", reason=f"1 to {LISTED_MAX}")
        market, _ = self._accrue(ctx)
        price = self._price(ctx)
        found: list[str] = []
        for place, ((_, account), _) in enumerate(
            ctx.scan("rank", start=UNITS_LIMIT * RANK_ONE, reverse=True)
        ):
            if place < skip:
                continue
            loan = self._loan(ctx, account)
            debt = units_up(loan.shares, market.borrowed, market.debt_shares)
            if debt <= self._limit(ctx, loan.collateral, price) or len(found) == most:
                break
            found.append(account)
        return found

    @view
    def quote_liquidation(self, ctx: CallContext, borrower: str, most_repaid: int) -> Liquidated:
        """Return what `liquidate_most` would do now. Rejections: as it."""
        _check_some(most_repaid)
        market, _ = self._accrue(ctx)
        loan, price = self._loan(ctx, borrower), self._price(ctx)
        self._check_unhealthy(ctx, market, loan, price)
        done = self._most(ctx, market, loan, price, most_repaid)
        if not done.seized:
            raise Rejection(Refusal.UNITS_MISSING)
        left = loan.shares - done.shares
        if left and done.seized == loan.collateral:
            return replace(done, bad_debt=_bad_debt(_repaid(market, done.repaid, done.shares), left))
        return done

    def _rate(self, ctx: CallContext, market: Market) -> int:
        rate, _ = rate_per_second(
            ctx.params.rate,
            supplied=market.supplied,
            borrowed=market.borrowed,
            rate_at_target=market.rate_at_target,
            elapsed_seconds=0,
        )
        return rate

    def _attempt_price(self, ctx: CallContext) -> tuple[OraclePrice | None, str]:
        """Return the price, or None and the code of why there is none."""
        params: Parameters = ctx.params
        answered, told = ctx.attempt_view(
            params.oracle,
            "price",
            asset_in=params.collateral,
            asset_out=params.loan,
            freshness_seconds=params.freshness_seconds,
            quorum=params.quorum,
        )
        return (told, "") if answered else (None, told)

    def _free(self, loan: Loan, needed: int, price: OraclePrice | None) -> int:
        """Return how much collateral can leave while `needed` units' worth must stay."""
        if not loan.shares:
            return loan.collateral
        if price is None:
            return 0
        return max(loan.collateral - mul_div_up(needed, price.denominator, price.numerator), 0)

    def _when(self, ctx: CallContext, market: Market) -> int | None:
        """Return when the safest debt reaches its limit at the present price and rate; None: not in sight."""
        price, _ = self._attempt_price(ctx)
        first = next(ctx.scan("rank"), None)
        if price is None or first is None:
            return None
        (_, account), _ = first
        loan = self._loan(ctx, account)
        limit, rate = self._limit(ctx, loan.collateral, price), self._rate(ctx, market)

        def is_open(seconds: int) -> bool:
            grown = market.borrowed + mul_div_down(market.borrowed, compounded(rate, seconds), WAD)
            return units_up(loan.shares, grown, market.debt_shares) > limit

        early, late = -1, YEARS_AHEAD * YEAR_SECONDS
        if not is_open(late):
            return None
        while late - early > 1:
            middle = (early + late) // 2
            early, late = (early, middle) if is_open(middle) else (middle, late)
        found: int = ctx.time + late * MICROSECONDS
        return found

    # The five self-descriptions.

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        """Return what is at hand, and by borrower what is owed: together what the lenders' shares are worth.

        Debts are scaled to what is left of that worth. After `BORROWERS_LISTED_MAX` borrowers the rest stands
        as one debt, of the market itself.
        """
        market, total = self._accrue(ctx)
        share, loan = self._share(ctx), ctx.params.loan
        worth = units_down(ctx.supply(share), market.supplied, total)
        at_hand = min(market.supplied - market.borrowed, worth)
        found = [Backing(share, loan, at_hand)]
        left, shares_left = worth - at_hand, market.debt_shares
        if not left:
            return found
        for (borrower,), owed in ctx.scan("loan"):
            if len(found) > BORROWERS_LISTED_MAX or not shares_left:
                break
            if owed.shares:
                units = mul_div_down(left, owed.shares, shares_left)
                left, shares_left = left - units, shares_left - owed.shares
                found.append(Backing(share, loan, units, due_from=borrower))
        return [*found, Backing(share, loan, left, due_from=ctx.this)] if left else found

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return collateral and debt, and fee shares not collected yet; lenders hold theirs themselves."""
        market, _ = self._accrue(ctx)
        loan = self._loan(ctx, account)
        found = []
        if loan.collateral:
            found.append(Position(ctx.params.collateral, loan.collateral, note="collateral"))
        if loan.shares:
            debt = units_up(loan.shares, market.borrowed, market.debt_shares)
            found.append(Position(ctx.params.loan, debt, owed=True, note="debt to the lenders"))
        if market.fee_shares and account == ctx.params.fee_account:
            found.append(Position(self._share(ctx), market.fee_shares, note="fee"))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the ways out: the debt first, then the collateral, then what was lent and is at hand."""
        params: Parameters = ctx.params
        market, total = self._accrue(ctx)
        loan = self._loan(ctx, account)
        ways = []
        debt = units_up(loan.shares, market.borrowed, market.debt_shares)
        affordable = min(debt, ctx.available(account, params.loan)) if debt else 0
        if affordable > 0:
            way = ("repay_all", {}) if affordable == debt else ("repay", {"units": affordable})
            ways.append(Exit(*way, params.loan, 0, spend={params.loan: affordable}))
        if loan.collateral:
            price = self._attempt_price(ctx)[0] if loan.shares else None
            free = self._free(loan, mul_div_up(debt, WAD, params.lltv), price)
            leaves = {"units": free or loan.collateral}
            ways.append(Exit("withdraw_collateral", leaves, params.collateral, free, loan.collateral - free))
        if market.fee_shares and account == params.fee_account:
            ways.append(Exit("collect", {}, self._share(ctx), market.fee_shares))
        shares = self._shares_of(ctx, account)
        units = units_down(shares, market.supplied, total)
        if units:
            now = min(units, market.supplied - market.borrowed)
            later = units - now
            if later:
                amount = {"units": now or units}
                spent = shares_up(now, market.supplied, total)
            else:
                amount, spent = {"shares": shares}, shares
            when = self._when(ctx, market) if later else None
            spend = {self._share(ctx): spent} if now else {}
            ways.append(Exit("withdraw", amount, params.loan, now, later, when, spend))
        return ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the published rule of liquidation, and the fee: nobody can change anything."""
        params: Parameters = ctx.params
        incentive = (liquidation_incentive(params.lltv) - WAD) * PPM // WAD
        bound = f"debt above {params.lltv * PPM // WAD} ppm of the collateral's worth; {incentive} ppm more"
        found = [Power("anyone", "repays a debt for its collateral", bound)]
        if params.fee:
            part = f"{params.fee * PPM // WAD} ppm of the interest"
            found.append(Power(params.fee_account, "receives shares for interest earned", part))
        return found

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the two assets and the oracle."""
        params: Parameters = ctx.params
        return Dependencies(assets=(params.loan, params.collateral), oracles=(params.oracle,))


def _rank(loan: Loan) -> int:
    """Return debt shares for a unit of collateral, as a fraction of `RANK_ONE`; zero without debt."""
    return mul_div_up(loan.shares, RANK_ONE, loan.collateral) if loan.shares else 0


def _least_borrowed(debt_shares: int) -> int:
    """Return the least owed for debt shares: else they could grow too many for anybody else to borrow."""
    return debt_shares // DEBT_SHARES_PER_UNIT_MAX


def _repaid(market: Market, units: int, shares: int) -> Market:
    """Return the market after a repayment, which rounding up may make a unit more than all that is owed.

    What a repayment rounds off is the other debtors' gain, and the lenders' where that would leave debt
    shares that are hardly worth anything.
    """
    left = market.debt_shares - shares
    rounded = max(market.borrowed - units, 0)
    borrowed = max(rounded, _least_borrowed(left))
    return replace(market, supplied=market.supplied + borrowed - rounded, borrowed=borrowed, debt_shares=left)


def _bad_debt(market: Market, shares: int) -> int:
    """Return what the lenders lose by `shares` of debt that nothing secures any more."""
    most = max(market.borrowed - _least_borrowed(market.debt_shares - shares), 0)
    return min(most, units_up(shares, market.borrowed, market.debt_shares))
