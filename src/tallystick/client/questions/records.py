"""Records: how an item of a list or a record of the state is read into what the ledger calls it."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tallystick.crypto import public_key_from_did
from tallystick.ledger.records import (
    Account,
    Asset,
    Cap,
    Guardians,
    Hold,
    Instance,
    Lot,
    Mandate,
    PolicySpec,
    Terms,
)

_T = TypeVar("_T")


def named(decode: Callable[[dict[str, Any]], _T]) -> Callable[[dict[str, Any]], tuple[str, _T]]:
    """Return a reader of a list's item: its id and its record."""
    return lambda item: (str(item["id"]), decode(item))


def account_of(item: dict[str, Any]) -> Account:
    """Return an account as the ledger has it."""
    guardians = item["guardians"]
    return Account(
        keys=tuple(public_key_from_did(text) for text in item["keys"]),
        threshold=int(item["threshold"]),
        controller=str(item["controller"]),
        guardians=None
        if guardians is None
        else Guardians(
            tuple(guardians["accounts"]), int(guardians["threshold"]), int(guardians["delay_seconds"])
        ),
        mandates_after=int(item["mandates_after"]),
    )


def asset_of(item: dict[str, Any]) -> Asset:
    """Return an asset as the ledger has it."""
    plain = {name: item[name] for name in ("id", "issuer", "kind", "unit", "obligor", "claw_back_by")}
    return Asset(
        **plain,
        decimals=int(item["decimals"]),
        terms=msgspec.convert(item["terms"], Terms | None),
        policy=msgspec.convert(item["policy"], PolicySpec | None),
        external_ids=msgspec.convert(item["external_ids"], tuple[tuple[str, str], ...]),
    )


def hold_of(item: dict[str, Any]) -> Hold:
    """Return a hold as the ledger has it."""
    return Hold(
        owner=item["owner"],
        beneficiary=item["beneficiary"],
        legs=tuple((str(asset), int(units)) for asset, units in item["legs"]),
        expires=int(item["expires"]),
        at_expiry=item["at_expiry"],
        timer=msgspec.convert(item["timer"], tuple[int, int]),
    )


def mandate_of(item: dict[str, Any]) -> Mandate:
    """Return a mandate as the ledger has it."""
    recipients = item["recipients"]
    return Mandate(
        number=int(item["number"]),
        key=public_key_from_did(item["key"]),
        granted=int(item["granted"]),
        expires=int(item["expires"]),
        caps=msgspec.convert(item["caps"], tuple[Cap, ...]),
        recipients=None if recipients is None else tuple(recipients),
        contracts=msgspec.convert(item["contracts"], tuple[tuple[str, tuple[str, ...]], ...]),
        parent=item["parent"],
        parent_number=int(item["parent_number"]),
    )


def instance_of(item: dict[str, Any]) -> Instance:
    """Return a contract's instance as the ledger has it."""
    names = ("kind", "version", "deployer", "parameters", "obligor")
    return Instance(**{name: item[name] for name in names})


def lot_of(item: dict[str, Any]) -> Lot:
    """Return a redemption under way as the ledger has it."""
    plain = {name: item[name] for name in ("asset", "holder", "status", "reference")}
    return Lot(
        **plain,
        units=int(item["units"]),
        due=int(item["due"]),
        timer=msgspec.convert(item["timer"], tuple[int, int]),
    )
