"""`tallystick asset`: declared once and for ever, then issued against the issuing account.

What may ever happen to a holder stands in the declaration, so `create` has many options and nothing can be
added later: `--dry-run` reads them back in words first. Outside identifiers are checked here, while a typing
error is still free.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.changes import MINOR, changing, parse_leg, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.actions import PolicySpec, Terms

command = make_group("asset", "Create, issue and show assets.")


@command.add_command
@make_command(
    "create",
    changes=True,
    example="""\
tallystick asset create gold --issuer mint --kind token --decimals 3
tallystick asset create eur --issuer bank --kind claim --obligor bank-ag --owes EUR --decimals 2
tallystick asset create bond --issuer bank --kind claim --obligor bank-ag --owes EUR --decimals 2 \\
    --matures 2030-01-01T00:00:00Z --isin US0378331005""",
)
@click.argument("code")
@click.option("--issuer", required=True, help="The account that issues it; the asset is CODE@ISSUER.")
@click.option(
    "--kind",
    type=click.Choice(["claim", "token"]),
    required=True,
    help="A claim is owed by an institution; a token by nobody. Shares are made by contracts.",
)
@click.option("--decimals", type=int, default=0, show_default=True, help="Where a person puts the point.")
@click.option("--unit", default="", help="The unit of account it is counted in, such as EUR.")
@click.option("--obligor", default="", help="Claim: the institution that owes it.")
@click.option("--owes", help="Claim: what it pays: a unit of account (EUR) or an asset (gold@vault).")
@click.option("--pays", type=int, default=1, show_default=True, help="Claim: minor units paid …")
@click.option("--per", type=int, default=1, show_default=True, help="… for each so many minor units.")
@click.option("--matures", help="Claim: not payable before this time.")
@click.option("--notice", default="0s", show_default=True, help="Claim: payable so long after it is asked.")
@click.option("--grace", default="1d", show_default=True, help="Claim: in default so long after it is due.")
@click.option(
    "--rank",
    type=click.Choice(["secured", "senior", "subordinated"]),
    default="senior",
    show_default=True,
    help="Claim: who is paid first if there is not enough.",
)
@click.option("--collateral", help="Claim: the account that stands behind it.")
@click.option("--policy", help="The kind of its policy, such as controlled.")
@click.option("--rule", "rules", multiple=True, metavar="NAME=N", help="A rule of the policy; repeat.")
@click.option("--lists-by", default="", help="Who may admit and freeze accounts, at once.")
@click.option("--rules-by", default="", help="Who may change the rules, after --delay.")
@click.option("--delay", default="1d", show_default=True, help="How long a change of rules waits.")
@click.option("--claw-back-by", default="", help="Who may take it back from any holder.")
@click.option("--isin", help="Its ISIN; the check digit is checked, not that it was assigned.")
@click.option("--cusip", help="Its CUSIP.")
@click.option("--lei", help="The LEI of who issues it.")
def create(session: Session, code: str, **options: Any) -> None:
    """Declare an asset: its kind, its terms and every power over it, for ever."""
    from tallystick.client.actions import CreateAsset
    from tallystick.client.identifiers import SCHEMES, parse_identifiers

    issuer = options["issuer"]
    with changing(session) as ledger:
        action = CreateAsset(
            account=issuer,
            code=code,
            kind=options["kind"],
            decimals=options["decimals"],
            unit=options["unit"],
            obligor=options["obligor"],
            terms=_terms(ledger, options),
            policy=_policy(options),
            claw_back_by=options["claw_back_by"],
            external_ids=parse_identifiers(
                f"{scheme}={options[scheme]}" for scheme in SCHEMES if options[scheme]
            ),
        )
        settle(session, ledger, issuer, action)


def _terms(ledger: OpenLedger, options: dict[str, Any]) -> "Terms | None":
    """Return the terms of a claim, or nothing for a token."""
    from tallystick.client.actions import Terms
    from tallystick.client.times import parse_duration, parse_when

    if options["kind"] != "claim":
        if options["owes"] or options["obligor"]:
            raise CommandError("a token is owed by nobody", hint="use --kind claim, or leave --owes out")
        return None
    if not options["owes"] or not options["obligor"]:
        raise CommandError(
            "a claim says who owes what", hint="add --obligor INSTITUTION and --owes EUR (or an asset)"
        )
    matures = options["matures"]
    return Terms(
        owes=options["owes"],
        pays=options["pays"],
        per=options["per"],
        matures=None if matures is None else parse_when(matures, now=ledger.now()),
        notice_seconds=parse_duration(options["notice"]) // 1_000_000,
        grace_seconds=parse_duration(options["grace"]) // 1_000_000,
        rank=options["rank"],
        collateral=options["collateral"],
    )


def _policy(options: dict[str, Any]) -> "PolicySpec | None":
    from tallystick.client.actions import PolicySpec
    from tallystick.client.times import parse_duration

    if options["policy"] is None:
        if options["rules"] or options["lists_by"] or options["rules_by"]:
            raise CommandError("rules and lists belong to a policy", hint="add --policy controlled")
        return None
    return PolicySpec(
        kind=options["policy"],
        rules=parse_rules(options["rules"]),
        lists_by=options["lists_by"],
        rules_by=options["rules_by"],
        delay_seconds=parse_duration(options["delay"]) // 1_000_000,
    )


def parse_rules(texts: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=N` texts as a policy's rules."""
    rules = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or name in rules:
            raise CommandError(
                f"{text[:60]!r} is not NAME=N, or given twice", hint="such as balance_max=100000"
            )
        rules[name] = value
    return rules


@command.add_command
@make_command(
    "issue",
    changes=True,
    example="""\
tallystick asset issue eur@bank alice 100.00
tallystick asset issue eur@bank --leg alice:100.00 --leg bob:50.00""",
)
@click.argument("asset")
@click.argument("to", required=False)
@click.argument("amount", required=False)
@click.option("--leg", "legs", multiple=True, metavar="TO:AMOUNT", help="Several at once; repeat.")
@MINOR
def issue(
    session: Session, asset: str, to: str | None, amount: str | None, *, legs: tuple[str, ...], minor: bool
) -> None:
    """Issue new units. The issuing account's negative balance is what is outstanding."""
    from tallystick.client.actions import Issue

    if (to is None) != (amount is None) or (to is None) == (not legs):
        raise CommandError("name TO and AMOUNT, or --leg TO:AMOUNT", hint="tallystick asset issue --help")
    texts = legs or (f"{to}:{amount}",)
    with changing(session) as ledger:
        issuer = ledger.need_asset(asset).issuer
        parsed = tuple(parse_leg(ledger, f"{asset}:{text}", minor=minor) for text in texts)
        settle(session, ledger, issuer, Issue(account=issuer, legs=parsed))


@command.add_command
@make_command(
    "claw-back",
    changes=True,
    example='tallystick asset claw-back eur@bank mallory 12.50 --reason "court order 7/26"',
)
@click.argument("asset")
@click.argument("source", metavar="FROM")
@click.argument("amount")
@click.option("--reason", required=True, help="A short public reference.")
@MINOR
def claw_back(session: Session, asset: str, source: str, amount: str, *, reason: str, minor: bool) -> None:
    """Take units back to the issuing account, as whoever the asset named for that at its creation."""
    from tallystick.client.actions import ClawBack

    with changing(session) as ledger:
        found = ledger.need_asset(asset)
        if not found.claw_back_by:
            raise CommandError(f"{asset} named nobody who may take it back", hint="nothing can change that")
        units = str(units_of(ledger, asset, amount, minor=minor))
        account = found.claw_back_by
        action = ClawBack(account=account, asset=asset, source=source, units=units, reason=reason)
        settle(session, ledger, account, action)


@command.add_command
@make_command("show", ledger=True, example="tallystick asset show eur@bank")
@click.argument("asset")
def show(session: Session, asset: str) -> None:
    """Show an asset: who owes it under which terms, how much is out, and every power over it."""
    import msgspec

    from tallystick.client.amounts import format_amount
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        found = ledger.need_asset(asset)
        outstanding = -ledger.balance(found.issuer, asset)
        holders = [account for account, units in ledger.holders(asset) if units > 0]
        listed = [(key[2], key[3]) for key, _ in ledger.rows("listing", asset)]
        pending = ledger.get("policy_change", asset)
    fields = msgspec.structs.asdict(found)
    document = {
        "asset": asset,
        **{name: msgspec.to_builtins(value) for name, value in fields.items() if name != "id"},
        "outstanding_units": str(outstanding),
        "holders": len(holders),
        "listed": [{"list": name, "account": account} for name, account in listed],
    }
    lines = [
        f"asset {asset}, a {found.kind} with {found.decimals} decimals",
        f"  outstanding {format_amount(outstanding, decimals=found.decimals)} with {len(holders)} holders",
    ]
    if found.terms is not None:
        due = "on demand" if found.terms.matures is None else f"from {format_time(found.terms.matures)}"
        lines.append(
            f"  owed by the institution {found.obligor}: {found.terms.pays} of {found.terms.owes} per"
            f" {found.terms.per} minor units, {due}, notice {found.terms.notice_seconds} s,"
            f" grace {found.terms.grace_seconds} s, {found.terms.rank}"
        )
    if found.policy is not None:
        rules = (
            ", ".join(f"{name} {value}" for name, value in sorted(found.policy.rules.items())) or "no rules"
        )
        lines.append(f"  policy {found.policy.kind}: {rules}")
        lines.append(
            f"  lists by {found.policy.lists_by or 'nobody'}, rules by {found.policy.rules_by or 'nobody'}"
        )
    if pending is not None:
        lines.append(f"  new rules from {format_time(pending.due)}: {pending.rules}")
    lines += [f"  {account} is {name}" for name, account in listed]
    if found.claw_back_by:
        lines.append(f"  {found.claw_back_by} may take it back from anybody")
    lines += [f"  {scheme.upper()} {number}" for scheme, number in found.external_ids]
    session.show(document, *lines)


@command.add_command
@make_command("list", ledger=True, example="tallystick asset list --json")
def list_(session: Session) -> None:
    """List the assets: kind, who owes them, and how much is out."""
    from tallystick.client.amounts import format_amount

    documents = []
    with session.reading() as ledger:
        for key, asset in ledger.rows("asset"):
            units = -ledger.balance(asset.issuer, key[1])
            documents.append(
                {
                    "asset": key[1],
                    "kind": asset.kind,
                    "obligor": asset.obligor,
                    "decimals": asset.decimals,
                    "outstanding_units": str(units),
                    "outstanding": format_amount(units, decimals=asset.decimals),
                }
            )
    session.rows(
        documents,
        ("asset", "asset"),
        ("kind", "kind"),
        ("owed by", "obligor"),
        ("outstanding", "outstanding"),
    )
