"""Maker's numbers against the Dutch liquidation: its price curves, and the life of a clipper.

The recorded auctions run inside an engine of contracts (Vat, Dog, Spotter, Vow) whose money counts in units
of 10^-45, more than a balance of ours holds. So a stand-in for that engine keeps its books in a table, and
the auctions are the contract's own methods on them: only where money, lots and prices come from is replaced.
What the engine itself refuses (unsafe positions, dust) it refuses here too.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from tallystick.contracts.dutch_liquidation import (
    DutchLiquidation,
    ExponentialFall,
    Fall,
    LinearFall,
    Refusal,
    Sale,
    StairFall,
    fallen_price,
)
from tallystick.ledger.contract import Record, Table, method
from tallystick.ledger.rates import RAY, WAD
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tests.contracts.market import Market
from tests.ledger.world import SECOND, START
from tests.no_free_lunch.harness import with_kinds
from tests.vectors.harness import Adapter, Tally, numbers, replay

ENGINE = "engine"
TAKER, KEEPER, VOW = "taker", "keeper", "vow"

REASONS: dict[str, Any] = {
    "Clipper/too-expensive": Refusal.TOO_DEAR,
    "Clipper/needs-reset": Refusal.NEEDS_RESTART,
    "Clipper/cannot-reset": Refusal.CANNOT_RESTART,
    "Clipper/not-running-auction": Refusal.UNKNOWN_SALE,
    "Clipper/no-partial-purchase": Refusal.NO_PARTIAL_TAKE,
    "Clipper/zero-top-price": Refusal.PRICE_MISSING,
    "Clipper/zero-tab": Refusal.SALE_INVALID,
    "Clipper/zero-lot": Refusal.SALE_INVALID,
}
"""Reasons of the engine have no code of ours; any will do."""


class EngineParameters(Record, frozen=True):
    """The auctions' parameters, and the engine's."""

    fall: Fall
    start_factor: int
    restart_seconds: int
    restart_fraction: int
    tip: int
    chip: int
    ratio: int
    dust: int
    penalty: int


class Position(Record, frozen=True):
    """Collateral and debt of an account (an urn), and the collateral outside (gem)."""

    ink: int = 0
    art: int = 0
    gem: int = 0


class Engine(DutchLiquidation):
    """Positions, what they owe, and whoever may be sold out; its auctions are the contract's own."""

    kind = "maker_engine"
    version = 1
    Parameters = EngineParameters
    one: ClassVar[int] = 1
    tables: ClassVar = {
        **DutchLiquidation.tables,
        "position": Table(key=(str,), value=Position),
        "money": Table(key=(str,), value=int),
        "total": Table(key=(str,), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Begin with nothing."""

    # The engine (vat.frob, dog.bark, spot.poke).

    @method
    def fund(self, ctx: CallContext, who: str, position: Position, money: int) -> None:
        """Set an account's beginning."""
        ctx.put("position", who, value=position)
        self._add(ctx, "total", "Art", position.art)
        self._add(ctx, "money", who, money)

    @method
    def set_price(self, ctx: CallContext, wad: int) -> None:
        """Take a price over."""
        ctx.put("total", "price", value=wad)

    @method
    def frob(self, ctx: CallContext, who: str, dink: int, dart: int) -> None:
        """Change collateral and debt (vat.frob, at a rate of one)."""
        before: Position = ctx.get("position", who)
        after = Position(before.ink + dink, before.art + dart, before.gem - dink)
        if after.ink < 0 or after.art < 0:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount="")
        if (dart > 0 or dink < 0) and after.art * RAY > after.ink * self._safe_price(ctx):
            raise Rejection(Code.MALFORMED, reason="not safe")
        if after.art and after.art * RAY < ctx.params.dust:
            raise Rejection(Code.MALFORMED, reason="dust")
        if after.gem < 0 or (ctx.get("money", who) or 0) + dart * RAY < 0:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount="")
        ctx.put("position", who, value=after)
        self._add(ctx, "total", "Art", dart)
        self._add(ctx, "money", who, dart * RAY)

    @method
    def bark(self, ctx: CallContext, who: str) -> int:
        """Sell an unsafe position out, in whole (dog.bark: the recording has no limit in its way)."""
        found: Position = ctx.get("position", who)
        if found.ink * self._safe_price(ctx) >= found.art * RAY:
            raise Rejection(Code.MALFORMED, reason="not unsafe")
        if not found.ink:
            raise Rejection(Code.MALFORMED, reason="null auction")
        due = found.art * RAY
        ctx.put("position", who, value=Position(0, 0, found.gem))
        self._add(ctx, "total", "Art", -found.art)
        self._add(ctx, "total", "sin", due)
        due = due * ctx.params.penalty // WAD
        self._add(ctx, "total", "Dirt", due)
        return self._start(ctx, Sale(VOW, who, due, found.ink, 0, 0), KEEPER)

    @method
    def restart(self, ctx: CallContext, sale: int) -> int:
        """Restart as the keeper, whoever calls."""
        return super().restart(ctx, sale)

    # What the auctions stand on here.

    def _safe_price(self, ctx: CallContext) -> int:
        return ctx.get("total", "price") * 10**9 * RAY // RAY * RAY // ctx.params.ratio

    def _feed_price(self, ctx: CallContext) -> int:
        return ctx.get("total", "price") * 10**9

    def _pay_seller(self, ctx: CallContext, seller: str, units: int) -> None:
        left = ctx.get("money", TAKER) - units
        if left < 0:
            raise Rejection(Code.INSUFFICIENT_BALANCE, short_units=str(-left))
        ctx.put("money", TAKER, value=left)
        self._add(ctx, "money", seller, units)

    def _give_lot(self, ctx: CallContext, to: str, units: int) -> None:
        # A taker acts through the one account that the recording gives it.
        who = TAKER if to == ctx.caller else to
        found: Position = ctx.get("position", who) or Position()
        ctx.put("position", who, value=Position(found.ink, found.art, found.gem + units))

    def _reward(self, ctx: CallContext, number: int, sale: Sale, keeper: str) -> Sale:
        reward = self._reward_units(ctx, sale)
        self._add(ctx, "total", "sin", reward)
        self._add(ctx, "money", KEEPER, reward)
        return sale

    def _least_due(self, ctx: CallContext) -> int:
        return ctx.params.dust * ctx.params.penalty // WAD

    def _settled(self, ctx: CallContext, due: int) -> None:
        self._add(ctx, "total", "Dirt", -due)

    def _add(self, ctx: CallContext, table: str, name: str, change: int) -> None:
        ctx.put(table, name, value=(ctx.get(table, name) or 0) + change)


class Life:
    """The recorded life of a clipper and its engine."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        given = case["params"]
        self.market = Market(accounts=("user",), kinds=with_kinds(Engine()))
        self.world = self.market.world
        told = numbers(given)
        self.market.deploy(
            ENGINE,
            "maker_engine",
            fall=_fall(given["calc"]),
            start_factor=told["buf"],
            restart_seconds=told["tail"],
            restart_fraction=told["cusp"],
            tip=told["tip"],
            chip=told["chip"],
            ratio=_ray(given["mat"]),
            dust=told["dustRad"],
            penalty=told["chop"],
        )
        self._call("set_price", wad=told["initialPrice"])
        first = numbers(case["steps"][0])
        self.offset = first["t"] - START // SECOND
        self.names = self._fund(case["steps"])

    def _fund(self, steps: list[Mapping[str, Any]]) -> list[str]:
        """Give every account what it had before the first step, told by the first state that is recorded.

        Until then nothing but `frob` succeeded, so going back over those steps gives the beginning.
        """
        place = next(number for number, step in enumerate(steps) if "after" in step)
        state = numbers(steps[place]["after"])
        assert all("revert" in step for step in steps[:place])
        done = numbers(steps[place])
        assert done["op"] in ("frob", "price"), "a first change that tells the beginning"
        changes = {done["who"]: (done["dink"], done["dart"])} if done["op"] == "frob" else {}
        drawn = 0
        for name, urn in state["urns"].items():
            dink, dart = changes.get(name, (0, 0))
            begun = {"ink": urn["ink"] - dink, "art": urn["art"] - dart, "gem": urn["gem"] + dink}
            self._call("fund", who=name, position=begun, money=begun["art"] * RAY)
            drawn += urn["art"]
        # The taker drew its money against collateral of its own, which no step touches.
        begun = {"ink": 0, "art": state["Art"] - drawn, "gem": state["takerGem"]}
        self._call("fund", who=TAKER, position=begun, money=state["takerDai"])
        return list(state["urns"])

    def _call(self, method: str, **arguments: Any) -> Any:
        return self.market.call("user", ENGINE, method, **arguments)

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        told = numbers(step)
        match told["op"]:
            case "frob":
                self._call("frob", who=step["who"], dink=told["dink"], dart=told["dart"])
            case "price":
                self._call("set_price", wad=told["wad"])
            case "bark":
                number = int(self._call("bark", who=step["who"]))
                return {"id": number} if "id" in told else {}
            case "take":
                self._call("take", sale=told["id"], most_units=told["amt"], most_price=told["max"])
            case "redo":
                self._call("restart", sale=told["id"])
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        return {}

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        def row(table: str, *parts: str) -> Any:
            return self.world.get(f"{ENGINE}!", table, *parts)

        taker = row("position", TAKER)
        return {
            "Art": row("total", "Art"),
            "vowSin": row("total", "sin") or 0,
            "vowDai": row("money", VOW) or 0,
            "takerDai": row("money", TAKER),
            "takerGem": taker.gem,
            "keeperDai": row("money", KEEPER) or 0,
            "Dirt": row("total", "Dirt") or 0,
            "urns": {
                name: {"ink": found.ink, "art": found.art, "gem": found.gem}
                for name in self.names
                for found in [row("position", name)]
            },
            "auctions": {
                str(sale.sale): {
                    "tab": sale.due,
                    "lot": sale.lot,
                    "tic": sale.started + self.offset,
                    "top": sale.top,
                    "needsRedo": sale.needs_restart,
                    "price": sale.price,
                }
                for sale in self.market.view(ENGINE, "sales")
            },
        }

    def failed(self, step: Mapping[str, Any]) -> None:
        """A failed step leaves nothing behind, there or here."""


def _fall(told: str) -> dict[str, Any]:
    """Return the curve that `LinearDecrease tau=7200` and its like name."""
    name, *words = told.replace(",", " ").split()
    given = {}
    for word in words:
        key, separator, value = word.partition("=")
        if separator:
            given[key] = _ray(value) if key == "cut" else int(value)
    if name == "LinearDecrease":
        return {"type": "linear", "seconds": given["tau"]}
    if name == "ExponentialDecrease":
        return {"type": "exponential", "cut": given["cut"]}
    assert name == "StairstepExponentialDecrease", told
    return {"type": "stairs", "cut": given["cut"], "step_seconds": given["step"]}


def _ray(told: str) -> int:
    """Return `2.0 (ray)`, or a whole number of RAY, as RAY: nothing here is a few RAY-ths."""
    number = Decimal(str(told).split()[0])
    return int(number * RAY) if number < 1_000 else int(number)


def run_life(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Replay one clipper's life."""
    return Tally(cases=1) + replay(Life(case), case["steps"], reasons=REASONS)


def run_curve(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Compare one price of a curve."""
    told = numbers(case)
    fall: Fall
    match case["fn"]:
        case "linear":
            fall = LinearFall(told["tau"])
        case "exponential":
            fall = ExponentialFall(told["cut"])
        case "stairstep":
            fall = StairFall(told["cut"], told["step"])
        case unknown:
            raise AssertionError(f"no such curve: {unknown}")
    assert fallen_price(fall, top=told["top"], seconds=told["dur"]) == told["expect"], case
    return Tally(cases=1)


ADAPTERS: dict[str, Adapter] = {"maker_clipper": run_life, "maker_abaci": run_curve}
