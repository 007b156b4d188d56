"""The command line: one file a command, loaded when it is called.

    errors     what a command itself finds wrong, and the exit codes
    frame      what every command shares: output, how errors are told, common options
    session    what a command opens: the ledger file, the keyring, the log's key
    opened     what is asked of a ledger file; remote is the same for a node at a URL
    asking     what is asked of contracts; descriptions tells what they say of themselves
    changes    the way of everything that changes the ledger: build, preview or sign, submit, tell
    hints      what to do about a refusal, by its code

Data goes to standard output and everything else to standard error. Exit codes: 0 done, 1 rejected, 2 usage,
3 proof failed. The rule that must hold: a command contains no rule of the ledger; what it prints was
computed by the rooms below, so that nobody has to trust this one.

Refused: commands imported at the top. `--help` would pay for the node, and a broken part would break all.
"""

from typing import Final

from tallystick.cli.frame import LazyGroup

COMMANDS: Final[dict[str, dict[str, str]]] = {
    "Start": {
        "init": "Create a ledger file, its log key and a keyring.",
        "seed": "Create a demonstration ledger with a small economy.",
        "demo": "Serve a demonstration ledger with an economy living on it.",
        "info": "Say what a ledger file holds and how far it reaches.",
        "keys": "Make, list and move keys.",
    },
    "People and assets": {
        "account": "Open accounts; rotate, guard and recover their keys.",
        "institution": "Found institutions, and join them.",
        "mandate": "Let another key act within bounds.",
        "asset": "Create, issue and show assets.",
        "policy": "Admit, freeze and change an asset's rules.",
    },
    "Move": {
        "pay": "Pay one account or many.",
        "hold": "Promise assets to someone until an expiry.",
        "redeem": "Ask an obligor to pay a claim, and settle what was asked.",
        "contract": "Deploy, call and read contracts.",
        "pool": "Trade on pools, and provide them with liquidity.",
        "lend": "Lend, borrow against collateral, repay and liquidate.",
        "vault": "Hold shares of a vault.",
        "fund": "Buy units of a fund, and sell them back.",
        "own-token": "Swap a stable claim for its maker's own token, and back.",
        "stream": "Pay by the passing of time.",
        "rewards": "Stake, and take what the stake earns.",
        "settlement": "Settle several parties' obligations together or not at all.",
        "distribution": "Split income among those who contributed.",
        "oracle": "Read prices, with who says them, and report one.",
        "sale": "Sell collateral at a falling price, and buy it.",
        "advance": "Run what has fallen due.",
        "import": "Settle a file of payments, each line once.",
    },
    "Sign apart": {
        "preview": "Say what a transaction file would do.",
        "sign": "Sign transaction files.",
        "submit": "Hand signed transaction files to the ledger.",
    },
    "Look": {
        "balance": "Show what an account has, now or at a past moment.",
        "history": "Show what moved on an account.",
        "receipt": "Show what one transaction did.",
        "trust": "Show whom an account or asset relies on.",
        "drill": "Let everyone withdraw on a fork, and see who fails.",
    },
    "Prove": {
        "proof": "Make and check offline proofs.",
        "witness": "Let others cosign checkpoints, or cosign theirs.",
        "verify": "Recompute the whole history, trusting nothing.",
    },
    "Stress": {
        "replay": "Watch an institution fail, day by day, as it could be read then.",
    },
    "Keep": {
        "serve": "Serve a ledger file over HTTP.",
        "export": "Write the log as static files.",
        "backup": "Copy a ledger file while it is in use.",
        "restore": "Make a ledger file from a backup.",
        "completion": "Print the completion script of a shell.",
    },
}
"""Every command and its one line, by what a person is about; its file has its name (`import`: `import_`)."""

tallystick = LazyGroup(
    name="tallystick",
    sections=COMMANDS,
    help="""See whom you trust. Prove the rest.

    A ledger is one file. Commands work on the one that --ledger or TALLYSTICK_LEDGER names, by default
    ledger.tally in this directory, and sign with the keyring beside it.
    """,
    epilog="""\b
    tallystick seed demo.tally            a small economy to look at
    tallystick init ledger.tally          a ledger of your own
    tallystick COMMAND --help             each command teaches itself
    """,
)


def main() -> None:
    """Run the command line; never returns."""
    tallystick.main(prog_name="tallystick")
