"""Custodied coin: a stablecoin that is minted and burned only on its custodian's signed instruction.

Three parties: the custodian has the money and says so, the issuer owes the coin, holders hold it. The
custodian instructs a mint by putting in as many of its own receipts, claims on itself, as coins are to be
minted; the issuer executes or declines. A holder asks for its money by putting coins in; the custodian
instructs the burn once it has paid. Each has a key. One key means one mint, or one burn: saying the same
again changes nothing, and saying something else under it is refused. Nothing is in limbo: each has an expiry,
at which receipts or coins return to whoever put them in.

So there are never more coins than receipts, and what backs them is a claim on the custodian that anybody
can see.

Source: Regulation (EU) 2023/1114 (MiCA), Articles 36, 37 and 49: reserve of assets, its custody by others,
and redemption at par on request.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Literal

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT
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
from tallystick.ledger.names import check_reference
from tallystick.ledger.records import Terms
from tallystick.ledger.redemptions import Redemption, Step
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

OPEN_SECONDS_MAX = 31 * 86_400
WAITING = "waiting"
"""The sub-account in which coins wait to be burned."""

Side = Literal["mint", "burn"]
Status = Literal["open", "minted", "declined", "requested", "burned", "returned"]


class Parameters(Record, frozen=True):
    """Who does what. `receipt` is the custodian's claim that backs the coin one for one.

    An instruction stays open for at most `open_seconds_max`.
    """

    institution: str
    issuer: str
    custodian: str
    receipt: str
    code: str
    open_seconds_max: int = 7 * 86_400
    burn_units_min: int = 1
    """So many coins at least are asked to be paid at a time: each request takes a timer of the contract's."""


class Instruction(Record, frozen=True):
    """What stands under a key: to mint `units` to `account`, or to burn them for it."""

    side: Side
    key: str
    account: str
    units: int
    expires: int
    status: Status
    evidence: str
    timer_due: int
    timer_number: int


class Refusal(StrEnum):
    """Why a custodied coin refuses."""

    PARAMETERS_INVALID = "custodied_coin.parameters_invalid"
    """The parties are one, or the longest time open is out of range. Facts: reason."""
    NOT_THE_PARTY = "custodied_coin.not_the_party"
    """Another party does this. Facts: caller, party."""
    KEY_REUSED = "custodied_coin.key_reused"
    """Something else stands under this key. Facts: key, status."""
    NO_SUCH_KEY = "custodied_coin.no_such_key"
    """Nothing stands under this key. Facts: key."""
    ALREADY_ENDED = "custodied_coin.already_ended"
    """What stands under the key has ended in another way, or expired. Facts: key, status."""
    EXPIRY_INVALID = "custodied_coin.expiry_invalid"
    """An instruction expires later, not too late, and ends then and not before. Facts: expires, latest."""
    UNITS_TOO_FEW = "custodied_coin.units_too_few"
    """A request is for fewer coins than the contract takes at a time. Facts: units, least."""


class CustodiedCoin(Contract):
    """A claim on an issuer, backed one for one by receipts of a custodian."""

    kind = "custodied_coin"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "instruction": Table(key=(str, str), value=Instruction),  # (side, key)
        "open": Table(key=(str, str, str), value=int),  # (account, side, key), while open or requested
        "backing": Table(key=(), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Declare the coin, owed by the institution that consented."""
        given = ctx.params
        bounded = 0 < given.open_seconds_max <= OPEN_SECONDS_MAX and 0 < given.burn_units_min < UNITS_LIMIT
        if given.custodian == given.issuer or not bounded:
            raise Rejection(
                Refusal.PARAMETERS_INVALID,
                reason="two parties, open for 1 second to 31 days, one coin at least",
            )
        receipt = ctx.asset(given.receipt)
        ctx.create_asset(
            given.code,
            kind="claim",
            decimals=receipt.decimals,
            unit=receipt.unit,
            obligor=given.institution,
            terms=Terms(owes=given.receipt),
        )
        ctx.put("backing", value=0)

    # Minting.

    @method
    def instruct_mint(self, ctx: CallContext, key: str, to: str, units: int, expires: int) -> str:
        """As the custodian, put in receipts for coins to be minted; return what stands under the key."""
        self._check_party(ctx, ctx.params.custodian)
        known = self._same(ctx, "mint", key, account=to, units=units)
        if known:
            return known
        self._add(ctx, "mint", key, account=to, units=units, expires=expires)
        ctx.take(ctx.params.receipt, units)
        ctx.emit("mint_instructed", key=key, to=to, units=units, expires=expires)
        return "open"

    @method
    def execute(self, ctx: CallContext, key: str) -> str:
        """As the issuer, mint what the custodian instructed; once, however often it is called."""
        self._check_party(ctx, ctx.params.issuer)
        found = self._find(ctx, "mint", key)
        if found.status == "minted":
            return "minted"
        self._check_live(ctx, found, "open")
        self._end(ctx, found, "minted")
        ctx.put("backing", value=ctx.get("backing") + found.units)
        ctx.mint(found.account, self._coin(ctx), found.units)
        ctx.emit("minted", key=key, to=found.account, units=found.units)
        return "minted"

    @method
    def decline(self, ctx: CallContext, key: str) -> str:
        """As the issuer or the custodian, end an instruction to mint; the receipts return."""
        if ctx.caller != ctx.params.issuer:
            self._check_party(ctx, ctx.params.custodian)
        return self._decline(ctx, self._find(ctx, "mint", key))

    # Burning.

    @method
    def request_burn(self, ctx: CallContext, key: str, units: int, expires: int) -> str:
        """As a holder, put coins in and ask for the money; return what stands under the key."""
        known = self._same(ctx, "burn", key, account=ctx.caller, units=units)
        if known:
            return known
        if units < ctx.params.burn_units_min:
            raise Rejection(
                Refusal.UNITS_TOO_FEW, units=str(units)[:48], least=str(ctx.params.burn_units_min)
            )
        self._add(ctx, "burn", key, account=ctx.caller, units=units, expires=expires)
        # Coins that come to the issuing account are no longer outstanding: they wait in a sub-account.
        ctx.burn(self._coin(ctx), units)
        ctx.mint(ctx.open_subaccount(WAITING), self._coin(ctx), units)
        ctx.emit("burn_requested", key=key, account=ctx.caller, units=units, expires=expires)
        return "requested"

    @method
    def instruct_burn(self, ctx: CallContext, key: str, evidence: str) -> str:
        """As the custodian that paid the holder, burn the coins; the receipts return to the custodian."""
        self._check_party(ctx, ctx.params.custodian)
        check_reference(evidence)
        found = self._find(ctx, "burn", key)
        if found.status == "burned" and found.evidence == evidence:
            return "burned"
        self._check_live(ctx, found, "requested")
        self._end(ctx, replace(found, evidence=evidence), "burned")
        ctx.put("backing", value=ctx.get("backing") - found.units)
        ctx.pay(ctx.this, self._coin(ctx), found.units, source=self._waiting(ctx))
        ctx.pay(ctx.params.custodian, ctx.params.receipt, found.units)
        ctx.emit("burned", key=key, account=found.account, units=found.units, evidence=evidence)
        return "burned"

    @method
    def take_back(self, ctx: CallContext, key: str) -> str:
        """As its holder, end a request; the coins return."""
        found = self._find(ctx, "burn", key)
        if ctx.caller != found.account:
            raise Rejection(Refusal.NOT_THE_PARTY, caller=ctx.caller, party=found.account)
        return self._return(ctx, found)

    @method
    def expire(self, ctx: CallContext, side: Side, key: str) -> str:
        """End what was left open until its expiry: called by the contract's timer, or by anyone after it."""
        found = self._find(ctx, side, key)
        if ctx.time < found.expires:
            raise Rejection(Refusal.EXPIRY_INVALID, expires=str(found.expires), latest=str(ctx.time))
        return self._return(ctx, found) if side == "burn" else self._decline(ctx, found)

    # Questions.

    @view
    def status(self, ctx: CallContext, side: Side, key: str) -> Instruction:
        """Return what stands under a key for a mint, or for a burn."""
        return self._find(ctx, side, key)

    @view
    def redemptions(
        self, ctx: CallContext, account: str, claim: str = "", units: int = 0
    ) -> list[Redemption]:
        """Return the account's requests, and how so many coins are asked for: the custodian pays and burns.

        What the custodian owes the holder is what the receipts that return to it were owed.
        """
        found = [
            self._redemption(ctx, account, one.key, one.units, ends=one.expires)
            for one in self._waiting_for(ctx, account)
            if one.side == "burn"
        ]
        if claim == self._coin(ctx) and units > 0:
            ends = ctx.time + ctx.params.open_seconds_max * MICROSECONDS
            arguments = {"key": self._free_key(ctx, account), "units": units, "expires": ends}
            ask = Step(account, "request_burn", arguments, {claim: units})
            found.append(self._redemption(ctx, account, arguments["key"], units, ends=ends, ask=ask))
        return found

    # The five self-descriptions.

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        """Return the receipts behind the coins; those of instructions that are open are the custodian's."""
        return [Backing(self._coin(ctx), ctx.params.receipt, ctx.get("backing"))]

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the issuer's reserve, and what an account has waiting here."""
        given = ctx.params
        found = []
        if account == given.issuer and ctx.get("backing"):
            found.append(Position(given.receipt, ctx.get("backing"), note="reserve"))
        for one in self._waiting_for(ctx, account):
            asset = given.receipt if one.side == "mint" else self._coin(ctx)
            found.append(Position(asset, one.units, note=one.key))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return how what waits is taken back, and how coins are asked to be paid."""
        ways = []
        for one in self._waiting_for(ctx, account):
            if one.side == "mint":
                ways.append(Exit("decline", {"key": one.key}, ctx.params.receipt, one.units))
            else:
                ways.append(Exit("take_back", {"key": one.key}, self._coin(ctx), one.units))
        coins = ctx.available(account, self._coin(ctx))
        if coins > 0:
            expires = ctx.time + ctx.params.open_seconds_max * MICROSECONDS
            arguments = {"key": self._free_key(ctx, account), "units": coins, "expires": expires}
            spend = {self._coin(ctx): coins}
            ways.append(
                Exit("request_burn", arguments, ctx.params.receipt, 0, coins, when=expires, spend=spend)
            )
        return ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what each party alone can do."""
        given = ctx.params
        return [
            Power(given.custodian, "instruct mints and burns", "as many coins as receipts are put in"),
            Power(given.issuer, "execute or decline a mint", "what the custodian instructed"),
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the receipt, which is a claim on the custodian."""
        return Dependencies(assets=(ctx.params.receipt,))

    # What several of the above need.

    def _coin(self, ctx: CallContext) -> str:
        return f"{ctx.params.code}@{ctx.this}"

    def _waiting(self, ctx: CallContext) -> str:
        return f"{ctx.this}/{WAITING}"

    def _free_key(self, ctx: CallContext, account: str) -> str:
        """Return a key under which nothing stands yet, to ask for a burn with."""
        key, number = f"exit {account} {ctx.time}", 1
        while ctx.get("instruction", "burn", key) is not None:
            number += 1
            key = f"exit {account} {ctx.time} {number}"
        return key

    def _redemption(
        self, ctx: CallContext, account: str, key: str, units: int, *, ends: int, ask: Step | None = None
    ) -> Redemption:
        burn = Step(ctx.params.custodian, "instruct_burn", {"key": key, "evidence": key})
        return Redemption(
            self._coin(ctx),
            account,
            units,
            ctx.params.receipt,
            ask,
            burn,
            ends=ends,
            owes=ctx.params.receipt,
            undo=Step(account, "take_back", {"key": key}),
        )

    def _find(self, ctx: CallContext, side: Side, key: str) -> Instruction:
        found: Instruction | None = ctx.get("instruction", side, key)
        if found is None:
            raise Rejection(Refusal.NO_SUCH_KEY, key=key[:128])
        return found

    def _same(self, ctx: CallContext, side: Side, key: str, *, account: str, units: int) -> str:
        """Return the status of the very same instruction, nothing if the key is new."""
        found: Instruction | None = ctx.get("instruction", side, key)
        if found is None:
            return ""
        if (found.account, found.units) != (account, units):
            raise Rejection(Refusal.KEY_REUSED, key=key[:128], status=found.status)
        return found.status

    def _add(self, ctx: CallContext, side: Side, key: str, *, account: str, units: int, expires: int) -> None:
        check_reference(key)
        if not 0 < units < UNITS_LIMIT:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(units)[:48])
        latest = ctx.time + ctx.params.open_seconds_max * MICROSECONDS
        if not ctx.time < expires <= latest:
            raise Rejection(Refusal.EXPIRY_INVALID, expires=str(expires), latest=str(latest))
        timer_due, timer_number = ctx.set_timer(expires, "expire", side=side, key=key)
        status: Status = "open" if side == "mint" else "requested"
        one = Instruction(side, key, account, units, expires, status, "", timer_due, timer_number)
        ctx.put("instruction", side, key, value=one)
        ctx.put("open", self._owner(ctx, one), side, key, value=1)

    def _owner(self, ctx: CallContext, one: Instruction) -> str:
        """Return whose property waits: the custodian's receipts, or the holder's coins."""
        custodian: str = ctx.params.custodian
        return custodian if one.side == "mint" else one.account

    def _waiting_for(self, ctx: CallContext, account: str) -> Iterator[Instruction]:
        for key, _ in ctx.scan("open", account):
            yield ctx.get("instruction", key[1], key[2])

    def _end(self, ctx: CallContext, one: Instruction, status: Status) -> None:
        ctx.put("open", self._owner(ctx, one), one.side, one.key, value=None)
        ctx.put("instruction", one.side, one.key, value=replace(one, status=status))
        ctx.cancel_timer(one.timer_due, one.timer_number)

    def _decline(self, ctx: CallContext, one: Instruction) -> str:
        if one.status == "declined":
            return "declined"
        self._check_status(one, "open")
        self._end(ctx, one, "declined")
        ctx.pay(ctx.params.custodian, ctx.params.receipt, one.units)
        ctx.emit("declined", key=one.key, units=one.units)
        return "declined"

    def _return(self, ctx: CallContext, one: Instruction) -> str:
        if one.status == "returned":
            return "returned"
        self._check_status(one, "requested")
        self._end(ctx, one, "returned")
        ctx.pay(one.account, self._coin(ctx), one.units, source=self._waiting(ctx))
        ctx.emit("returned", key=one.key, account=one.account, units=one.units)
        return "returned"

    def _check_live(self, ctx: CallContext, one: Instruction, wanted: Status) -> None:
        """Check that an instruction stands as wanted and has not expired, whether its timer ran or not."""
        self._check_status(one, wanted)
        if one.expires <= ctx.time:
            raise Rejection(Refusal.ALREADY_ENDED, key=one.key, status="expired")

    def _check_status(self, one: Instruction, wanted: Status) -> None:
        if one.status != wanted:
            raise Rejection(Refusal.ALREADY_ENDED, key=one.key, status=one.status)

    def _check_party(self, ctx: CallContext, party: str) -> None:
        if ctx.caller != party:
            raise Rejection(Refusal.NOT_THE_PARTY, caller=ctx.caller, party=party)
