"""Holds: assets still owned by one account but promised to another until an expiry."""

from tallystick.client.questions.asking import Listing, Question, part, record
from tallystick.client.questions.records import hold_of, named
from tallystick.ledger.records import Hold


def one(name: str) -> Question[Hold]:
    """Ask for an open hold. Rejections: `unknown_hold`."""
    return record(f"/v1/holds/{part(name)}", hold_of)


def all_() -> Listing[tuple[str, Hold]]:
    """List the open holds by name."""
    return Listing("/v1/holds", named(hold_of))


def of(account: str) -> Listing[tuple[str, Hold]]:
    """List the open holds that an account made or may capture. Rejections: `unknown_account`."""
    return Listing(f"/v1/accounts/{part(account)}/holds", named(hold_of))
