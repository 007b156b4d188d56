"""`tallystick seed`: a demonstration ledger, the same every time, verified as soon as it is made.

The economy is the client's (`client.economy`); this plays it into a file, checks the file as a stranger
would, and says what to try. All its keys are public, the log's key included: they lie beside the file with a
published password, so that the printed commands work as they stand.

The rule that must hold: `--force` replaces a demonstration and nothing else. What it deletes must have named
itself one in its genesis.
"""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import KEYS_SUFFIX, LOG_KEY_SUFFIX, Session, beside

if TYPE_CHECKING:
    from tallystick.client.economy import Economy
    from tallystick.client.verifier import Verdict

PASSWORD = "tallystick"  # noqa: S105 (published: it protects nothing)
PASSWORD_SUFFIX = ".password"  # noqa: S105 (a file name)


@make_command(
    "seed",
    example="""\
tallystick seed demo.tally
tallystick seed demo.tally --force          the same again: the roots are equal
tallystick seed other.tally --seed 2""",
)
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--seed", "number", default=1, show_default=True, help="Another number, another economy.")
@click.option("--force", is_flag=True, help="Replace a demonstration ledger at PATH.")
def command(session: Session, path: Path, *, number: int, force: bool) -> None:
    """Create a demonstration ledger with a small economy, verify it, and say what to try.

    Two banks and a central bank, custodians, issuers, some dozens of people; four weeks of payments, loans,
    holds, redemptions (one in default), a mandate for an agent, two escrows, a coin on a custodian's word,
    and a pool of each kind with trades every day. Two runs give the same roots. Its keys are public: never
    put anything of yours on it.
    """
    from tallystick.client.economy import Economy

    clear_demonstration(path, force=force)
    transactions, verdict = make_demonstration(session, path, Economy(number))
    commands = _next_commands(path, verdict.log_key)
    run = full_run(path)
    session.show(
        {
            "ledger": str(path),
            "seed": number,
            "ledger_id": verdict.ledger_id,
            "transactions": transactions,
            "entries": verdict.entries,
            "tree_root": verdict.tree_root.hex(),
            "state_root": (verdict.state_root or b"").hex(),
            "sentence": verdict.sentence(),
            "full_run": run,
            "try": commands,
        },
        *verified_lines(verdict),
        *full_run_lines(run),
        "",
        "try:",
        *(f"  {line}" for line in commands),
    )


def make_demonstration(session: Session, path: Path, economy: "Economy") -> tuple[int, "Verdict"]:
    """Play the economy into a new ledger file and verify it; return its number of transactions as well."""
    transactions = _play(session, path, economy)
    return transactions, _verify(session, path, economy)


def verified_lines(verdict: "Verdict") -> list[str]:
    """Return in words what was proven, with the roots to compare."""
    return [
        verdict.sentence(),
        f"tree root   {verdict.tree_root.hex()}",
        f"state root  {(verdict.state_root or b'').hex()}",
    ]


def full_run(path: Path) -> dict[str, Any]:
    """Let everybody withdraw from every institution of a ledger file, on a fork; return who fails and why."""
    from tallystick.node.ledger_file import LedgerFile
    from tallystick.stress.drill import run_drill
    from tallystick.stress.outcome import told
    from tallystick.stress.scenario import everybody_withdraws

    with LedgerFile.open(path, read_only=True) as file:
        root = file.commitment.commit().hex()
        outcome = run_drill(file.state, file.kinds, everybody_withdraws(), state_root=root, index=file.size)
        cash = sorted({one.cash for one in outcome.failures if one.cash})
        decimals = [(asset, file.state.values["asset", asset].decimals) for asset in cash]
    return {
        "failures": [
            {"institution": one.institution, "day": one.day, "cause": one.cause} for one in outcome.failures
        ],
        "told": told(outcome, decimals=decimals),
        "result_hash": outcome.hash,
    }


def full_run_lines(run: dict[str, Any]) -> list[str]:
    """Return in words who would fail if everybody withdrew now."""
    if not run["told"]:
        return ["", "if everybody withdrew now, nobody would fail"]
    return ["", "if everybody withdrew now (a drill on a fork; nothing is kept):", *run["told"]]


def clear_demonstration(path: Path, *, force: bool) -> None:
    """Remove the demonstration at the path, or refuse."""
    from tallystick.node.lock import WriterLock

    files = [path, *(beside(path, suffix) for suffix in (KEYS_SUFFIX, LOG_KEY_SUFFIX, PASSWORD_SUFFIX))]
    there = [file for file in files if file.exists()]
    if not there:
        return
    if not force:
        raise CommandError(f"{there[0]} exists", hint="add --force to replace a demonstration ledger")
    if path.exists() and not _is_demonstration(path):
        raise CommandError(
            f"{path} is no demonstration ledger, so --force does not replace it", hint="choose another path"
        )
    if not path.exists() and not beside(path, PASSWORD_SUFFIX).exists():
        raise CommandError(f"{there[0]} exists and is no demonstration's", hint="choose another path")
    with WriterLock(path):
        for file in [*there, beside(path, "-wal"), beside(path, "-shm")]:
            file.unlink(missing_ok=True)


def _is_demonstration(path: Path) -> bool:
    """Tell whether the ledger file says of itself that its keys are public."""
    from tallystick.client.economy import ORIGIN
    from tallystick.client.sources import SourceError, open_source
    from tallystick.client.vocabulary import Rejection, decode_genesis

    try:
        source = open_source(path)
        try:
            return decode_genesis(source.genesis()).log_key.startswith(ORIGIN)
        finally:
            source.close()
    except (SourceError, Rejection):
        return False


def _play(session: Session, path: Path, economy: "Economy") -> int:
    """Write the keys and the ledger, and play the economy into it on its own clock."""
    from tallystick.client.economy import DAYS, play
    from tallystick.client.keyring import Keyring, write_private
    from tallystick.node.ledger_file import LedgerFile

    beside(path, PASSWORD_SUFFIX).write_text(f"{PASSWORD}\n", encoding="utf-8")
    Keyring.create(beside(path, KEYS_SUFFIX), PASSWORD).add(economy.seeds)
    write_private(beside(path, LOG_KEY_SUFFIX), f"{economy.log_key.skey}\n".encode())
    with (
        session.progress("seeding", DAYS) as progress,
        LedgerFile.create(
            path, genesis=economy.genesis, log_key=economy.log_key, clock=lambda: economy.now
        ) as ledger,
    ):

        def submit(envelopes: Any, time: int) -> Any:
            return ledger.submit(envelopes, time=time)

        return play(economy, submit, end_day=ledger.checkpoint, progress=progress)


def _verify(session: Session, path: Path, economy: "Economy") -> "Verdict":
    """Check the file as a stranger would who knows the log's key."""
    from tallystick.client.sources import open_source
    from tallystick.client.verifier import verify

    source = open_source(path)
    try:
        with session.progress("verifying", source.size()) as progress:
            return verify(source, log_key=economy.log_key.verifier.vkey, progress=progress)
    finally:
        source.close()


def program() -> str:
    """Return the name under which this program can be called again."""
    called = sys.argv[0] if Path(sys.argv[0]).name == "tallystick" else "tallystick"
    return "tallystick" if shutil.which("tallystick") else shlex.quote(called)


def _next_commands(path: Path, vkey: str) -> list[str]:
    """Return commands that work as they stand."""
    tallystick = program()
    ledger = shlex.quote(str(path))
    password = shlex.quote(str(beside(path, PASSWORD_SUFFIX)))
    sign = f"--ledger {ledger} --password-file {password}"
    prove = f"{tallystick} proof balance bob eur@bank --ledger {ledger}"
    return [
        f"{tallystick} balance alice --ledger {ledger}",
        f"{tallystick} history alice --ledger {ledger} --limit 10",
        f"{tallystick} pay alice bob 1.00 eur@bank {sign}",
        f"{tallystick} pool swap eur-gold alice 10.00 eur@bank gold@vault {sign}",
        f"{prove} | {tallystick} proof check - --log-key {shlex.quote(vkey)}",
        f"{tallystick} verify {ledger}",
    ]
