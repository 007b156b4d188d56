"""`tallystick institution`: a named set of accounts; each joins by its signature, the founder consents."""

import click

from tallystick.cli.changes import changing, settle
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.institution_views import cash_flow, coverage, income, licence, money, sheet
from tallystick.cli.session import Session

command = make_group("institution", "Found institutions, and join them.")

ROLES = click.option(
    "--role",
    "roles",
    multiple=True,
    help="issuer, custodian, bank, central_bank, broker, dealer, venue or clearing_house; repeat.",
)
RELATED = click.option("--related", multiple=True, help="A related party to declare; repeat.")


@command.add_command
@make_command(
    "found",
    changes=True,
    example="tallystick institution found bank-ag --account bank --role bank --role issuer",
)
@click.argument("name")
@click.option("--account", required=True, help="The founding account; it speaks for the institution.")
@ROLES
@RELATED
def found(
    session: Session, name: str, *, account: str, roles: tuple[str, ...], related: tuple[str, ...]
) -> None:
    """Found an institution: what can owe claims."""
    from tallystick.client.actions import FoundInstitution

    with changing(session) as ledger:
        action = FoundInstitution(account=account, name=name, roles=roles, related=related)
        settle(session, ledger, account, action)


@command.add_command
@make_command(
    "join",
    changes=True,
    example="tallystick institution join bank-ag --account bank.treasury",
)
@click.argument("name")
@click.option("--account", required=True, help="The account that joins; the founder must sign as well.")
def join(session: Session, name: str, *, account: str) -> None:
    """Make an account part of an institution. Both sign: where the keys are apart, use --out and `sign`."""
    from tallystick.client.actions import JoinInstitution

    with changing(session) as ledger:
        settle(session, ledger, account, JoinInstitution(account=account, institution=name))


@command.add_command
@make_command(
    "declare",
    changes=True,
    example="tallystick institution declare bank-ag --role bank --related shadow-fund",
)
@click.argument("name")
@ROLES
@RELATED
def declare(session: Session, name: str, *, roles: tuple[str, ...], related: tuple[str, ...]) -> None:
    """As the founder, replace an institution's roles and declared related parties."""
    from tallystick.client.actions import DeclareInstitution
    from tallystick.client.vocabulary import Code, Rejection

    with changing(session) as ledger:
        record = ledger.get("institution", name)
        if record is None:
            raise Rejection(Code.UNKNOWN_INSTITUTION, institution=name[:64])
        action = DeclareInstitution(account=record.founder, institution=name, roles=roles, related=related)
        settle(session, ledger, record.founder, action)


@command.add_command
@make_command("list", ledger=True, example="tallystick institution list --json")
def list_(session: Session) -> None:
    """List the institutions with their roles and accounts."""
    with session.reading() as ledger:
        documents = ledger.institution_rows()
    if session.json:
        session.rows(documents)
        return
    told = [
        one | {"roles": ", ".join(one["roles"]), "accounts": ", ".join(one["accounts"])} for one in documents
    ]
    session.rows(told, ("institution", "institution"), ("roles", "roles"), ("accounts", "accounts"))


for _question in (sheet, income, cash_flow, coverage, licence, money):
    command.add_command(_question)
