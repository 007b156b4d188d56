"""Standing facilities: the contracts by which a lender of last resort lends, found by whom they name.

A facility lends one asset of one account by rule (`contracts.standing_facility`). A central bank often funds
it from another of its accounts than the one that issues, so those of its whole institution are its own.
"""

from json import loads
from typing import Final

from tallystick.institutions.books import Books

FACILITY: Final = "standing_facility"


def facilities_of(books: Books, lender: str) -> dict[str, str]:
    """Return the facilities of an account, or of others of its institution, each with the cash it lends."""
    found = {}
    institution = books.institution_of(lender)
    for contract in books.contracts:
        instance = books.instance(contract)
        if instance.kind != FACILITY:
            continue
        parameters = loads(instance.parameters)
        by = str(parameters["lender"])
        if by == lender or (institution and books.institution_of(by) == institution):
            found[contract] = str(parameters["asset"])
    return found
