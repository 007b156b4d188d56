"""Execution: what one transaction carries while it runs, and the postings that it makes.

A posting adds a signed number of minor units to one account. `move` makes two that sum to zero and is the
only way in which a balance changes, so value moves but is never made; issuing is a move out of the
issuing account, the only one that may stand below zero. Every rule that guards an outflow (what is
available, the asset's policy, the mandate that the action runs under) is therefore asked in one place.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from tallystick.ledger.amounts import UNITS_LIMIT, parse_units
from tallystick.ledger.contract import to_wire
from tallystick.ledger.mandates import charge
from tallystick.ledger.policies import PolicyKind, check_posting
from tallystick.ledger.records import Account, Asset, Limits, Mandate
from tallystick.ledger.rejections import Code, InvariantViolation, Rejection
from tallystick.ledger.store import Overlay


class BatchContext:
    """What a batch gives to each of its transactions: height, time, and what is in force.

    `index` is the log index of the next entry. `contracts` maps (kind, version) to a contract's
    description and `policies` a kind to its code; both come from `protocol`, the one place that names
    every kind.
    """

    __slots__ = (
        "contracts",
        "height",
        "index",
        "ledger",
        "limits",
        "policies",
        "protocol",
        "time",
        "versions",
    )

    def __init__(
        self,
        *,
        ledger: str,
        protocol: int,
        height: int,
        time: int,
        index: int,
        limits: Limits,
        contracts: Mapping[tuple[str, int], Any],
        policies: Mapping[str, PolicyKind],
        versions: frozenset[int],
    ) -> None:
        self.ledger = ledger
        self.protocol = protocol
        self.height = height
        self.time = time
        self.index = index
        self.limits = limits
        self.contracts = contracts
        self.policies = policies
        self.versions = versions


class Execution:
    """One transaction (or one timer) at work on an overlay."""

    __slots__ = (
        "batch",
        "doomed",
        "mandate",
        "overlay",
        "owes",
        "results",
        "sender",
        "signers",
        "simulated",
        "stack",
        "subject_id",
        "taken",
        "work",
    )

    def __init__(
        self,
        overlay: Overlay,
        batch: BatchContext,
        subject_id: str,
        signers: frozenset[bytes] = frozenset(),
    ) -> None:
        self.overlay = overlay
        self.batch = batch
        self.signers = signers
        self.subject_id = subject_id
        """The entry's log index, or the timer's number: ids made on the way derive from it, and from nothing
        that a sender chooses, or one could write over another's hold."""
        self.simulated = False
        """On a fork, every account counts as having signed."""
        self.sender = ""
        """The account whose authority was checked before the first action ran."""
        self.stack: list[Any] = []
        self.owes = False
        """Whether an obligation was ever opened: most transactions need not look for one."""
        self.doomed: Rejection | None = None
        self.mandate: tuple[str, str, Mandate] | None = None
        """(account, name, mandate) that the running action is authorised by."""
        self.taken: dict[str, int] = {}
        """What code took from the mandating account in this action, or got for it, and has yet to pass on."""
        self.results: list[Any] = []
        self.work = batch.limits.work_max

    def spend_work(self, operations: int) -> None:
        """Count state operations. Rejections: `work_exceeded`."""
        self.work -= operations
        if self.work < 0:
            self.refuse_work()

    def refuse_work(self) -> NoReturn:
        """Refuse what spent more operations than there were. Rejections: `work_exceeded`."""
        raise Rejection(Code.WORK_EXCEEDED, work_max=self.batch.limits.work_max)

    def check_undoomed(self) -> None:
        """Raise the first rejection of this execution, if there was one, even where code went on after it."""
        if self.doomed is not None:
            raise self.doomed

    def account(self, name: str) -> Account:
        """Return the account. Rejections: `unknown_account`."""
        account: Account | None = self.overlay.get(("account", name))
        if account is None:
            raise Rejection(Code.UNKNOWN_ACCOUNT, account=name[:64])
        return account

    def asset(self, name: str) -> Asset:
        """Return the asset. Rejections: `unknown_asset`."""
        asset: Asset | None = self.overlay.get(("asset", name))
        if asset is None:
            raise Rejection(Code.UNKNOWN_ASSET, asset=name[:80])
        return asset

    def is_authorised(self, account: Account) -> bool:
        """Tell whether enough of the account's own keys signed."""
        if self.simulated:
            return bool(account.keys)
        return 0 < account.threshold <= sum(key in self.signers for key in account.keys)

    def check_authorised(self, name: str) -> Account:
        """Return the account if enough of its own keys signed.

        Rejections: `unknown_account`, `unauthorised`.
        """
        account = self.account(name)
        keys = account.keys
        if len(keys) == 1 and keys[0] in self.signers:
            return account  # Most accounts have one key, and no threshold is above one then.
        if not self.is_authorised(account):
            signed = sum(key in self.signers for key in keys)
            raise Rejection(Code.UNAUTHORISED, account=name, signed=signed, threshold=account.threshold)
        return account

    def emit(self, source: str, name: str, **fields: Any) -> None:
        """Record an event of `source` (an account, or `ledger`)."""
        self.overlay.events.append((source, name, to_wire(fields)))

    def change_quota(self, account: str, what: str, change: int, quota: int) -> None:
        """Count what the account has open. Rejections: `quota_exceeded`."""
        key = ("quota", account, what)
        count = (self.overlay.get(key) or 0) + change
        if count > quota:
            raise Rejection(Code.QUOTA_EXCEEDED, account=account, what=what, quota=quota)
        self.overlay.writes[key] = count or None


def balance_of(x: Execution, account: str, asset: str) -> int:
    """Return what the account owns of the asset, held units included."""
    return x.overlay.get(("balance", account, asset)) or 0


def available_of(x: Execution, account: str, asset: str) -> int:
    """Return what the account can move of the asset now."""
    return balance_of(x, account, asset) - (x.overlay.get(("held", account, asset)) or 0)


def debit(x: Execution, asset: Asset, account: str, units: int, *, by_power: bool = False) -> None:
    """Post -`units` to the account; `by_power` is a declared claw-back, which no policy stops.

    Rejections: `insufficient_balance`, `amount_too_large`, `policy_refused`, `mandate_forbids`.
    """
    overlay = x.overlay
    key = ("balance", account, asset.id)
    balance = (overlay.get(key) or 0) - units
    if account == asset.issuer:
        if balance <= -UNITS_LIMIT:
            raise Rejection(Code.AMOUNT_TOO_LARGE, limit=str(UNITS_LIMIT - 1))
    elif balance < (overlay.get(("held", account, asset.id)) or 0):
        _refuse_debit(x, asset.id, account, units)
    if asset.policy is not None and not by_power:
        check_posting(overlay, x.batch.policies, asset, account=account, change=-units, balance=balance)
    if x.mandate is not None and x.mandate[0] == account:
        charge(x, asset.id, units)
    overlay.writes[key] = balance or None
    overlay.postings.append((account, asset.id, -units, balance))


def _refuse_debit(x: Execution, asset: str, account: str, units: int) -> NoReturn:
    available = available_of(x, account, asset)
    raise Rejection(
        Code.INSUFFICIENT_BALANCE,
        account=account,
        asset=asset,
        available=str(available),
        short_units=str(units - available),
    )


def credit(x: Execution, asset: Asset, account: str, units: int) -> None:
    """Post +`units` to the account.

    Rejections: `unknown_account`, `amount_too_large`, `policy_refused`.
    """
    overlay = x.overlay
    key = ("balance", account, asset.id)
    before = overlay.get(key)
    if before is None:  # Whoever has a balance exists.
        x.account(account)
        before = 0
    balance: int = before + units
    if balance >= UNITS_LIMIT:
        raise Rejection(Code.AMOUNT_TOO_LARGE, limit=str(UNITS_LIMIT - 1))
    if account == asset.issuer and balance > 0:
        raise InvariantViolation(1, f"{account} would stand above zero in its own {asset.id}")
    if asset.policy is not None:
        check_posting(overlay, x.batch.policies, asset, account=account, change=units, balance=balance)
    overlay.writes[key] = balance or None
    overlay.postings.append((account, asset.id, units, balance))


def move(x: Execution, asset: Asset, *, source: str, target: str, units: int) -> None:
    """Move `units` of the asset from one account to another.

    Rejections: `same_account` and those of `debit` and `credit`.
    """
    if source == target:
        raise Rejection(Code.SAME_ACCOUNT, account=source)
    debit(x, asset, source, units)
    credit(x, asset, target, units)


def change_held(x: Execution, account: str, asset: str, change: int) -> None:
    """Change how much of the account's balance is held; the caller checked that it is available."""
    key = ("held", account, asset)
    x.overlay.writes[key] = ((x.overlay.get(key) or 0) + change) or None


def check_promise(x: Execution, asset: Asset, account: str, units: int) -> None:
    """Check that the account could part with `units` now: they are available and the policy lets them go.

    Rejections: `insufficient_balance`, `policy_refused`.
    """
    if available_of(x, account, asset.id) < units:
        _refuse_debit(x, asset.id, account, units)
    if asset.policy is not None:
        balance = balance_of(x, account, asset.id) - units
        check_posting(x.overlay, x.batch.policies, asset, account=account, change=-units, balance=balance)


def parse_budget(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return (asset, amount) pairs as a map. Rejections: those of `parse_units`, `malformed`."""
    budget: dict[str, int] = {}
    for asset, amount in pairs:
        if asset in budget:
            raise Rejection(Code.MALFORMED, reason=f"asset {asset[:80]} stands twice")
        budget[asset] = parse_units(amount)
    return budget
