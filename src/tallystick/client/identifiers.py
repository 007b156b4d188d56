"""Outside names of assets and institutions: ISIN, CUSIP, LEI, checked before anybody signs them.

The ledger carries them as opaque text, because a core that refused a number would have to know every scheme
for ever. So the check stands here, at the last moment at which a typing error is still free: once an asset is
declared, its identifiers stay. Whether the number is *assigned* no arithmetic can tell.

Refused: check-digit code of our own. python-stdnum is maintained against the registries.
"""

from collections.abc import Callable, Iterable
from typing import Final

from stdnum import cusip, isin, lei
from stdnum.exceptions import ValidationError

from tallystick.client.errors import ClientError

_VALIDATE: Final[dict[str, Callable[[str], str]]] = {
    "cusip": cusip.validate,
    "isin": isin.validate,
    "lei": lei.validate,
}

SCHEMES: Final = tuple(_VALIDATE)


class IdentifierError(ClientError):
    """The number does not belong to its scheme, or the scheme is not one that is checked here."""


def check_identifier(scheme: str, number: str) -> str:
    """Return the number, which must already be in its compact form: upper case, no separators."""
    validate = _VALIDATE.get(scheme)
    if validate is None:
        raise IdentifierError(f"{scheme[:20]!r} is not a scheme", hint=f"one of {', '.join(SCHEMES)}")
    try:
        compact = validate(number)
    except ValidationError as error:
        raise IdentifierError(f"{number[:40]!r} is no {scheme.upper()}: {error}") from None
    if compact != number:
        raise IdentifierError(f"{number[:40]!r} is written {compact} without separators")
    return number


def parse_identifiers(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return `isin=US0378331005` and its like as pairs, checked and in the order of their schemes."""
    found: dict[str, str] = {}
    for text in texts:
        scheme, separator, number = text.partition("=")
        if not separator:
            raise IdentifierError(f"{text[:60]!r} is not scheme=number")
        if scheme in found:
            raise IdentifierError(f"{scheme} is given twice")
        found[scheme] = check_identifier(scheme, number)
    return tuple(sorted(found.items()))
