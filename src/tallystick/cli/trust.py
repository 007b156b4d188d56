"""`tallystick trust`: whom an account or asset relies on, followed to the end."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.frame import make_command
from tallystick.cli.session import Session, align
from tallystick.client.amounts import format_amount

if TYPE_CHECKING:
    from tallystick.cli.opened import OpenLedger

AMOUNTS_SHOWN_MAX = 3
NAMES_SHOWN_MAX = 3
_Document = dict[str, Any]


@make_command(
    "trust",
    ledger=True,
    example="""\
tallystick trust alice
tallystick trust share@eur-gold
tallystick trust alice --unit EUR --price-from eur-gold""",
)
@click.argument("subject", metavar="ACCOUNT|ASSET")
@click.option("--unit", default="", help="Say values in this unit of account, such as EUR.")
@click.option("--price-from", multiple=True, metavar="CONTRACT", help="Take prices from this pool as well.")
def command(session: Session, subject: str, *, unit: str, price_from: tuple[str, ...]) -> None:
    """Show whom an account or an asset relies on: who owes it, whose code holds it, who can freeze it.

    Everything held is followed through shares and positions to a claim, which somebody owes (credit), or to a
    token, which nobody owes (computation). An obligor is `direct`, or `through` others: it owes what they
    pay with. Values are at par in the unit that most claims are owed in, unless --unit says otherwise; what
    has no price there is said and left out of the shares. Of an asset it is all that is outstanding.
    """
    with session.reading() as ledger:
        document = ledger.trust(subject, unit=unit, price_from=price_from)
        session.show(document, *trust_lines(ledger, document))


def trust_lines(ledger: "OpenLedger", document: _Document) -> list[str]:
    """Return the lens in words and tables."""
    decimals = ledger.decimals(asset for asset in _assets(document))
    say = _Words(decimals)
    lines = [_headline(document)]
    lines += _table(
        "owed by",
        document["obligors"],
        ("", lambda one: one["how"]),
        ("share", lambda one: percent(one["share_ppm"])),
        ("units", say.amounts),
        ("coverage", _coverage),
    )
    lines += _table(
        "in the code of",
        document["contracts"],
        ("", lambda one: one["how"]),
        ("share", lambda one: percent(one["share_ppm"])),
        ("units", say.amounts),
    )
    lines += _table(
        "in the power of",
        document["powers"],
        ("to", lambda one: one["how"]),
        ("on", lambda one: one["on"]),
        ("delay", lambda one: f"{one['delay_seconds']} s" if one["delay_seconds"] else "none"),
        ("share", lambda one: percent(one["share_ppm"])),
        ("units", say.amounts),
    )
    lines += _table(
        "on the word of",
        document["oracles"],
        ("", lambda one: one["how"]),
        ("share", lambda one: percent(one["share_ppm"])),
        ("units", say.amounts),
    )
    lines += _exceptions(document, say)
    return lines


def trust_in_short(document: _Document, *, lead: str) -> str:
    """Return the lens in one line that begins with `lead`, such as "alice would then rely on"."""
    told = []
    direct = [one for one in document["obligors"] if one["how"] == "direct"]
    for what, exposures in (
        ("owed by", direct),
        ("in the code of", document["contracts"]),
        ("in the power of", document["powers"]),
        ("on the word of", document["oracles"]),
    ):
        shares = {one["name"]: one["share_ppm"] for one in exposures}
        names = [
            f"{name} {percent(share)}".rstrip() for name, share in list(shares.items())[:NAMES_SHOWN_MAX]
        ]
        if names:
            more = f" and {len(shares) - len(names)} more" if len(shares) > len(names) else ""
            told.append(f"{what} {', '.join(names)}{more}")
    if not told:
        return f"{lead} nobody"
    return f"{lead}: {'; '.join(told)}"


def percent(ppm: int | None) -> str:
    """Return parts per million as a percentage, cut and not rounded; nothing for None."""
    return "" if ppm is None else f"{ppm // 10_000}.{ppm % 10_000 // 1_000} %"


def _headline(document: _Document) -> str:
    subject, label = document["subject"], document["label"]
    if label == "nothing":
        return f"{subject} relies on nobody: it has nothing that somebody else owes or code holds"
    if document["value"] is None:
        return f"{subject}: {label}"
    credit, computation = (percent(document[f"{what}_ppm"]) for what in ("credit", "computation"))
    shares = f"credit {credit or 'without a price'}, computation {computation or 'without a price'}"
    return f"{subject}: {label}; {document['value']} minor units of {document['unit']} priced: {shares}"


def _coverage(one: _Document) -> str:
    ppm = one["coverage_ppm"]
    return percent(ppm) if ppm is not None else f"unknown: {one['coverage_missing']}"


def _table(
    heading: str, exposures: Iterable[_Document], *columns: tuple[str, Callable[[_Document], str]]
) -> list[str]:
    rows = [[one["name"], *(read(one) for _, read in columns)] for one in exposures]
    if not rows:
        return []
    return ["", *align([[heading, *(name for name, _ in columns)], *rows])]


def _exceptions(document: _Document, say: "_Words") -> list[str]:
    lines = []
    for what, field in (("owes", "owes"), ("holds claims on its own institution", "own")):
        if document[field]:
            lines.append(f"{document['subject']} {what}: {say.amounts({'amounts': document[field]})}")
    lines += [f"no price: {one['reason']}" for one in document["unpriced"]]
    lines += [
        f"not followed: {part['asset']} ({part['stopped']})" for part in document["parts"] if part["stopped"]
    ]
    lines += [f"{one['contract']} would not say: {one['code']}" for one in document["unanswered"]]
    return ["", *lines] if lines else []


def _assets(document: _Document) -> set[str]:
    named = {part["asset"] for part in document["parts"]}
    for field in ("own", "owes"):
        named |= {amount["asset"] for amount in document[field]}
    return named


class _Words:
    """Amounts as people write them."""

    def __init__(self, decimals: dict[str, int]) -> None:
        self._decimals = decimals

    def amounts(self, one: _Document) -> str:
        """Return the amounts of an exposure, the first few."""
        amounts = one["amounts"]
        told = [self._amount(amount["asset"], amount["units"]) for amount in amounts[:AMOUNTS_SHOWN_MAX]]
        more = [f"{len(amounts) - len(told)} more"] if len(amounts) > len(told) else []
        return ", ".join([*told, *more])

    def _amount(self, asset: str, units: str) -> str:
        return f"{format_amount(units, decimals=self._decimals.get(asset, 0))} {asset}"
