"""Records: what the system tables of the state hold, each with its table and its key.

Every record is frozen and has one canonical encoding, so that the state root is a function of the
records alone. `SYSTEM_TABLES` names each table once: its key, and the type that a snapshot decodes.
"""

from typing import Annotated, Literal

import msgspec

Time = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
"""Microseconds UTC, or a number of seconds."""
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
"""A whole number that is no amount: a threshold, a version, a bound. Every JSON reader can hold it."""
Positive = Annotated[int, msgspec.Meta(gt=0, lt=1 << 53)]
Depth = Annotated[int, msgspec.Meta(gt=0, le=32)]
"""Calls within calls: so few that the interpreter's own recursion limit, which differs with the program
around it, never decides what a transaction does."""


class Account(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The only thing that holds assets: a party with keys, or a contract with code.

    `keys` are Ed25519 public keys, of which `threshold` must sign. A contract has no keys; a sub-account
    names the contract that controls it. Mandates numbered up to `mandates_after` are dead.
    """

    keys: tuple[bytes, ...] = ()
    threshold: int = 0
    controller: str = ""
    guardians: "Guardians | None" = None
    mandates_after: int = 0


class Guardians(msgspec.Struct, frozen=True, array_like=True):
    """Accounts that may replace another's keys after a delay that it can veto."""

    accounts: tuple[str, ...]
    threshold: int
    delay_seconds: int


class Recovery(msgspec.Struct, frozen=True, array_like=True):
    """Keys that guardians proposed, in force at `due` unless vetoed."""

    keys: tuple[bytes, ...]
    threshold: int
    due: int
    timer: tuple[int, int]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a claim's obligor owes.

    Each `per` minor units of the claim are redeemed for `pays` minor units of `owes`: a unit of account
    (`EUR`) or another asset (`gold@vault`), rounded down. On demand, after `notice_seconds`, or not before
    `matures` (microseconds UTC). A redemption unpaid `grace_seconds` after it is due is in default. A bond
    with coupons is a bundle of claims, one a date.
    """

    owes: str
    pays: Count = 1
    per: Count = 1
    matures: Time | None = None
    notice_seconds: Count = 0
    grace_seconds: Count = 86_400
    rank: Literal["secured", "senior", "subordinated"] = "senior"
    collateral: str | None = None


class PolicySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy of an asset: its kind and rules, and who may change what.

    `lists_by` may write the lists at once (admit, freeze); `rules_by` may change the rules after
    `delay_seconds`. Both are account names, fixed at creation; empty means that nobody may.
    """

    kind: str
    rules: dict[str, str] = {}
    lists_by: str = ""
    rules_by: str = ""
    delay_seconds: Count = 86_400


Kind = Literal["claim", "share", "token"]


class Asset(msgspec.Struct, frozen=True, array_like=True):
    """An asset: who issues it, what it is, and every power over it."""

    id: str
    issuer: str
    kind: Kind
    decimals: int
    unit: str = ""
    obligor: str = ""
    terms: Terms | None = None
    policy: PolicySpec | None = None
    claw_back_by: str = ""
    external_ids: tuple[tuple[str, str], ...] = ()


class PolicyChange(msgspec.Struct, frozen=True, array_like=True):
    """Rules that will be in force at `due`."""

    rules: dict[str, str]
    due: int


class Institution(msgspec.Struct, frozen=True, array_like=True):
    """A named set of accounts. The founder consents for it."""

    name: str
    founder: str
    roles: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mandate may spend of one asset: in all in each period, and in one payment."""

    asset: str
    per_period: str
    per_payment: str
    period_seconds: Count


class Mandate(msgspec.Struct, frozen=True, array_like=True):
    """A delegated key and its bounds. `recipients` None means anyone; `contracts` are (id, methods).

    `number` tells grants of one name apart: a mandate delegated from an earlier one is dead.
    """

    number: int
    key: bytes
    granted: int
    expires: int
    caps: tuple[Cap, ...]
    recipients: tuple[str, ...] | None
    contracts: tuple[tuple[str, tuple[str, ...]], ...]
    parent: str = ""
    parent_number: int = 0


class Spent(msgspec.Struct, frozen=True, array_like=True):
    """What a mandate spent of one asset in the period of that number."""

    period: int
    units: int


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """Assets still owned by `owner` but promised to `beneficiary` until `expires`."""

    owner: str
    beneficiary: str
    legs: tuple[tuple[str, int], ...]
    expires: int
    at_expiry: Literal["release", "capture"]
    timer: tuple[int, int]


class Lot(msgspec.Struct, frozen=True, array_like=True):
    """A redemption under way: `units` of a claim that `holder` asked its obligor to pay by `due`."""

    asset: str
    holder: str
    units: int
    due: int
    status: Literal["requested", "defaulted"]
    reference: str
    timer: tuple[int, int]


class Timer(msgspec.Struct, frozen=True, array_like=True):
    """Work that falls due: what to do, for whom, and the account whose quota it counts against."""

    kind: Literal["hold_expiry", "lot_default", "recovery", "policy_change", "activate", "call"]
    subject: str
    owner: str
    method: str = ""
    arguments: str = "{}"


class Instance(msgspec.Struct, frozen=True, array_like=True):
    """A deployed contract: its kind and version are fixed, its parameters canonical JSON.

    It may issue claims on `obligor`, an institution that consented at deployment, and on no other.
    """

    kind: str
    version: int
    deployer: str
    parameters: str
    obligor: str = ""


class IdRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A transaction id in the window: its log index and the SHA-256 of its payload."""

    index: int
    payload_hash: bytes


class OnceRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The transaction that used a `once` key."""

    id: str
    index: int
    payload_hash: bytes


class Clock(msgspec.Struct, frozen=True, array_like=True):
    """The last batch's height and time (microseconds UTC)."""

    height: int
    time: int


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what one transaction, batch or account may ask of the ledger; genesis may set others."""

    transaction_bytes_max: Positive = 1_048_576
    actions_max: Positive = 256
    legs_max: Positive = 10_000
    work_max: Positive = 100_000
    depth_max: Depth = 8
    timers_per_batch_max: Positive = 1_000
    holds_per_account_max: Positive = 10_000
    timers_per_account_max: Positive = 10_000
    horizon_seconds: Positive = 100 * 366 * 86_400


SYSTEM_TABLES: dict[str, object] = {
    "account": Account,  # (account)
    "activation": int,  # () the protocol version that a timer will activate
    "asset": Asset,  # (asset)
    "balance": int,  # (account, asset), absent at zero
    "clawed_back": int,  # (contract, asset): what powers over the asset took from the contract so far
    "clock": Clock,  # ()
    "genesis": str,  # () the ledger's id
    "held": int,  # (account, asset): the part of the balance in holds and redemptions
    "hold": Hold,  # (hold)
    "id": IdRecord,  # (slot, sender, id): committed through "ids" instead of the state tree
    "ids": bytes,  # (slot): the running hash of the ids accepted in that second, in log order
    "instance": Instance,  # (contract)
    "institution": Institution,  # (name)
    "limits": Limits,  # ()
    "listing": int,  # (asset, list, account): 1 where listed
    "lot": Lot,  # (lot)
    "mandate": Mandate,  # (account, mandate)
    "member": str,  # (account): the institution it joined
    "once": OnceRecord,  # (account, key)
    "opening": str,  # (): anyone, sponsor or invitation
    "operator": str,  # (): the operator's account
    "overdue": Timer,  # (number): failed timers that anybody may run
    "policy_change": PolicyChange,  # (asset)
    "protocol": int,  # (): the version in force
    "quota": int,  # (account, what): how many are open
    "recovery": Recovery,  # (account)
    "sequence": int,  # (): the number of the last timer
    "spent": Spent,  # (account, mandate, asset)
    "timer": Timer,  # (due, number)
}
