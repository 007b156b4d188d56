"""Scenarios: what a drill supposes, as a document, checked so that every error is told at once.

    {"targets": ["alder-bank"], "withdraw": ["40%", "30%", "30%"], "horizon_days": 30,
     "run_off": {"insured@alder": "5%"},
     "runners": ["alice", "bob"], "cash": {"EUR": "reserve@cb"},
     "shocks": [{"day": 2, "asset": "gold@vault", "change": "-30%"}],
     "calls": [{"day": 1, "account": "feed", "contract": "price-feed", "method": "report", "arguments": {}}],
     "lender_of_last_resort": {"lender": "cb", "haircut": "20%", "limit": "5000000"},
     "calls_claims": true, "leaves_contracts": true, "sells": true}

Only `targets` and `withdraw` are needed. Percentages are whole numbers or decimals with a `%`, kept as parts
per million; amounts are whole minor units in strings. `withdraw` is a path: for each day the part of what a
holder had at the start. `run_off` of a claim is the part of a holding that the path is of, all of it where
none is given: the Basel tables have one for each kind of deposit. A scenario has one canonical form, and its
hash is part of a result's hash.

Refused: defaults that guess behaviour (a "typical" run, an implied haircut). Whoever reads a result reads
what was supposed.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgspec

from tallystick.institutions.books import Books
from tallystick.institutions.prices import PriceBook, PriceBookInvalid, price_book
from tallystick.ledger.names import is_asset
from tallystick.ledger.rejections import LedgerError, Rejection
from tallystick.stress.facilities import facilities_of

PPM: Final = 1_000_000
HORIZON_DAYS_MAX: Final = 3_660
PATH_DAYS_MAX: Final = 366
CHANGE_PPM_MAX: Final = 1_000 * PPM
_percentage = re.compile(r"(-?)([0-9]{1,6})(?:\.([0-9]{1,4}))?%").fullmatch
_units = re.compile(r"[1-9][0-9]{0,38}").fullmatch


class ScenarioInvalid(LedgerError):
    """The scenario does not say what can be run: `errors` is every reason, each with its place."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(self.errors))


@dataclass(frozen=True)
class Shock:
    """From `day` on the asset is worth `change_ppm` more, or less, than its price says."""

    day: int
    asset: str
    change_ppm: int


@dataclass(frozen=True)
class ScriptedCall:
    """A call that an account makes on `day`, such as an oracle's report."""

    day: int
    account: str
    contract: str
    method: str
    arguments: Mapping[str, Any]
    spend: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lender:
    """A lender of last resort: an account that issues cash, which its standing facilities lend by rule.

    With `haircut_ppm` it is supposed to lend beyond them too, against anything that has a price:
    `haircuts_ppm` by asset; `haircut_ppm` is every other's. `limit_units` bounds all that it lends, if given.
    """

    lender: str
    haircut_ppm: int | None = None
    haircuts_ppm: Mapping[str, int] = field(default_factory=dict)
    limit_units: int | None = None


@dataclass(frozen=True)
class Scenario:
    """What is supposed. No targets means every institution but central banks; no runners, everybody.

    `withdraw_ppm[d]` is the part of its holding at the start that each runner asks for on day d, times the
    claim's `run_off_ppm` if it has one. `help_units`
    of an institution's cash asset are given to it on day 0 by whoever issues that asset: what a rescue tries.
    """

    targets: tuple[str, ...]
    withdraw_ppm: tuple[int, ...]
    runners: tuple[str, ...] = ()
    horizon_days: int = 30
    run_off_ppm: Mapping[str, int] = field(default_factory=dict)
    cash: Mapping[str, str] = field(default_factory=dict)
    shocks: tuple[Shock, ...] = ()
    calls: tuple[ScriptedCall, ...] = ()
    lender_of_last_resort: Lender | None = None
    calls_claims: bool = True
    leaves_contracts: bool = True
    sells: bool = True
    prices: PriceBook | None = None
    price_from: tuple[str, ...] = ()
    help_units: Mapping[str, int] = field(default_factory=dict)

    def canonical(self) -> bytes:
        """Return the one byte form of what is supposed."""
        return msgspec.json.encode(asdict(self), order="deterministic")

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical form, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()


def everybody_withdraws(*targets: str, percent: str = "100%", per_day: str = "", **more: Any) -> Scenario:
    """Return the plain scenario: so much at once, or so much a day until it is all.

    Raises `ScenarioInvalid`.
    """
    reader = _Reader()
    whole = reader.percentage("withdraw", percent, least=0, most=PPM)
    a_day = reader.percentage("per_day", per_day, least=1, most=PPM) if per_day else whole
    reader.finish()
    path: list[int] = []
    while whole > 0 and len(path) < PATH_DAYS_MAX:
        path.append(min(whole, a_day))
        whole -= path[-1]
    horizon = max(30, len(path))
    return Scenario(targets, tuple(path) or (0,), **({"horizon_days": horizon} | more))


_FIELDS: Final = frozenset(
    {
        "targets",
        "withdraw",
        "runners",
        "horizon_days",
        "run_off",
        "cash",
        "shocks",
        "calls",
        "lender_of_last_resort",
        "calls_claims",
        "leaves_contracts",
        "sells",
        "prices",
        "price_from",
    }
)


def read_scenario(document: Any) -> Scenario:
    """Return the scenario that a document describes. Raises `ScenarioInvalid` with every error."""
    reader = _Reader()
    document = reader.object_("", document, _FIELDS, needed=("targets", "withdraw"))
    horizon = reader.whole("horizon_days", document.get("horizon_days", 30), least=1, most=HORIZON_DAYS_MAX)
    scenario = Scenario(
        targets=() if document.get("targets") == "all" else reader.names("targets", document.get("targets")),
        withdraw_ppm=reader.path("withdraw", document.get("withdraw"), horizon),
        runners=()
        if document.get("runners", "everybody") == "everybody"
        else reader.names("runners", document.get("runners")),
        horizon_days=horizon,
        run_off_ppm={
            claim: reader.percentage(f"run_off.{claim}", part, least=0, most=PPM)
            for claim, part in reader.strings("run_off", document.get("run_off", {})).items()
        },
        cash=reader.strings("cash", document.get("cash", {})),
        shocks=tuple(reader.each("shocks", document.get("shocks", []), reader.shock(horizon))),
        calls=tuple(reader.each("calls", document.get("calls", []), reader.call(horizon))),
        lender_of_last_resort=reader.lender(document.get("lender_of_last_resort")),
        calls_claims=reader.boolean("calls_claims", document.get("calls_claims", True)),
        leaves_contracts=reader.boolean("leaves_contracts", document.get("leaves_contracts", True)),
        sells=reader.boolean("sells", document.get("sells", True)),
        prices=reader.prices(document.get("prices")),
        price_from=reader.names("price_from", document["price_from"]) if "price_from" in document else (),
    )
    reader.finish()
    return scenario


def check_scenario(scenario: Scenario, books: Books) -> None:
    """Check that everything the scenario names is there. Raises `ScenarioInvalid` with every error."""
    errors = []

    def known(where: str, name: str, ask: Callable[[str], object]) -> None:
        try:
            ask(name)
        except Rejection as refused:
            errors.append(f"{where}: {name[:80]!r} is not on this ledger ({refused.code.value})")

    def account(where: str, name: str) -> None:
        found = books.state.get(("account", name))
        if found is None:
            errors.append(f"{where}: {name[:80]!r} is no account of this ledger")
        elif found.controller:
            errors.append(f"{where}: {name!r} is a contract, which signs nothing")

    for name in scenario.targets:
        known("targets", name, books.institution)
    for name in scenario.runners:
        account("runners", name)
    assets = [("run_off", claim) for claim in scenario.run_off_ppm]
    assets += [(f"cash.{unit}", asset) for unit, asset in scenario.cash.items()]
    assets += [(f"shocks[{number}].asset", shock.asset) for number, shock in enumerate(scenario.shocks)]
    for where, asset in assets:
        known(where, asset, books.asset)
    for number, call in enumerate(scenario.calls):
        account(f"calls[{number}].account", call.account)
        known(f"calls[{number}].contract", call.contract, books.instance)
    lender = scenario.lender_of_last_resort
    if lender is not None:
        account("lender_of_last_resort.lender", lender.lender)
        if books.state.get(("account", lender.lender)) is not None:
            errors += _lender_errors(lender, books)
    for name in scenario.price_from:
        known("price_from", name, books.instance)
    if errors:
        raise ScenarioInvalid(errors)


def _lender_errors(lender: Lender, books: Books) -> list[str]:
    facilities = facilities_of(books, lender.lender)
    if not (facilities or books.issued_by(lender.lender)):
        return [f"lender_of_last_resort.lender: {lender.lender!r} issues nothing it could lend"]
    if lender.haircut_ppm is None and not facilities:
        where = "lender_of_last_resort.haircut"
        return [f"{where}: {lender.lender!r} has no standing facility, so say at which haircut it would lend"]
    return []


class _Reader:
    """Reads a document and collects what is wrong with it, so that one look tells all."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def finish(self) -> None:
        if self.errors:
            raise ScenarioInvalid(self.errors)

    def wrong(self, where: str, why: str) -> None:
        self.errors.append(f"{where or 'scenario'}: {why}")

    def object_(
        self, where: str, value: Any, known: Iterable[str], *, needed: Iterable[str] = ()
    ) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            self.wrong(where, f"is an object, not {_shown(value)}")
            return {}
        for name in value:
            if name not in known:
                self.wrong(where, f"has no field {str(name)[:40]!r}; it has {', '.join(sorted(known))}")
        for name in needed:
            if name not in value:
                self.wrong(where, f"lacks {name!r}")
        return {str(name): item for name, item in value.items()}

    def percentage(self, where: str, value: Any, *, least: int, most: int) -> int:
        """Return a percentage in parts per million."""
        found = _percentage(value) if isinstance(value, str) else None
        if found is None:
            self.wrong(where, f'is a percentage such as "12.5%", not {_shown(value)}')
            return 0
        sign, whole, part = found.groups()
        ppm = int(whole) * 10_000 + int((part or "").ljust(4, "0"))
        ppm = -ppm if sign else ppm
        if not least <= ppm <= most:
            self.wrong(where, f"is {least / 10_000:g}% to {most / 10_000:g}%, not {value}")
            return 0
        return ppm

    def whole(self, where: str, value: Any, *, least: int, most: int) -> int:
        if type(value) is not int or not least <= value <= most:
            self.wrong(where, f"is a whole number from {least} to {most}, not {_shown(value)}")
            return least
        return value

    def boolean(self, where: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.wrong(where, f"is true or false, not {_shown(value)}")
        return value is True

    def text(self, where: str, value: Any) -> str:
        if not (isinstance(value, str) and value):
            self.wrong(where, f"is a name, not {_shown(value)}")
            return ""
        return value

    def names(self, where: str, value: Any) -> tuple[str, ...]:
        if value is None:
            return ()  # told as missing
        if not isinstance(value, list) or not value:
            self.wrong(where, f"is a list of names, not {_shown(value)}")
            return ()
        found = [self.text(f"{where}[{number}]", name) for number, name in enumerate(value)]
        if len(set(found)) != len(found):
            self.wrong(where, "names somebody twice")
        return tuple(found)

    def strings(self, where: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            self.wrong(where, f"is an object of names, not {_shown(value)}")
            return {}
        return {str(name): self.text(f"{where}.{name}", item) for name, item in value.items()}

    def path(self, where: str, value: Any, horizon: int) -> tuple[int, ...]:
        if value is None:
            return (0,)  # told as missing
        steps = value if isinstance(value, list) else [value]
        if not 1 <= len(steps) <= min(horizon, PATH_DAYS_MAX):
            self.wrong(where, f"has 1 to {min(horizon, PATH_DAYS_MAX)} days, not {len(steps)}")
            return (0,)
        found = tuple(
            self.percentage(f"{where}[{day}]", step, least=0, most=PPM) for day, step in enumerate(steps)
        )
        if sum(found) > PPM:
            self.wrong(where, f"adds up to {sum(found) / 10_000:g}%; nobody can withdraw more than 100%")
        return found

    def each(self, where: str, value: Any, read: Callable[[str, Any], Any]) -> list[Any]:
        if not isinstance(value, list):
            self.wrong(where, f"is a list, not {_shown(value)}")
            return []
        return [read(f"{where}[{number}]", item) for number, item in enumerate(value)]

    def shock(self, horizon: int) -> Callable[[str, Any], Shock]:
        def read(where: str, value: Any) -> Shock:
            fields = ("day", "asset", "change")
            item = self.object_(where, value, fields, needed=fields)
            return Shock(
                self.whole(f"{where}.day", item.get("day", 0), least=0, most=horizon - 1),
                self._asset(f"{where}.asset", item.get("asset", "@")),
                self.percentage(f"{where}.change", item.get("change", "0%"), least=-PPM, most=CHANGE_PPM_MAX),
            )

        return read

    def _asset(self, where: str, value: Any) -> str:
        name = self.text(where, value)
        if name and not is_asset(name):
            self.wrong(where, f"is an asset such as gold@vault, not {_shown(value)}")
        return name

    def call(self, horizon: int) -> Callable[[str, Any], ScriptedCall]:
        def read(where: str, value: Any) -> ScriptedCall:
            needed = ("day", "account", "contract", "method")
            item = self.object_(where, value, (*needed, "arguments", "spend"), needed=needed)
            arguments, spend = item.get("arguments", {}), item.get("spend", {})
            if not isinstance(arguments, Mapping):
                self.wrong(f"{where}.arguments", f"is an object, not {_shown(arguments)}")
                arguments = {}
            for asset, units in self.strings(f"{where}.spend", spend).items():
                if not _units(units):
                    self.wrong(f"{where}.spend.{asset}", f"is whole minor units, not {_shown(units)}")
            return ScriptedCall(
                self.whole(f"{where}.day", item.get("day", 0), least=0, most=horizon - 1),
                self.text(f"{where}.account", item.get("account", "?")),
                self.text(f"{where}.contract", item.get("contract", "?")),
                self.text(f"{where}.method", item.get("method", "?")),
                dict(arguments),
                dict(spend) if isinstance(spend, Mapping) else {},
            )

        return read

    def lender(self, value: Any) -> Lender | None:
        if value is None:
            return None
        where = "lender_of_last_resort"
        known = ("lender", "haircut", "haircuts", "limit")
        item = self.object_(where, value, known, needed=("lender",))
        limit = item.get("limit")
        if limit is not None and not (isinstance(limit, str) and _units(limit)):
            self.wrong(f"{where}.limit", f'is whole minor units such as "1000", not {_shown(limit)}')
            limit = None
        haircuts = self.strings(f"{where}.haircuts", item.get("haircuts", {}))
        if haircuts and "haircut" not in item:
            self.wrong(f"{where}.haircuts", "stand beside a `haircut`, which is every other asset's")
        return Lender(
            self.text(f"{where}.lender", item.get("lender", "?")),
            self.percentage(f"{where}.haircut", item["haircut"], least=0, most=PPM)
            if "haircut" in item
            else None,
            {
                asset: self.percentage(f"{where}.haircuts.{asset}", cut, least=0, most=PPM)
                for asset, cut in haircuts.items()
            },
            None if limit is None else int(limit),
        )

    def prices(self, value: Any) -> PriceBook | None:
        if value is None:
            return None
        try:
            return price_book(value)
        except PriceBookInvalid as error:
            self.wrong("prices", str(error))
            return None


def shown_percentage(ppm: int) -> str:
    """Return parts per million, not negative, as a document writes them."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d}%"


def _shown(value: Any) -> str:
    return repr(value)[:60]
