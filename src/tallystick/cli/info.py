"""`tallystick info`: what a ledger file is, how far it reaches, and what waits in it."""

from collections import Counter

import click
import msgspec

from tallystick.cli.frame import make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside


@make_command(
    "info",
    ledger=True,
    example="""\
tallystick info
tallystick info --log-key
tallystick info --url http://127.0.0.1:8080""",
)
@click.option("--log-key", "only_log_key", is_flag=True, help="Print the log's public key and nothing else.")
def command(session: Session, *, only_log_key: bool) -> None:
    """Say what a ledger file holds: its id, its keys, how far the log reaches, what is open."""
    from tallystick.client.times import format_time

    if session.url is not None:
        _tell_node(session, session.url, only_log_key=only_log_key)
        return
    with session.reading() as ledger:
        file = ledger.file
        tables = Counter(key[0] for key in file.state.values)
        newest = file.journal.checkpoint()
        if only_log_key:
            session.show({"vkey": file.genesis.log_key}, file.genesis.log_key)
            return
        clock = file.clock
        log_key = beside(session.ledger, LOG_KEY_SUFFIX)
        document = {
            "ledger": str(session.ledger),
            "name": file.genesis.name,
            "ledger_id": ledger.ledger_id,
            "operator": ledger.get("operator"),
            "limits": msgspec.structs.asdict(file.genesis.limits),
            "opening": ledger.get("opening"),
            "protocol": ledger.get("protocol"),
            "vkey": file.genesis.log_key,
            "has_log_key": log_key.exists(),
            "entries": file.size,
            "batches": clock.height,
            "time": format_time(clock.time),
            "checkpoint_size": 0 if newest is None else newest[0],
            "state_root": None if file.last_root is None else file.last_root.state_root.hex(),
            "accounts": tables["account"],
            "assets": tables["asset"],
            "contracts": tables["instance"],
            "holds": tables["hold"],
            "redemptions": tables["lot"],
            "timers": tables["timer"],
            "overdue_timers": tables["overdue"],
        }
    session.show(
        document,
        f"{document['name']}, ledger {document['ledger_id']}",
        f"  operator {document['operator']}; accounts are opened by {document['opening']};"
        f" protocol {document['protocol']}",
        f"  {document['entries']} entries in {document['batches']} batches to {document['time']};"
        f" a checkpoint signs {document['checkpoint_size']}",
        f"  state root {document['state_root']}",
        f"  {document['accounts']} accounts, {document['assets']} assets, {document['contracts']} contracts",
        f"  open: {document['holds']} holds, {document['redemptions']} redemptions,"
        f" {document['timers']} timers, {document['overdue_timers']} overdue",
        f"  log key {document['vkey']}"
        + ("" if document["has_log_key"] else f" (its secret is not at {log_key})"),
    )


def _tell_node(session: Session, url: str, *, only_log_key: bool) -> None:
    """Say what a node serves. Its log key is its own word: compare it with what you know."""
    from tallystick.client.times import format_time

    with session.node() as client:
        info, counts = client.info(), client.statistics()
    if only_log_key:
        session.show({"vkey": info.log_key}, info.log_key)
        return
    document = {
        "url": url,
        "name": info.name,
        "ledger_id": info.ledger,
        "operator": info.operator,
        "opening": info.opening,
        "vkey": info.log_key,
        "entries": info.size,
        "batches": info.height,
        "time": format_time(info.time),
        "accounts": counts.accounts,
        "assets": counts.assets,
        "contracts": counts.contracts,
        "holds": counts.holds,
    }
    session.show(
        document,
        f"{document['name']}, ledger {document['ledger_id']}, at {url}",
        f"  operator {document['operator']}; accounts are opened by {document['opening']}",
        f"  {document['entries']} entries in {document['batches']} batches to {document['time']}",
        f"  {document['accounts']} accounts, {document['assets']} assets, {document['contracts']} contracts,"
        f" {document['holds']} open holds",
        f"  log key {document['vkey']}",
    )
