"""Books: a state, with the indexes that questions about institutions need.

    books = Books(store, kinds)               one walk over the state
    books.follow(writes, state=overlay)       moves on with a merge, or onto a fork
    books.accounts_of("alder-bank")           ("bank", "bank.treasury")
    books.claims_on("alder-bank")             ("eur@bank",)

The kernel never asks *who holds this claim*; balance sheets, the trust lens and drills do, for every
claim. The indexes are a function of the state alone, so nothing has to trust them. What lies inside
contracts is asked of the contracts, by the views that every kind answers, and of those contracts only that
know the account's name: a contract can tell an account from others by its name alone, which then stands in
its tables, its parameters or a sub-account.

Refused: one walk over the state for each question. Ten thousand institutions would take ten thousand walks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import loads
from typing import Any

from tallystick.ledger.apply import Kinds, batch_context
from tallystick.ledger.attestations import Statement
from tallystick.ledger.contract import Backing, Dependencies, Exit, Position, Power
from tallystick.ledger.execution import Execution
from tallystick.ledger.records import Asset, Clock, Hold, Instance, Institution, Lot
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import answer
from tallystick.ledger.store import CONTRACT_MARK, Key, Overlay, State, Store, Value

_NOTHING: Mapping[Any, Any] = {}
_DECLARED = frozenset({"account", "asset", "instance", "institution", "member"})
"""Tables whose records are never deleted on a ledger."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What an account has inside one contract; `refused` is the code with which its views would not say."""

    contract: str
    positions: tuple[Position, ...]
    exits: tuple[Exit, ...]
    refused: str = ""


class Books:
    """A state and its indexes. `state` must not move but by `follow`."""

    def __init__(self, state: Store, kinds: Kinds) -> None:
        self.state: State = state
        self.kinds = kinds
        self._held: dict[str, dict[str, int]] = {}
        self._holders: dict[str, dict[str, int]] = {}
        self._institutions: dict[str, Institution] = {}
        self._members: dict[str, str] = {}
        self._accounts: dict[str, set[str]] = {}
        self._claims: dict[str, set[str]] = {}
        self._issued: dict[str, set[str]] = {}
        self._secured: dict[str, set[str]] = {}
        """Claims by the account that their terms name as collateral."""
        self._contracts: dict[str, Instance] = {}
        self._subaccounts: dict[str, set[str]] = {}
        self._holds: dict[str, Hold] = {}
        self._lots: dict[str, Lot] = {}
        self._holds_of: dict[str, set[str]] = {}
        self._lots_of: dict[str, set[str]] = {}
        self._lots_in: dict[str, set[str]] = {}
        self._known_to: dict[str, set[str]] = {}
        """Contracts by the names that stand in them. None is ever dropped: one too many costs a question."""
        self._answers: dict[Any, Any] = {}
        self.follow(state.values, state=state)

    def follow(self, writes: Mapping[Key, Value], *, state: State) -> None:
        """Take in `writes`, by which `state` differs from the state so far."""
        self.state = state
        self._answers.clear()
        for key, value in writes.items():
            if value is None and key[0] in _DECLARED:
                self._forget(key[0], key[1])
            else:
                self._take_in(key, value)

    def _take_in(self, key: Key, value: Value) -> None:
        match key[0]:
            case "balance":
                self._follow_balance(key[1], key[2], value or 0)
            case "hold":
                self._follow_hold(key[1], value)
            case "lot":
                self._follow_lot(key[1], value)
            case "institution":
                self._institutions[key[1]] = value
            case "member":
                self._members[key[1]] = value
                self._accounts.setdefault(value, set()).add(key[1])
            case "asset":
                self._issued.setdefault(value.issuer, set()).add(key[1])
                if value.obligor:
                    self._claims.setdefault(value.obligor, set()).add(key[1])
                if value.terms is not None and value.terms.collateral:
                    self._secured.setdefault(value.terms.collateral, set()).add(key[1])
            case "instance":
                self._contracts[key[1]] = value
                self._know(key[1], loads(value.parameters))
                self._know(key[1], value.deployer)
            case "account":
                if "/" in key[1]:
                    self._subaccounts.setdefault(value.controller, set()).add(key[1])
                    self._know(value.controller, key[1].partition("/")[2])
            case str(namespace) if namespace.endswith(CONTRACT_MARK) and value is not None:
                contract = namespace.removesuffix(CONTRACT_MARK)
                for part in key[2:]:
                    self._know(contract, part)
                self._know(contract, value)
            case _:
                pass

    def _forget(self, table: str, name: str) -> None:
        """Take back a declaration, which happens only when a fork is left behind."""
        match table:
            case "institution":
                self._institutions.pop(name, None)
            case "member":
                self._accounts.get(self._members.pop(name, ""), set()).discard(name)
            case "instance":
                self._contracts.pop(name, None)
            case "account":
                self._subaccounts.get(name.partition("/")[0], set()).discard(name)
            case "asset":
                for index in (self._issued, self._claims, self._secured):
                    for assets in index.values():
                        assets.discard(name)
            case _:
                pass

    def _follow_balance(self, account: str, asset: str, units: int) -> None:
        held = self._held.setdefault(account, {})
        if units:
            held[asset] = units
        else:
            held.pop(asset, None)
        holders = self._holders.setdefault(asset, {})
        if units > 0:
            holders[account] = units
        else:
            holders.pop(account, None)

    def _follow_hold(self, name: str, hold: Hold | None) -> None:
        if hold is None:
            gone = self._holds.pop(name, None)
            if gone is not None:
                self._holds_of[gone.owner].discard(name)
            return
        self._holds[name] = hold
        self._holds_of.setdefault(hold.owner, set()).add(name)

    def _follow_lot(self, name: str, lot: Lot | None) -> None:
        if lot is None:
            gone = self._lots.pop(name, None)
            if gone is not None:
                self._lots_of[gone.holder].discard(name)
                self._lots_in[gone.asset].discard(name)
            return
        self._lots[name] = lot
        self._lots_of.setdefault(lot.holder, set()).add(name)
        self._lots_in.setdefault(lot.asset, set()).add(name)

    def _know(self, contract: str, value: Any) -> None:
        """Note that `value` stands in the contract, with every name inside it."""
        if isinstance(value, str):
            if "@" not in value:
                self._known_to.setdefault(value, set()).add(contract)
        elif isinstance(value, dict):
            for name, item in value.items():
                self._know(contract, name)
                self._know(contract, item)
        elif isinstance(value, list | tuple):
            for item in value:
                self._know(contract, item)
        elif hasattr(value, "__struct_fields__"):
            for name in value.__struct_fields__:
                self._know(contract, getattr(value, name))

    # The moment.

    @property
    def clock(self) -> Clock:
        """Height, and time in microseconds UTC, of the state."""
        clock: Clock = self.state.get(("clock",))
        return clock

    # Institutions and accounts.

    @property
    def institutions(self) -> list[str]:
        """Every institution's name, sorted."""
        return sorted(self._institutions)

    def institution(self, name: str) -> Institution:
        """Return an institution. Rejections: `unknown_institution`."""
        found = self._institutions.get(name)
        if found is None:
            raise Rejection(Code.UNKNOWN_INSTITUTION, institution=name[:64])
        return found

    def institution_of(self, account: str) -> str:
        """Return the name of the institution that the account belongs to, or nothing."""
        return self._members.get(account, "")

    def accounts_of(self, institution: str) -> tuple[str, ...]:
        """Return the institution's accounts, sorted."""
        return tuple(sorted(self._accounts.get(institution, ())))

    def related_to(self, institution: str) -> frozenset[str]:
        """Return the institutions and accounts that are its related parties.

        Related are those that it declared and those that declared it; an account declared stands for its
        institution too. One step only: a related party's related party is not one.
        """
        found = self._declared(institution)
        own = {institution, *self._accounts.get(institution, ())}
        for name in self._institutions:
            if name != institution and not own.isdisjoint(self._institutions[name].related):
                found |= {name, *self._accounts.get(name, ())}
        return frozenset(found - own)

    def _declared(self, institution: str) -> set[str]:
        found: set[str] = set()
        for name in self._institutions[institution].related:
            whole = name if name in self._institutions else self._members.get(name, "")
            found |= {name, whole, *self._accounts.get(whole, ())} if whole else {name}
        return found

    # Assets and who holds them.

    def asset(self, name: str) -> Asset:
        """Return an asset. Rejections: `unknown_asset`."""
        asset: Asset | None = self.state.get(("asset", name))
        if asset is None:
            raise Rejection(Code.UNKNOWN_ASSET, asset=name[:80])
        return asset

    def claims_on(self, institution: str) -> tuple[str, ...]:
        """Return the claims that name the institution as obligor, whoever issues them, sorted."""
        return tuple(sorted(self._claims.get(institution, ())))

    def issued_by(self, account: str) -> tuple[str, ...]:
        """Return the assets that the account issues, sorted."""
        return tuple(sorted(self._issued.get(account, ())))

    def secured_by(self, account: str) -> tuple[str, ...]:
        """Return the outstanding claims whose terms name the account as their collateral, sorted."""
        return tuple(name for name in sorted(self._secured.get(account, ())) if self.outstanding(name))

    def outstanding(self, asset: str) -> int:
        """Return how many units are outstanding: minus the issuing account's balance."""
        return -self._held.get(self.asset(asset).issuer, _NOTHING).get(asset, 0)

    def balances(self, account: str) -> Mapping[str, int]:
        """Return what the account has of each asset; below zero in what it issued."""
        return self._held.get(account, _NOTHING)

    def holders(self, asset: str) -> Mapping[str, int]:
        """Return who holds how much of the asset; the issuing account is not among them."""
        return self._holders.get(asset, _NOTHING)

    def holds_of(self, account: str) -> Iterator[tuple[str, Hold]]:
        """Iterate over the open holds that the account made, by name."""
        for name in sorted(self._holds_of.get(account, ())):
            yield name, self._holds[name]

    def lots_of(self, account: str) -> Iterator[tuple[str, Lot]]:
        """Iterate over the redemptions that the account asked for, by name."""
        for name in sorted(self._lots_of.get(account, ())):
            yield name, self._lots[name]

    def lots_in(self, asset: str) -> Iterator[tuple[str, Lot]]:
        """Iterate over the redemptions of a claim that are under way, by name."""
        for name in sorted(self._lots_in.get(asset, ())):
            yield name, self._lots[name]

    # Contracts.

    @property
    def contracts(self) -> list[str]:
        """Every contract's id, sorted."""
        return sorted(self._contracts)

    def contracts_of(self, institution: str) -> list[str]:
        """Return the contracts that were deployed with the institution's consent to be its own, sorted."""
        return sorted(name for name, one in self._contracts.items() if one.obligor == institution)

    def in_hand_of(self, institution: str) -> tuple[str, ...]:
        """Return the accounts whose assets the institution has in hand: its own, and its own contracts'."""
        found = set(self._accounts.get(institution, ()))
        for contract in self.contracts_of(institution):
            found |= {contract, *self._subaccounts.get(contract, ())}
        return tuple(sorted(found))

    def instance(self, contract: str) -> Instance:
        """Return a contract's record. Rejections: `unknown_contract`."""
        found = self._contracts.get(contract)
        if found is None:
            raise Rejection(Code.UNKNOWN_CONTRACT, contract=contract[:64])
        return found

    def ask(self, contract: str, view: str, /, **arguments: Any) -> Any:
        """Return what a contract's view answers on this state; the same question is asked once.

        Rejections: those of `runtime.answer`.
        """
        key = (contract, view, *sorted(arguments.items()))
        if key not in self._answers:
            clock = self.clock
            batch = batch_context(self.state, self.kinds, height=clock.height, time=clock.time, index=0)
            execution = Execution(Overlay(self.state), batch, subject_id="ask")
            self._answers[key] = answer(execution, contract, view, arguments)
        return self._answers[key]

    def backing(self, share: str) -> list[Backing]:
        """Return what its contract says backs a share. Rejections: `unknown_contract` and the view's own."""
        found: list[Backing] = self.ask(self.asset(share).issuer, "backing")
        return [backing for backing in found if backing.share == share]

    def inside(self, account: str) -> list[Inside]:
        """Return what the account has inside contracts, by contract: positions, and ways out."""
        found = []
        for contract in sorted(self._known_to.get(account, ())):
            if contract in self._contracts and contract != account:
                told = self._inside(contract, account)
                if told.positions or told.refused:
                    found.append(told)
        return found

    def _inside(self, contract: str, account: str) -> Inside:
        try:
            positions: list[Position] = self.ask(contract, "positions", account=account)
            exits: list[Exit] = self.ask(contract, "exits", account=account) if positions else []
        except Rejection as refused:
            return Inside(contract, (), (), refused=refused.code.value)
        return Inside(contract, tuple(positions), tuple(exits))

    def statements(self, institution: str) -> list[tuple[str, Statement]]:
        """Return (contract, statement) of all that the institution's own contracts carry about it, in order.

        Only kinds that have the view `statements` are asked. Rejections: those of `ask`.
        """
        found = []
        for contract in self.contracts_of(institution):
            instance = self._contracts[contract]
            code = self.kinds.contracts[instance.kind, instance.version]
            if "statements" in code.methods:
                found += [(contract, statement) for statement in self.ask(contract, "statements")]
        return found

    def names_in(self, contract: str) -> list[str]:
        """Return the accounts whose names stand in a contract's tables or parameters, sorted."""
        return sorted(
            name
            for name, contracts in self._known_to.items()
            if contract in contracts and self.state.get(("account", name)) is not None
        )

    def powers(self, contract: str) -> list[Power]:
        """Return who has which power in a contract. Rejections: those of `ask`."""
        found: list[Power] = self.ask(contract, "powers")
        return found

    def dependencies(self, contract: str) -> Dependencies:
        """Return on what a contract depends. Rejections: those of `ask`."""
        found: Dependencies = self.ask(contract, "dependencies")
        return found
