"""`tallystick lend`: lend, borrow against collateral, repay, and liquidate, in amounts as people write them.

Each command asks the market's own views, and signs no worse than what they say now less the slippage:
interest goes on while a transaction waits for its signatures. The same calls can be made by hand with
`tallystick contract call`.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import asker, instances_of, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.lending import LendingMarket

command = make_group("lend", "Lend, borrow against collateral, repay and liquidate.")

SLIPPAGE = click.option(
    "--slippage",
    default="0.1%",
    show_default=True,
    help="How much worse than now may pass, interest included.",
)
PPM = 1_000_000


# ------------------------------------------------------------------------------------------------ looking


@command.add_command
@make_command("list", ledger=True, example="tallystick lend list --json")
def list_(session: Session) -> None:
    """List the markets: what is lent against what, at which rate, and how much is at hand."""
    with session.reading() as ledger:
        documents = [_summary(ledger, name) for name in sorted(instances_of(ledger, "lending_market"))]
    session.rows(
        documents,
        ("market", "market"),
        ("lends", "loan"),
        ("against", "collateral"),
        ("up to", "lltv"),
        ("at hand", "at_hand"),
        ("borrowers pay", "borrow_rate"),
        ("lenders get", "supply_rate"),
    )


@command.add_command
@make_command("show", ledger=True, example="tallystick lend show loans")
@click.argument("market")
def show(session: Session, market: str) -> None:
    """Show a market: supplied, lent out, rates, the price it goes by, and who may be liquidated now."""
    from tallystick.client.vocabulary import Rejection

    with session.reading() as ledger:
        found = _market(ledger, market)
        document, ask = _summary(ledger, market), asker(ledger)
        try:
            document["liquidatable"], document["refusal"] = ask(market, "liquidatable"), ""
        except Rejection as refused:
            document["liquidatable"], document["refusal"] = [], refused.code.value
    lines = [
        f"{market} lends {found.loan} against {found.collateral}, up to {document['lltv']} of its worth",
        f"  supplied {document['supplied']}, lent out {document['borrowed']}, at hand {document['at_hand']}",
        f"  borrowers pay {document['borrow_rate']} a year, lenders get {document['supply_rate']}",
    ]
    if document["refusal"]:
        lines.append(
            f"  {found.oracle} gives no price now ({document['refusal']}): nobody can borrow or liquidate"
        )
    else:
        lines.append(f"  to be liquidated now: {', '.join(document['liquidatable']) or 'nobody'}")
    session.show(document, *lines)


@command.add_command
@make_command(
    "position",
    ledger=True,
    example="""\
tallystick lend position loans alice
tallystick lend position loans alice --json""",
)
@click.argument("market")
@click.argument("account")
def position(session: Session, market: str, account: str) -> None:
    """Show what an account lent and can take out, what it owes, and the price that liquidates it."""
    from tallystick.client.prices import format_ratio
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        ledger.need_account(account)
        found, ask = _market(ledger, market), asker(ledger)
        has, lent = ask(market, "position", account=account), ask(market, "withdrawable", account=account)
        price = (
            format_ratio(
                has.liquidation_numerator,
                has.liquidation_denominator,
                decimals_in=ledger.need_asset(found.collateral).decimals,
                decimals_out=ledger.need_asset(found.loan).decimals,
            )
            if has.liquidation_denominator
            else ""
        )
        document: dict[str, Any] = {
            "market": market,
            "account": account,
            "shares": str(has.shares),
            "lent": str(lent.units),
            "can_leave_now": str(lent.now),
            "later": str(lent.later),
            "when": format_time(lent.when) if lent.when else "",
            "collateral": str(has.collateral),
            "free_collateral": str(has.free_collateral),
            "debt": str(has.debt_units),
            "limit": str(has.limit_units),
            "liquidation_price": price,
            "refusal": has.refusal,
        }
        lines = _position_lines(ledger, found, document, has, lent)
    session.show(document, *(lines or [f"{account} has nothing in {market}"]))


def _position_lines(
    ledger: OpenLedger, market: "LendingMarket", document: dict[str, Any], has: Any, lent: Any
) -> list[str]:
    lines = []
    if lent.units:
        now = told(ledger, market.loan, lent.now)
        lines.append(f"lent {told(ledger, market.loan, lent.units)}; {now} can leave now")
    if lent.later:
        when = (
            f"by {document['when']} at the latest, at today's price and rate" if lent.when else "when repaid"
        )
        lines.append(f"  {told(ledger, market.loan, lent.later)} are lent out, and can leave {when}")
    if has.collateral:
        free = told(ledger, market.collateral, has.free_collateral)
        lines.append(f"collateral {told(ledger, market.collateral, has.collateral)}; {free} are free")
    if has.debt_units:
        limit = told(ledger, market.loan, has.limit_units)
        more = f"there is no price now ({has.refusal})" if has.refusal else f"may owe {limit}"
        lines.append(f"owes {told(ledger, market.loan, has.debt_units)}; {more}")
        lines.append(
            f"  liquidated once 1 {market.collateral} is worth less than"
            f" {document['liquidation_price']} {market.loan}"
        )
    return lines


# ----------------------------------------------------------------------------------------------- lending


@command.add_command
@make_command(
    "supply",
    changes=True,
    example="""\
tallystick lend supply loans alice 100.00
tallystick lend supply loans alice 100.00 --dry-run""",
)
@click.argument("market")
@click.argument("account")
@click.argument("amount")
@SLIPPAGE
@MINOR
def supply(session: Session, market: str, account: str, amount: str, *, slippage: str, minor: bool) -> None:
    """Lend an amount, for shares of everything that is lent."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.lending import supply_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        units = units_of(ledger, found.loan, amount, minor=minor)
        settle(
            session,
            ledger,
            account,
            supply_call(asker(ledger), found, account=account, units=units, slippage_bps=parse_bps(slippage)),
        )


@command.add_command
@make_command(
    "withdraw",
    changes=True,
    example="""\
tallystick lend withdraw loans alice
tallystick lend withdraw loans alice 25.00""",
)
@click.argument("market")
@click.argument("account")
@click.argument("amount", required=False)
@SLIPPAGE
@MINOR
def withdraw(
    session: Session, market: str, account: str, amount: str | None, *, slippage: str, minor: bool
) -> None:
    """Take out an amount of what was lent, or all of it that is at hand."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.lending import withdraw_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        units = _units(ledger, found.loan, amount, minor=minor)
        action = withdraw_call(
            asker(ledger), found, account=account, units=units, slippage_bps=parse_bps(slippage)
        )
        settle(session, ledger, account, action)


# ---------------------------------------------------------------------------------------------- borrowing


@command.add_command
@make_command(
    "borrow",
    changes=True,
    example="""\
tallystick lend borrow loans alice 20.00 --pledge 1.000
tallystick lend borrow loans alice 5.00""",
)
@click.argument("market")
@click.argument("account")
@click.argument("amount")
@click.option("--pledge", metavar="AMOUNT", help="Deposit so much collateral first, in the same transaction.")
@MINOR
def borrow(
    session: Session, market: str, account: str, amount: str, *, pledge: str | None, minor: bool
) -> None:
    """Borrow an amount against collateral; it is paid to the account itself."""
    from tallystick.client.lending import borrow_call, pledge_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        units = units_of(ledger, found.loan, amount, minor=minor)
        actions = [borrow_call(found, account=account, units=units)]
        if pledge is not None:
            collateral = units_of(ledger, found.collateral, pledge, minor=minor)
            actions.insert(0, pledge_call(found, account=account, units=collateral))
        settle(session, ledger, account, *actions)


@command.add_command
@make_command(
    "repay",
    changes=True,
    example="""\
tallystick lend repay loans alice
tallystick lend repay loans alice 5.00""",
)
@click.argument("market")
@click.argument("account")
@click.argument("amount", required=False)
@SLIPPAGE
@MINOR
def repay(
    session: Session, market: str, account: str, amount: str | None, *, slippage: str, minor: bool
) -> None:
    """Repay an amount, or the whole debt to the last share, with the interest until it settles."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.lending import repay_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        units = _units(ledger, found.loan, amount, minor=minor)
        action = repay_call(
            asker(ledger), found, account=account, units=units, slippage_bps=parse_bps(slippage)
        )
        settle(session, ledger, account, action)


@command.add_command
@make_command("pledge", changes=True, example="tallystick lend pledge loans alice 1.000")
@click.argument("market")
@click.argument("account")
@click.argument("amount")
@MINOR
def pledge(session: Session, market: str, account: str, amount: str, *, minor: bool) -> None:
    """Deposit collateral. It is lent to nobody."""
    from tallystick.client.lending import pledge_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        units = units_of(ledger, found.collateral, amount, minor=minor)
        settle(session, ledger, account, pledge_call(found, account=account, units=units))


@command.add_command
@make_command(
    "release",
    changes=True,
    example="""\
tallystick lend release loans alice
tallystick lend release loans alice 0.500""",
)
@click.argument("market")
@click.argument("account")
@click.argument("amount", required=False)
@MINOR
def release(session: Session, market: str, account: str, amount: str | None, *, minor: bool) -> None:
    """Take collateral out, or all of it that no debt needs."""
    from tallystick.client.lending import release_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        units = _units(ledger, found.collateral, amount, minor=minor)
        settle(session, ledger, account, release_call(asker(ledger), found, account=account, units=units))


# --------------------------------------------------------------------------------------------- liquidation


@command.add_command
@make_command(
    "liquidate",
    changes=True,
    example="""\
tallystick lend liquidate loans keeper alice 50.00
tallystick lend liquidate loans keeper alice 50.00 --dry-run""",
)
@click.argument("market")
@click.argument("account")
@click.argument("borrower")
@click.argument("most")
@SLIPPAGE
@MINOR
def liquidate(
    session: Session, market: str, account: str, borrower: str, most: str, *, slippage: str, minor: bool
) -> None:
    """Repay up to MOST of an unhealthy debt, for its collateral at the market's incentive."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.lending import liquidate_call

    with changing(session) as ledger:
        found = _market(ledger, market)
        action = liquidate_call(
            asker(ledger),
            found,
            account=account,
            borrower=borrower,
            most_units=units_of(ledger, found.loan, most, minor=minor),
            slippage_bps=parse_bps(slippage),
        )
        settle(session, ledger, account, action)


# ------------------------------------------------------------------------------------------------- asking


def _market(ledger: OpenLedger, name: str) -> "LendingMarket":
    from tallystick.client.lending import market_of

    return market_of(name, parameters_of(ledger, name, "lending_market"))


def _units(ledger: OpenLedger, asset: str, amount: str | None, *, minor: bool) -> int | None:
    return None if amount is None else units_of(ledger, asset, amount, minor=minor)


def _summary(ledger: OpenLedger, name: str) -> dict[str, Any]:
    found, ask = _market(ledger, name), asker(ledger)
    state, rates = ask(name, "state"), ask(name, "rates")
    return {
        "market": name,
        "loan": found.loan,
        "collateral": found.collateral,
        "oracle": found.oracle,
        "lltv": f"{found.lltv / 10**16:g}%",
        "supplied": told(ledger, found.loan, state.supplied),
        "borrowed": told(ledger, found.loan, state.borrowed),
        "at_hand": told(ledger, found.loan, state.supplied - state.borrowed),
        "supplied_units": str(state.supplied),
        "borrowed_units": str(state.borrowed),
        "borrow_rate": f"{rates.borrow_ppm / 10_000:.2f}%",
        "supply_rate": f"{rates.supply_ppm / 10_000:.2f}%",
    }
