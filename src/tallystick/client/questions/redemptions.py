"""Redemptions: lots of a claim that their holders asked the obligor to pay, until it did."""

from tallystick.client.questions.asking import Listing, Question, part, record
from tallystick.client.questions.records import lot_of, named
from tallystick.ledger.records import Lot


def one(name: str) -> Question[Lot]:
    """Ask for a redemption under way. Rejections: `unknown_lot`."""
    return record(f"/v1/redemptions/{part(name)}", lot_of)


def all_() -> Listing[tuple[str, Lot]]:
    """List the redemptions under way by name."""
    return Listing("/v1/redemptions", named(lot_of))


def of(account: str) -> Listing[tuple[str, Lot]]:
    """List what an account asked for. Rejections: `unknown_account`."""
    return Listing(f"/v1/accounts/{part(account)}/redemptions", named(lot_of))
