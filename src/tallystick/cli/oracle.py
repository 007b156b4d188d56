"""`tallystick oracle`: prices, who says them, and saying one, in numbers as people write them.

What is shown is what the oracle's own views answer, with the reason where there is no price.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import asker, instances_of, parameters_of
from tallystick.cli.changes import changing, settle
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.oracles import Oracle

command = make_group("oracle", "Read prices, with who says them, and report one.")


@command.add_command
@make_command("list", ledger=True, example="tallystick oracle list --json")
def list_(session: Session) -> None:
    """List the oracles with their prices, or why they give none."""
    with session.reading() as ledger:
        documents = [_latest(ledger, name) for name in sorted(instances_of(ledger, "oracle"))]
    session.rows(
        documents,
        ("oracle", "oracle"),
        ("of", "base"),
        ("in", "quote"),
        ("price", "price"),
        ("why none", "refusal"),
    )


@command.add_command
@make_command(
    "show",
    ledger=True,
    example="""\
tallystick oracle show gold-price
tallystick oracle show gold-price --fresh 60 --quorum 3""",
)
@click.argument("oracle")
@click.option(
    "--fresh", default=0, metavar="SECONDS", help="Count nothing older; the oracle's own by default."
)
@click.option("--quorum", default=0, help="How many must agree; the oracle's own by default.")
def show(session: Session, oracle: str, *, fresh: int, quorum: int) -> None:
    """Show a price as you need it, or be refused; and every source with what it said last and its record."""
    from tallystick.client.oracles import format_price
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        found, ask = _oracle(ledger, oracle), asker(ledger)
        sources = [
            {
                "source": one.name,
                "kind": one.kind,
                "says": format_price(one.value, found.scale, found) if one.value else "",
                "observed": format_time(one.observed) if one.observed else "",
                "counts": one.counts,
                "reports": one.record.reports,
                "far_from_the_others": one.record.far,
            }
            for one in ask(oracle, "sources")
        ]
        if fresh or quorum:
            told = ask(
                oracle,
                "price",
                asset_in=found.base,
                asset_out=found.quote,
                freshness_seconds=fresh,
                quorum=quorum,
            )
            latest = _price(found, told.numerator, told.denominator, told.time, told.quorum)
        else:
            latest = _latest(ledger, oracle)
    lines = [
        f"1 {found.base} is {latest['price']} {found.quote}, by {latest['quorum']} sources that agree,"
        f" the oldest of {latest['time']}"
        if latest["price"]
        else f"no price: {latest['refusal']}"
    ]
    lines += [
        f"  {one['source']} ({one['kind']}) says {one['says'] or 'nothing'}"
        + (f", seen {one['observed']}" if one["observed"] else "")
        + ("" if one["counts"] else "; does not count")
        for one in sources
    ]
    session.show(latest | {"sources": sources}, *lines)


@command.add_command
@make_command(
    "report",
    changes=True,
    example="""\
tallystick oracle report gold-price desk-1 60.25
tallystick oracle report fund-nav custodian 101.3352 --ref nav-2026-11-24""",
)
@click.argument("oracle")
@click.argument("account")
@click.argument("price")
@click.option("--observed", metavar="TIME", help="When it was seen; now by default.")
@click.option("--ref", "reference", default="", help="A public reference: a document's name or hash.")
def report(
    session: Session, oracle: str, account: str, price: str, *, observed: str | None, reference: str
) -> None:
    """Say a price, as one of the oracle's sources: units of its quote for one of its base."""
    from tallystick.client.oracles import parse_price, report_call
    from tallystick.client.times import parse_time

    with changing(session) as ledger:
        found = _oracle(ledger, oracle)
        seen = ledger.now() if observed is None else parse_time(observed)
        action = report_call(
            found, account=account, value=parse_price(price, found), observed=seen, reference=reference
        )
        settle(session, ledger, account, action)


def _oracle(ledger: OpenLedger, name: str) -> "Oracle":
    from tallystick.client.oracles import oracle_of

    parameters = parameters_of(ledger, name, "oracle")
    return oracle_of(name, parameters, lambda asset: ledger.need_asset(asset).decimals)


def _latest(ledger: OpenLedger, name: str) -> dict[str, Any]:
    found, told = _oracle(ledger, name), asker(ledger)(name, "latest")
    if told.refusal:
        nothing = {"price": "", "time": "", "quorum": 0, "refusal": told.refusal}
        return {"oracle": name, "base": found.base, "quote": found.quote} | nothing
    return _price(found, told.numerator, told.denominator, told.time, told.quorum)


def _price(found: "Oracle", numerator: int, denominator: int, time: int, quorum: int) -> dict[str, Any]:
    from tallystick.client.oracles import format_price
    from tallystick.client.times import format_time

    return {
        "oracle": found.name,
        "base": found.base,
        "quote": found.quote,
        "price": format_price(numerator, denominator, found),
        "numerator": str(numerator),
        "denominator": str(denominator),
        "time": format_time(time),
        "quorum": quorum,
        "refusal": "",
    }
