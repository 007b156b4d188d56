"""`tallystick drill`: everybody withdraws, on a fork, and what comes of it.

The command is the drill's own process: it opens the ledger file for reading, as it stands, and nothing of
what happens on the fork is kept. With `--url` a node does it, in a process beside it and within its bounds.
The rule that must hold: what is printed for people and what `--json` writes come from one outcome.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session, align, read_file
from tallystick.cli.trust import percent
from tallystick.client.amounts import format_amount

if TYPE_CHECKING:
    from tallystick.cli.opened import OpenLedger
    from tallystick.client.questions.asking import Question

Scenario = Any
Outcome = Any
Exodus = Any
"""`stress`'s own types: a command may name its room only where it runs."""

ROWS_SHOWN_MAX = 20
NODE_WAITS_SECONDS = 150.0
"""How long a command waits for a node's first drill."""
EVERYBODY = "all"


@make_command(
    "drill",
    ledger=True,
    url=True,
    example="""\
tallystick drill alder-bank --withdraw 100%
tallystick drill all --withdraw 50% --per-day 10%
tallystick drill alder-bank --lender central --haircut 20% --help-needed
tallystick drill alder-bank --picture run-curve.png
tallystick drill eur-gold                      everyone leaves a contract
tallystick drill --scenario what-if.json""",
)
@click.argument("subject", metavar="INSTITUTION|CONTRACT|all", required=False)
@click.option(
    "--withdraw", default="100%", show_default=True, help="How much of its claims each holder wants."
)
@click.option(
    "--per-day", default="", metavar="PERCENT", help="So much a day, until it is all; else at once."
)
@click.option("--runner", "runners", multiple=True, metavar="ACCOUNT", help="Only these run; repeat.")
@click.option("--days", type=click.IntRange(1, 3660), default=None, help="How far to look. [default: 30]")
@click.option("--cash", multiple=True, metavar="UNIT=ASSET", help="What pays a unit of account; repeat.")
@click.option("--shock", multiple=True, metavar="ASSET=PERCENT", help="Value an asset so much lower; repeat.")
@click.option("--lender", metavar="ACCOUNT", help="This issuer of cash lends of last resort.")
@click.option(
    "--haircut",
    metavar="PERCENT",
    help="Suppose that the lender lends beyond its standing facilities, at this haircut.",
)
@click.option(
    "--scenario",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A scenario as a JSON document, in place of the options above.",
)
@click.option("--help-needed", is_flag=True, help="Find the least help that would have stopped each target.")
@click.option("--curve", is_flag=True, help="Drill every share up to --withdraw, and show what is paid.")
@click.option(
    "--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write the run curve here, as PNG."
)
@click.option("--csv", "as_csv", is_flag=True, help="With --curve: every point as CSV.")
@click.option("--points", type=click.IntRange(2, 200), default=20, show_default=True, help="Of the curve.")
@click.option("--holders", is_flag=True, help="With --json: every holder's claim as well.")
def command(
    session: Session,
    subject: str | None,
    *,
    withdraw: str,
    per_day: str,
    runners: tuple[str, ...],
    days: int | None,
    cash: tuple[str, ...],
    shock: tuple[str, ...],
    lender: str | None,
    haircut: str | None,
    file: Path | None,
    help_needed: bool,
    curve: bool,
    picture: Path | None,
    as_csv: bool,
    points: int,
    holders: bool,
) -> None:
    """Let holders withdraw from an institution on a fork, and say who is paid, who fails, and why.

    Every withdrawal is a transaction that the ledger accepts: demand claims are called, cash is paid, whoever
    is short calls others, leaves contracts, sells into pools at what they pay, and borrows if a lender
    stands. What is owed at a date waits for it. With a contract, all who have something inside leave it.
    Nothing is kept. A result can be recomputed: the same state and scenario give the same hash.
    """
    from tallystick.stress.scenario import ScenarioInvalid, read_scenario

    if (subject is None) is (file is None):
        raise CommandError(
            "name an institution, a contract or `all`, or a --scenario", hint="tallystick drill all"
        )
    if as_csv and (session.json or not (curve or picture is not None)):
        raise CommandError(
            "--csv is of a --curve, and in place of --json", hint="add --curve, leave out --json"
        )
    plain = (withdraw, per_day, runners, cash, shock, lender) == ("100%", "", (), (), (), None)
    curve = curve or picture is not None
    newest = subject is not None and plain and haircut is None and days is None
    if session.url is not None and holders:
        raise CommandError("a node lists no holders", hint="ask on the ledger file, without --url")
    if session.url is not None and subject is not None and newest and not (help_needed or curve):
        _newest_of_node(session, subject)
        return
    with session.reading() as ledger:
        try:
            if haircut is not None and lender is None:
                raise CommandError(
                    "--haircut is what a --lender takes off collateral", hint="name a --lender"
                )
            if subject is not None and _is_contract(ledger, subject):
                if not plain or help_needed or curve:
                    raise CommandError(
                        "of a contract everyone leaves, with all: only --days is for that",
                        hint=f"tallystick drill {subject}",
                    )
                if session.url is not None:
                    _leave_at_node(session, subject, days=days or 30)
                else:
                    _leave(session, ledger, subject, days=days or 30)
                return
            document = (
                _read(file)
                if file is not None
                else _document(
                    subject or "",
                    withdraw=withdraw,
                    per_day=per_day,
                    runners=runners,
                    days=days,
                    cash=cash,
                    shock=shock,
                    lender=lender,
                    haircut=haircut,
                )
            )
            scenario = read_scenario(document)
            if session.url is not None:
                _check_one_target(scenario, curve=curve)
                _scenario_at_node(
                    session,
                    document,
                    points=points if curve else 0,
                    help_needed=help_needed,
                    picture=picture,
                    as_csv=as_csv,
                )
            elif curve:
                _curve(session, ledger, scenario, picture=picture, points=points, as_csv=as_csv)
            else:
                _drill(session, ledger, scenario, help_needed=help_needed, holders=holders)
        except ScenarioInvalid as invalid:
            raise _invalid(invalid.errors) from None


def _invalid(errors: Sequence[str]) -> CommandError:
    return CommandError(
        "the scenario cannot be run:\n" + "\n".join(f"  {error}" for error in errors),
        hint="docs/concepts/drills.md says what a scenario holds",
        code="scenario_invalid",
    )


# --------------------------------------------------------------------------------------------- at a node


def _ask_node(session: Session, question: "Question[dict[str, Any]]") -> dict[str, Any]:
    """Return a node's answer once there is one, or how it stands when no more time is left."""
    import time

    with session.node() as client:
        found = client.ask(question)
        until = time.monotonic() + NODE_WAITS_SECONDS
        pause = 0.2
        while found["status"] == "running" and time.monotonic() < until:
            time.sleep(pause)
            pause = min(2.0, pause * 1.2)
            found = client.ask(question)
    if found["status"] == "failed" and found.get("code") == "scenario_invalid":
        raise _invalid(found["errors"])
    if found["status"] == "failed":
        raise CommandError(
            f"the node could not drill it: {found['error']}",
            hint="ask about less, or on the ledger file, without --url",
            code="drill_failed",
        )
    return found


def _show_from_node(session: Session, found: dict[str, Any], name: str, lines: list[str]) -> None:
    if found["status"] != "ready":
        session.show(found, f"{name}: {found['status']}; the same command again tells how it stands")
        return
    entry, ago = found["size"] - 1, f"{found['entries_since']} entries and {found['age_seconds']} s ago"
    session.show(found, f"as of entry {entry}, {ago}:", *lines)


def _newest_of_node(session: Session, subject: str) -> None:
    """Tell the newest full run that a node has of a subject; the first question starts one."""
    from tallystick.client.questions import drills

    found = _ask_node(session, drills.newest(subject))
    _show_from_node(session, found, subject, _drill_lines(found.get("drill"), subject))


def _leave_at_node(session: Session, contract: str, *, days: int) -> None:
    from tallystick.client.questions import drills

    found = _ask_node(session, drills.of_contract(contract, days=days))
    _show_from_node(session, found, contract, _drill_lines(found.get("drill"), contract))


def _scenario_at_node(
    session: Session,
    document: dict[str, Any],
    *,
    points: int,
    help_needed: bool,
    picture: Path | None,
    as_csv: bool,
) -> None:
    """Have a node run a scenario, or draw its curve, and tell what came of it."""
    from tallystick.client.questions import drills

    question = drills.of_scenario(document, points=points, help_needed=help_needed)
    found = _ask_node(session, question)
    if found["status"] != "ready" or not points:
        _show_from_node(session, found, "the scenario", _drill_lines(found.get("drill"), ""))
        return
    from tallystick.stress.curve import Curve, write_picture

    curve = Curve.read(found["curve"])
    if picture is not None:
        write_picture(curve, picture)
        session.note(f"picture written to {picture}")
    if as_csv:
        click.echo(curve.csv(), nl=False)
        return
    _show_from_node(session, found, curve.institution, _curve_lines(curve))


def _drill_lines(drill: dict[str, Any] | None, subject: str) -> list[str]:
    """Return in short what a node's document of a drill says."""
    if drill is None:
        return []
    if "leavers" in drill:
        out = f"{drill['out']} of {drill['participants']} leave {subject} with all that they have inside"
        return [out, f"result {drill['result_hash']}"]
    lines = [
        f"{one['order']}. {one['institution']} fails on day {one['day']}: {one['cause']}"
        for one in drill["failures"]
    ] or [_nobody(any(one["due"] != "0" for one in drill["survival"]))]
    rows = [
        [one["institution"], one["cash"], one["due"], percent(one["paid_ppm"])]
        for one in drill["survival"][:ROWS_SHOWN_MAX]
    ]
    if rows:
        lines += ["", *align([["institution", "pays in", "due (minor units)", "paid"], *rows])]
    for one in drill.get("help", ()):
        what = "no help in cash" if one["units"] is None else f"{one['units']} minor units of {one['cash']}"
        lines.append(f"{one['institution']}: {what} would have stopped it ({one['drills']} drills)")
    return [*lines, "", f"result {drill['result_hash']}"]


def _is_contract(ledger: "OpenLedger", subject: str) -> bool:
    return ledger.get("institution", subject) is None and ledger.get("instance", subject) is not None


def _read(file: Path) -> Any:
    import json

    try:
        return json.loads(read_file(file))
    except ValueError as error:
        raise CommandError(f"{file} is no JSON: {error}") from None


def _check_one_target(scenario: Scenario, *, curve: bool) -> None:
    """Check that a run curve is asked of one institution."""
    if curve and len(scenario.targets) != 1:
        raise CommandError("a run curve is of one institution", hint="tallystick drill INSTITUTION --curve")


def _document(
    subject: str,
    *,
    withdraw: str,
    per_day: str,
    runners: tuple[str, ...],
    days: int | None,
    cash: tuple[str, ...],
    shock: tuple[str, ...],
    lender: str | None,
    haircut: str | None,
) -> dict[str, Any]:
    """Return the scenario of the options as a document: so its errors are told like a file's."""
    from tallystick.stress.scenario import everybody_withdraws, shown_percentage

    path = everybody_withdraws(percent=withdraw, per_day=per_day)
    taken_off = {} if haircut is None else {"haircut": haircut}
    horizon = days or path.horizon_days
    document: dict[str, Any] = {
        "targets": EVERYBODY if subject == EVERYBODY else [subject],
        "withdraw": [shown_percentage(part) for part in path.withdraw_ppm],
        "horizon_days": max(horizon, len(path.withdraw_ppm)),
        "cash": dict(_pair(one, "--cash UNIT=ASSET") for one in cash),
        "shocks": [
            {"day": 0, "asset": asset, "change": change}
            for asset, change in (_pair(one, "--shock ASSET=PERCENT") for one in shock)
        ],
        "lender_of_last_resort": None if lender is None else {"lender": lender} | taken_off,
    }
    if runners:
        document["runners"] = list(runners)
    return document


def _pair(text: str, shape: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise CommandError(
            f"{text[:80]!r} is not {shape}", hint="such as EUR=reserve@central, gold@vault=-30%"
        )
    return name, value


# ------------------------------------------------------------------------------------------------ drills


def _drill(
    session: Session, ledger: "OpenLedger", scenario: Scenario, *, help_needed: bool, holders: bool
) -> None:
    from tallystick.stress.drill import run_drill
    from tallystick.stress.rescue import help_document

    file = ledger.file
    root = file.commitment.commit().hex()
    with session.progress("days", scenario.horizon_days) as progress:
        outcome = run_drill(
            file.state, file.kinds, scenario, state_root=root, index=file.size, progress=progress
        )
    document = outcome.document(holders=holders)
    if help_needed:
        wanted = len(scenario.targets or outcome.failures)
        with session.progress("drills for help", wanted) as progress:
            document["help"] = help_document(
                file.state, file.kinds, scenario, outcome, index=file.size, progress=progress
            )
    if len(scenario.targets) == 1:
        document["liquidity"] = _liquidity(file, scenario.targets[0])
    session.show(document, *_lines(ledger, outcome, document))


def _liquidity(file: Any, institution: str) -> dict[str, Any]:
    """Return short-run and long-run liquidity before the drill, in what most of it is owed in."""
    from tallystick.stress.liquidity import document, liquidity_now

    return document(liquidity_now(file.state, file.kinds, institution))


def _lines(ledger: "OpenLedger", outcome: Outcome, document: dict[str, Any]) -> list[str]:
    from tallystick.stress.outcome import told

    decimals = ledger.decimals(
        {one.cash for one in outcome.survival if "@" in one.cash}
        | {one.cash for one in outcome.failures if one.cash}
    )
    lines = told(outcome, decimals=list(decimals.items()))
    lines = lines or [_nobody(any(one.asked for one in outcome.survival))]
    rows = [
        [
            one["institution"],
            one["cash"] if "@" in one["cash"] else f"nothing here ({one['cash']})",
            format_amount(one["due"], decimals=decimals.get(one["cash"], 0)),
            percent(one["paid_ppm"]),
            "to the end" if one["first_failing_day"] is None else f"until day {one['first_failing_day']}",
        ]
        for one in document["survival"][:ROWS_SHOWN_MAX]
    ]
    if rows:
        lines += ["", *align([["institution", "pays in", "due", "paid", "lasts"], *rows])]
    losses = sorted(outcome.losses, key=lambda row: (-row[3], row))[:ROWS_SHOWN_MAX]
    if losses:
        table = [
            [creditor, debtor, format_amount(str(units), decimals=decimals.get(cash, 0)), cash]
            for creditor, debtor, cash, units in losses
        ]
        lines += ["", *align([["not paid to", "by", "units", "in"], *table])]
        if len(outcome.losses) > len(losses):
            lines.append(f"and {len(outcome.losses) - len(losses)} more")
    lines += _lent_lines(ledger, outcome)
    lines += _redeemed_lines(ledger, outcome)
    lines += _left_out_lines(outcome)
    for one in document.get("help", ()):
        what = "no help in cash"
        if one["units"] is not None:
            what = f"{format_amount(one['units'], decimals=decimals.get(one['cash'], 0))} {one['cash']}"
        lines.append(f"{one['institution']}: {what} would have stopped it ({one['drills']} drills)")
    lines += _liquidity_lines(document.get("liquidity"))
    lines += [
        "",
        f"{outcome.transactions} transactions on a fork of state {outcome.state_root[:16]}; nothing was kept",
        f"result {document['result_hash']}",
    ]
    return lines


def _lent_lines(ledger: "OpenLedger", outcome: Outcome) -> list[str]:
    """Return what the lender of last resort lent, by which facility, or as the scenario alone supposes."""
    if not outcome.loans:
        return []
    found: dict[tuple[str, str], int] = {}
    for one in outcome.loans:
        found[one.by, one.cash] = found.get((one.by, one.cash), 0) + one.units
    decimals = ledger.decimals({cash for _, cash in found})
    facilities = {contract for contract, _ in outcome.facilities}
    lines = [""]
    for (by, cash), units in sorted(found.items()):
        how = f"by {by}, on its own terms"
        if by not in facilities:
            how = "as the scenario supposes, by no contract" + (
                "" if facilities else ": the lender has no standing facility"
            )
        lines.append(f"lent {format_amount(str(units), decimals=decimals.get(cash, 0))} {cash} {how}")
    return lines


def _redeemed_lines(ledger: "OpenLedger", outcome: Outcome) -> list[str]:
    """Return what contracts took back by their own calls of the claims that they issued."""
    rows = outcome.redeemed[:ROWS_SHOWN_MAX]
    decimals = ledger.decimals({one.claim for one in rows} | {one.asset for one in rows if one.asset})
    table = [
        [
            one.claim,
            one.institution,
            format_amount(str(one.units), decimals=decimals.get(one.claim, 0)),
            f"{format_amount(str(one.got), decimals=decimals.get(one.asset, 0))} {one.asset}",
            one.how,
        ]
        for one in rows
    ]
    return ["", *align([["redeemed by contract", "owed by", "units", "for", "by"], *table])] if table else []


def _nobody(something_was_due: bool) -> str:  # noqa: FBT001 (the one thing that it is asked)
    return "nobody fails" if something_was_due else "nobody fails, for nothing fell due"


def _left_out_lines(outcome: Outcome) -> list[str]:
    """Return what nobody could ask for, by claim: a drill that asks for nothing finds no failure."""
    found: dict[tuple[str, str], list[int]] = {}
    for _, claim, units, why in outcome.left_out:
        found.setdefault((claim, why), []).append(units)
    lines = [
        f"not asked for: {sum(units)} minor units of {claim}, of {len(units)} holders: {why}"
        for (claim, why), units in sorted(found.items())
    ]
    if lines and not outcome.claims:
        lines.append("so nothing was asked for, and this drill says nothing of who would fail")
    return ["", *lines] if lines else []


def _liquidity_lines(found: dict[str, Any] | None) -> list[str]:
    """Return the ladder, and the short and the long run beside it, never one without the others."""
    if not (found and found["unit"]):
        return []
    rows = [[rung["bucket"], rung["outflow"], rung["inflow"], rung["gap_so_far"]] for rung in found["ladder"]]
    short, long_ = found["short_run"], found["long_run"]
    in_month = f"{short['stock']} liquid for {short['net_outflows']} of net outflows in 30 days"
    in_year = f"{long_['available']} of stable funding for {long_['required']} that is needed"
    return [
        "",
        f"before the drill, in minor units of {found['unit']}:",
        *align([["falls due", "out", "in", "gap so far"], *rows]),
        f"short run (LCR-like): {in_month} {_ratio(short['ratio_ppm'])}".rstrip(),
        f"long run (NSFR-like): {in_year} {_ratio(long_['ratio_ppm'])}".rstrip(),
    ]


def _ratio(ppm: int | None) -> str:
    return "" if ppm is None else f"({percent(ppm)})"


# ------------------------------------------------------------------------------------- curves, contracts


def _curve(
    session: Session,
    ledger: "OpenLedger",
    scenario: Scenario,
    *,
    picture: Path | None,
    points: int,
    as_csv: bool,
) -> None:
    from tallystick.stress.curve import run_curve, write_picture

    _check_one_target(scenario, curve=True)
    institution, file = scenario.targets[0], ledger.file
    root = file.commitment.commit().hex()
    with session.progress("drills", points) as progress:
        found = run_curve(
            file.state,
            file.kinds,
            scenario,
            institution,
            points=points,
            state_root=root,
            index=file.size,
            progress=progress,
        )
    if picture is not None:
        write_picture(found, picture)
        session.note(f"picture written to {picture}")
    if as_csv:
        click.echo(found.csv(), nl=False)
        return
    session.show(found.document(), *_curve_lines(found))


def _curve_lines(curve: Any) -> list[str]:
    rows = [[percent(one.withdrawn_ppm), percent(one.paid_ppm), str(one.failures)] for one in curve.points]
    return [
        *align([["withdrawn", "paid", "failures"], *rows]),
        "",
        f"of state {curve.state_root} after {curve.index} entries",
        f"scenario {curve.scenario_hash}",
        f"result {curve.hash}",
    ]


def _leave(session: Session, ledger: "OpenLedger", contract: str, *, days: int) -> None:
    from tallystick.stress.leaving import everyone_leaves

    file = ledger.file
    root = file.commitment.commit().hex()
    with session.progress("days", days) as progress:
        exodus = everyone_leaves(
            file.state, file.kinds, contract, days=days, state_root=root, index=file.size, progress=progress
        )
    session.show(exodus.document(), *_exodus_lines(ledger, exodus))


def _exodus_lines(ledger: "OpenLedger", exodus: Exodus) -> list[str]:
    named = {asset for one in exodus.leavers for asset, _ in (*one.got, *one.inside)}
    decimals = ledger.decimals(named)

    def amounts(pairs: tuple[tuple[str, int], ...]) -> str:
        told = [
            f"{format_amount(str(units), decimals=decimals.get(asset, 0))} {asset}" for asset, units in pairs
        ]
        return ", ".join(told)

    lines = [f"{exodus.out} of {len(exodus.leavers)} leave {exodus.contract} with all that they have inside"]
    rows = [
        [one.account, amounts(one.got), amounts(one.inside), one.why]
        for one in exodus.leavers[:ROWS_SHOWN_MAX]
    ]
    if rows:
        lines += ["", *align([["account", "gets", "still inside", "because"], *rows])]
    if len(exodus.leavers) > len(rows):
        lines.append(f"and {len(exodus.leavers) - len(rows)} more")
    lines += ["", f"{exodus.transactions} transactions on a fork; nothing was kept", f"result {exodus.hash}"]
    return lines
