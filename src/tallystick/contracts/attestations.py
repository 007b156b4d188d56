"""Attestations: what an institution has or owes off the ledger, said by others, until it expires.

A balance sheet on the ledger is computed; a building, or a deposit at a bank elsewhere, is not there to be
computed from. It can only be vouched for. The institution deploys this contract with its own consent
(`obligor`) and names once and for all who may attest for it. Each statement has an item, a side, an amount,
the document it rests on, who signed it and when, and an expiry after which an asset is worth nothing. The
institution itself writes nothing here, and the contract never holds an asset.

Source: ISAE 3000 (Revised), IAASB 2013, "The Assurance Report": what is attested, by whom, by which
criteria, and as of when.
"""

from enum import StrEnum
from typing import ClassVar, Literal

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT
from tallystick.ledger.attestations import Statement
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Power,
    Record,
    Table,
    method,
    view,
)
from tallystick.ledger.names import check_reference, is_asset
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

ATTESTORS_MAX = 16
STATEMENTS_MAX = 1_000
VALID_SECONDS_MAX = 400 * 86_400


class Parameters(Record, frozen=True):
    """Who may attest. `valid_seconds_max` bounds how long a statement counts."""

    attestors: tuple[str, ...]
    valid_seconds_max: int = 100 * 86_400


class Said(Record, frozen=True):
    """What an attestor says: see `Statement`, which adds who said it and when."""

    item: str
    side: Literal["asset", "liability"]
    what: str
    units: int
    expires: int
    matures: int
    reference: str


class Refusal(StrEnum):
    """Why attestations refuse."""

    PARAMETERS_INVALID = "attestations.parameters_invalid"
    """There are no attestors, too many, or one twice, or the validity is out of range. Facts: reason."""
    NOT_AN_ATTESTOR = "attestations.not_an_attestor"
    """The caller may not attest here. Facts: caller."""
    STATEMENT_INVALID = "attestations.statement_invalid"
    """A statement is about a positive amount, and pays now or later. Facts: reason."""
    EXPIRY_INVALID = "attestations.expiry_invalid"
    """A statement expires in the future, and not beyond what the contract allows. Facts: expires, latest."""
    NO_SUCH_STATEMENT = "attestations.no_such_statement"
    """The attestor has no statement on that item that the caller could take back. Facts: item, attestor."""
    TOO_MANY = "attestations.too_many"
    """There are as many statements as the contract carries. Facts: statements_max."""


class Attestations(Contract):
    """Statements on what an institution has and owes off the ledger, by item and attestor."""

    kind = "attestations"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "statement": Table(key=(str, str), value=Statement),  # (item, attestor)
        "count": Table(key=(), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check who may attest, and for how long."""
        attestors = ctx.params.attestors
        if not 1 <= len(attestors) <= ATTESTORS_MAX or len(set(attestors)) != len(attestors):
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"1 to {ATTESTORS_MAX} different attestors")
        if not 0 < ctx.params.valid_seconds_max <= VALID_SECONDS_MAX:
            raise Rejection(
                Refusal.PARAMETERS_INVALID, reason=f"statements count for 1 to {VALID_SECONDS_MAX} seconds"
            )

    @method
    def attest(self, ctx: CallContext, said: Said) -> None:
        """State an item as one of the attestors; it replaces what the same attestor said of it before."""
        if ctx.caller not in ctx.params.attestors:
            raise Rejection(Refusal.NOT_AN_ATTESTOR, caller=ctx.caller)
        for text in (said.item, said.what, said.reference):
            check_reference(text)
        if is_asset(said.what):
            ctx.asset(said.what)
        if not 0 < said.units < UNITS_LIMIT or said.matures < 0:
            raise Rejection(Refusal.STATEMENT_INVALID, reason="a positive amount, due now or later")
        latest = ctx.time + ctx.params.valid_seconds_max * MICROSECONDS
        if not ctx.time < said.expires <= latest:
            raise Rejection(Refusal.EXPIRY_INVALID, expires=str(said.expires), latest=str(latest))
        if ctx.get("statement", said.item, ctx.caller) is None:
            count = (ctx.get("count") or 0) + 1
            if count > STATEMENTS_MAX:
                raise Rejection(Refusal.TOO_MANY, statements_max=STATEMENTS_MAX)
            ctx.put("count", value=count)
        statement = Statement(
            said.item,
            said.side,
            said.what,
            said.units,
            ctx.caller,
            ctx.time,
            said.expires,
            said.matures,
            said.reference,
        )
        ctx.put("statement", said.item, ctx.caller, value=statement)
        ctx.emit(
            "attested",
            item=said.item,
            side=said.side,
            what=said.what,
            units=said.units,
            attestor=ctx.caller,
            expires=said.expires,
        )

    @method
    def withdraw(self, ctx: CallContext, item: str, attestor: str) -> None:
        """Take a statement back, as the attestor who made it, or an asset's as anyone once it expired.

        A debt that nobody attests any more is still one: only whoever attested it can take it back.
        """
        found: Statement | None = ctx.get("statement", item, attestor)
        lapsed = found is not None and found.side == "asset" and found.expires <= ctx.time
        if found is None or (ctx.caller != attestor and not lapsed):
            raise Rejection(Refusal.NO_SUCH_STATEMENT, item=item[:128], attestor=attestor[:64])
        ctx.put("statement", item, attestor, value=None)
        ctx.put("count", value=ctx.get("count") - 1)
        ctx.emit("withdrawn", item=item, attestor=attestor)

    @view
    def statements(self, ctx: CallContext) -> list[Statement]:
        """Return every statement, expired ones included: whoever reads them counts those as nothing."""
        return [statement for _, statement in ctx.scan("statement")]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what attestors can do: say something, and take back what they said."""
        bound = f"its own statements, for at most {ctx.params.valid_seconds_max} seconds"
        return [Power(attestor, "attest or withdraw a statement", bound) for attestor in ctx.params.attestors]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the assets that statements are about."""
        return Dependencies(
            assets=tuple(sorted({one.what for _, one in ctx.scan("statement") if is_asset(one.what)}))
        )
