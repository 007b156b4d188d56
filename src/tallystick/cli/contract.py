"""`tallystick contract`: code that holds assets and pays by rule.

`kinds` reads each kind's own description out of the protocol: its parameters, methods and views, their
arguments and refusals. `call` spends at most what --spend allows and demands what --receive says, whatever
the code does. Amounts in --arg are minor units, as the contract reads them; --spend and --receive are written
as people write amounts.
"""

import inspect
import json
from typing import Any

import click

from tallystick.cli.changes import changing, parse_amounts, settle
from tallystick.cli.descriptions import description_lines
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("contract", "Deploy, call and read contracts.")

ARGS = click.option(
    "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument; repeat. Values may be JSON."
)
JSON_ARGS = click.option("--args", "document", help="All arguments as one JSON object.")


def _arguments(pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    """Return the arguments that a person typed."""
    from tallystick.client.arguments import parse_object, parse_pairs

    if pairs and document is not None:
        raise CommandError("--arg and --args exclude each other", hint="write all of it one way")
    return parse_pairs(pairs) if document is None else parse_object(document)


def _instance(ledger: OpenLedger, contract: str) -> Any:
    from tallystick.client.vocabulary import Code, Rejection

    found = ledger.get("instance", contract)
    if found is None:
        raise Rejection(Code.UNKNOWN_CONTRACT, contract=contract[:64])
    return found


@command.add_command
@make_command(
    "deploy",
    changes=True,
    example="""\
tallystick contract deploy deal-1 escrow --account alice --args '{"deadline": "1900000000000000",
    "legs": [{"payer": "alice", "receiver": "bob", "asset": "eur@bank", "units": "500"}]}'""",
)
@click.argument("contract")
@click.argument("kind")
@click.option("--account", required=True, help="The account that deploys it.")
@click.option("--version", type=int, help="The kind's version; by default the newest.")
@click.option(
    "--obligor", default="", help="The institution whose own it is, and on which it may issue claims."
)
@ARGS
@JSON_ARGS
def deploy(
    session: Session,
    contract: str,
    kind: str,
    *,
    account: str,
    version: int | None,
    obligor: str,
    pairs: tuple[str, ...],
    document: str | None,
) -> None:
    """Create a contract of a kind and version that never change. Its parameters are --arg or --args.

    With --obligor the institution's founder signs as well.
    """
    from tallystick.client.actions import Deploy
    from tallystick.client.arguments import contract_of, encode_arguments, parameters_shape

    code = contract_of(kind, version)
    parameters = encode_arguments(_arguments(pairs, document), parameters_shape(code))
    with changing(session) as ledger:
        action = Deploy(
            account=account,
            contract=contract,
            kind=kind,
            version=code.version,
            parameters=parameters,
            obligor=obligor,
        )
        settle(session, ledger, account, action)


@command.add_command
@make_command(
    "call",
    changes=True,
    example="""\
tallystick contract call deal-1 fund --account alice --arg leg=0 --spend eur@bank=5.00
tallystick contract call pool-1 skim --account bob
tallystick contract call pool-1 swap_exact_in --account bob --spend eur@bank=10 --receive gold@vault=0.1 \\
    --args '{"asset_in": "eur@bank", "asset_out": "gold@vault", "units_in": 1000, "least_out": 100}'""",
)
@click.argument("contract")
@click.argument("method")
@click.option("--account", required=True, help="The account that calls.")
@ARGS
@JSON_ARGS
@click.option("--spend", multiple=True, metavar="ASSET=AMOUNT", help="It may take at most this; repeat.")
@click.option("--receive", multiple=True, metavar="ASSET=AMOUNT", help="It must pay at least this; repeat.")
@click.option("--mandate", help="Call under this mandate of ACCOUNT's; needs --sender.")
@click.option("--sender", help="The account that sends; with --mandate, the delegate's own.")
@click.option("--units", "minor", is_flag=True, help="--spend and --receive are whole minor units.")
def call(
    session: Session,
    contract: str,
    method: str,
    *,
    account: str,
    pairs: tuple[str, ...],
    document: str | None,
    spend: tuple[str, ...],
    receive: tuple[str, ...],
    mandate: str | None,
    sender: str | None,
    minor: bool,
) -> None:
    """Call a method. Without --spend the contract can take nothing."""
    from tallystick.client.actions import Call
    from tallystick.client.arguments import contract_of, encode_arguments, method_shape

    if mandate is not None and sender is None:
        raise CommandError(
            "under a mandate somebody else sends", hint="name the delegate's own with --sender"
        )
    with changing(session) as ledger:
        instance = _instance(ledger, contract)
        shape = method_shape(contract_of(instance.kind, instance.version), method)
        action = Call(
            account=account,
            contract=contract,
            method=method,
            arguments=encode_arguments(_arguments(pairs, document), shape),
            spend=parse_amounts(ledger, spend, minor=minor),
            receive=parse_amounts(ledger, receive, minor=minor),
            mandate=mandate,
        )
        settle(session, ledger, sender or account, action)


def _answer(session: Session, contract: str, view: str, **arguments: Any) -> None:
    """Ask a view and show what it answers."""
    from tallystick.client.arguments import contract_of, encode_arguments, method_shape

    with session.reading() as ledger:
        instance = _instance(ledger, contract)
        shape = method_shape(contract_of(instance.kind, instance.version), view)
        typed = json.loads(bytes(encode_arguments(arguments, shape)))
        answer = ledger.view(contract, view, _typed(typed, shape))
        lines = description_lines(ledger, view, answer)
    session.show({"contract": contract, "view": view, "answer": answer}, *(lines or _told(answer)))


def _typed(wire: dict[str, Any], shape: type[Any]) -> dict[str, Any]:
    """Return arguments in wire form as the values that a view takes."""
    import msgspec

    value = msgspec.convert(wire, shape, strict=False)
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _told(answer: Any) -> list[str]:
    """Return an answer as lines: one an item, fields named."""
    if isinstance(answer, list):
        return [_told_item(item) for item in answer] or ["nothing"]
    return [_told_item(answer)]


def _told_item(item: Any) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{name} {_told_item(value)}" for name, value in item.items())
    return item if isinstance(item, str) else json.dumps(item)


@command.add_command
@make_command("view", ledger=True, example="tallystick contract view deal-1 status")
@click.argument("contract")
@click.argument("view")
@ARGS
@JSON_ARGS
def view_(
    session: Session, contract: str, view: str, *, pairs: tuple[str, ...], document: str | None
) -> None:
    """Ask a contract something; a view changes nothing."""
    _answer(session, contract, view, **_arguments(pairs, document))


@command.add_command
@make_command("positions", ledger=True, example="tallystick contract positions deal-1 alice")
@click.argument("contract")
@click.argument("account")
def positions(session: Session, contract: str, account: str) -> None:
    """Show what an account has inside a contract, owned and owed."""
    _answer(session, contract, "positions", account=account)


@command.add_command
@make_command("exits", ledger=True, example="tallystick contract exits deal-1 alice")
@click.argument("contract")
@click.argument("account")
def exits(session: Session, contract: str, account: str) -> None:
    """Show by which calls an account leaves a contract, how much of it now, and the rest when."""
    _answer(session, contract, "exits", account=account)


@command.add_command
@make_command(
    "leave",
    changes=True,
    example="""\
tallystick contract leave pool-1 alice --dry-run
tallystick contract leave streams alice""",
)
@click.argument("contract")
@click.argument("account")
def leave(session: Session, contract: str, account: str) -> None:
    """Take out all that leaves a contract now, in one transaction that demands what `exits` promises."""
    from tallystick.cli.asking import asker
    from tallystick.client.exits import leave_calls

    with changing(session) as ledger:
        kind = _instance(ledger, contract).kind
        calls = leave_calls(asker(ledger), contract, kind, account=account)
        if not calls:
            raise CommandError(
                f"nothing of {account} leaves {contract} now",
                hint=f"see tallystick contract exits {contract} {account}",
            )
        settle(session, ledger, account, *calls)


@command.add_command
@make_command("powers", ledger=True, example="tallystick contract powers deal-1")
@click.argument("contract")
def powers(session: Session, contract: str) -> None:
    """Show who may do what to others' assets there, within which bound, after which delay."""
    _answer(session, contract, "powers")


@command.add_command
@make_command("backing", ledger=True, example="tallystick contract backing pool-1")
@click.argument("contract")
def backing(session: Session, contract: str) -> None:
    """Show what stands behind a contract's own shares."""
    _answer(session, contract, "backing")


@command.add_command
@make_command("dependencies", ledger=True, example="tallystick contract dependencies deal-1")
@click.argument("contract")
def dependencies(session: Session, contract: str) -> None:
    """Show on which assets, contracts and oracles a contract leans."""
    _answer(session, contract, "dependencies")


@command.add_command
@make_command("list", ledger=True, example="tallystick contract list --json")
def list_(session: Session) -> None:
    """List the contracts with their kinds."""
    with session.reading() as ledger:
        documents = [
            {
                "contract": key[1],
                "kind": instance.kind,
                "version": instance.version,
                "deployer": instance.deployer,
                "parameters": json.loads(instance.parameters),
            }
            for key, instance in ledger.rows("instance")
        ]
    session.rows(
        documents,
        ("contract", "contract"),
        ("kind", "kind"),
        ("version", "version"),
        ("deployed by", "deployer"),
    )


# ---------------------------------------------------------------------------------------------- the kinds


@command.add_command
@make_command(
    "kinds",
    example="""\
tallystick contract kinds
tallystick contract kinds escrow""",
)
@click.argument("kind", required=False)
def kinds(session: Session, kind: str | None) -> None:
    """Describe the kinds of contract there are: parameters, methods, views and refusals."""
    from tallystick.client.arguments import contract_of
    from tallystick.client.vocabulary import KINDS

    if kind is None:
        documents = [_describe(code) for _, code in sorted(KINDS.contracts.items())]
        session.rows(
            documents
            if session.json
            else [one | {"about": one["about"].splitlines()[0]} for one in documents],
            ("kind", "kind"),
            ("version", "version"),
            ("about", "about"),
        )
        return
    document = _describe(contract_of(kind))
    session.show(document, *_kind_lines(document))


def _describe(code: Any) -> dict[str, Any]:
    """Return a kind's description of itself as a document."""
    return {
        "kind": code.kind,
        "version": code.version,
        "about": inspect.cleandoc(inspect.getdoc(inspect.getmodule(type(code))) or type(code).__doc__ or ""),
        "parameters": _fields(code.Parameters),
        "methods": [
            {
                "method": method.name,
                "view": method.is_view,
                "arguments": _fields(method.arguments),
                "about": inspect.getdoc(method.function) or "",
            }
            for method in code.methods.values()
        ],
        "refusals": [] if code.Refusal is None else [refusal.value for refusal in code.Refusal],
    }


def _fields(shape: type[Any]) -> list[dict[str, Any]]:
    import msgspec

    return [
        {"name": field.name, "type": _type_name(field.type), "required": field.required}
        for field in msgspec.structs.fields(shape)
    ]


def _type_name(kind: Any) -> str:
    import msgspec

    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        inner = ", ".join(f"{one['name']}: {one['type']}" for one in _fields(kind))
        return "{" + inner + "}"
    arguments = [one for one in getattr(kind, "__args__", ()) if one is not ...]
    if arguments and getattr(kind, "__origin__", None) is not None:
        names = [_type_name(one) for one in arguments]
        return f"{kind.__origin__.__name__} of {(' to ' if kind.__origin__ is dict else ', ').join(names)}"
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _kind_lines(document: dict[str, Any]) -> list[str]:
    lines = [f"{document['kind']} {document['version']}", ""]
    lines += document["about"].splitlines()
    lines += ["", "parameters"]
    lines += [f"  {_told_field(field)}" for field in document["parameters"]]
    for title, is_view in (("methods", False), ("views", True)):
        lines += ["", title]
        for method in document["methods"]:
            if method["view"] is is_view:
                told = ", ".join(_told_field(field) for field in method["arguments"])
                lines += [f"  {method['method']}({told})", f"      {method['about'].splitlines()[0]}"]
    if document["refusals"]:
        lines += ["", "refusals", *(f"  {code}" for code in document["refusals"])]
    return lines


def _told_field(field: dict[str, Any]) -> str:
    return f"{field['name']}: {field['type']}" + ("" if field["required"] else " (optional)")
