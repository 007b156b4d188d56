"""Names: one grammar for everything that a person may have to read aloud.

An account is `alice` or `bank-a.treasury`; a contract's sub-account is `pool-1/parked`; an asset is
`eur@bank-a`, its code and its issuing account, so that whom an asset comes from stands in its name and
nobody can take another's ticker. Random identifiers were refused for accounts: people compare names, not
hashes, and the opening rule decides who may take one.
"""

import re

from tallystick.ledger.rejections import Code, Rejection

ACCOUNT_GRAMMAR = "[a-z0-9][a-z0-9.-]{0,47}"
ASSET_CODE_GRAMMAR = "[a-z0-9][a-z0-9.-]{0,23}"
REFERENCE_GRAMMAR = "[!-~]([ -~]{0,126}[!-~])?"

RESERVED = "ledger"
"""The kernel's name as the source of events: an account of that name could pass its own off as them."""

_is_name = re.compile(ACCOUNT_GRAMMAR).fullmatch
_is_asset_code = re.compile(ASSET_CODE_GRAMMAR).fullmatch
_is_reference = re.compile(REFERENCE_GRAMMAR).fullmatch
_is_uuid7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch


def check_name(name: str) -> str:
    """Return `name` if it may name an account, contract, institution or mandate."""
    if not _is_name(name) or name == RESERVED:
        raise Rejection(Code.NAME_INVALID, name=name[:64], grammar=f"{ACCOUNT_GRAMMAR}, not {RESERVED}")
    return name


def check_reference(text: str) -> str:
    """Return `text` if it may stand in a public field: 1 to 128 printable ASCII characters."""
    if not _is_reference(text):
        raise Rejection(Code.NAME_INVALID, name=text[:64], grammar=REFERENCE_GRAMMAR)
    return text


def asset_id(code: str, issuer: str) -> str:
    """Return the id of the asset that `issuer` issues under `code`."""
    if not _is_asset_code(code):
        raise Rejection(Code.NAME_INVALID, name=code[:64], grammar=ASSET_CODE_GRAMMAR)
    return f"{code}@{issuer}"


def is_asset(name: str) -> bool:
    """Tell an asset's id from a unit of account such as `EUR`."""
    return "@" in name


def subaccount_id(contract: str, name: str) -> str:
    """Return the id of a contract's sub-account."""
    return f"{contract}/{check_name(name)}"


def uuid7_time(identifier: str) -> int:
    """Return the time inside a UUIDv7 in microseconds (RFC 9562 section 5.7: 48 bits of milliseconds)."""
    if not _is_uuid7(identifier):
        raise Rejection(Code.NAME_INVALID, name=identifier[:64], grammar="UUIDv7, lower case")
    return int(identifier[:8] + identifier[9:13], 16) * 1000
