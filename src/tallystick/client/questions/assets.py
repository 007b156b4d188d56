"""Assets: what there is to hold, and every power over it."""

from tallystick.client.questions.asking import Listing, Question, part, record
from tallystick.client.questions.records import asset_of
from tallystick.ledger.records import Asset


def one(name: str) -> Question[Asset]:
    """Ask for an asset. Rejections: `unknown_asset`."""
    return record(f"/v1/assets/{part(name)}", asset_of)


def all_() -> Listing[Asset]:
    """List the assets by name."""
    return Listing("/v1/assets", asset_of)


def holders(name: str) -> Listing[tuple[str, int]]:
    """List the accounts that have an asset with their units; the issuer's are below zero.

    Rejections: `unknown_asset`.
    """
    return Listing(
        f"/v1/assets/{part(name)}/holders", lambda item: (str(item["account"]), int(item["units"]))
    )
