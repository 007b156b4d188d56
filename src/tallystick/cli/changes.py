"""Changes: the one way by which a command changes the ledger.

    build -> --dry-run: say what it would do
          -> --join: become part of an unsigned file, for several parties' steps in one transaction
          -> sign with the keys at hand -> --out: write the file for others to sign
                                        -> submit, and tell the receipt

Who must sign is read off the transaction and the ledger, never asked: an account's own keys, a mandate's
key, the founder who consents for an institution. The rule that must hold: what is told after the fact comes
from the receipt that is in the log, not from what was asked for.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from tallystick.cli.errors import CommandError
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session, read_file, write_new
from tallystick.cli.trust import trust_in_short
from tallystick.client import actions as act
from tallystick.client.amounts import format_amount, parse_amount
from tallystick.client.describe import describe
from tallystick.client.keyring import write_private
from tallystick.client.times import format_time, parse_duration
from tallystick.client.transactions import build, read_transaction, sign
from tallystick.client.vocabulary import Transaction, WireReceipt, decode_receipt, did_key

POSTINGS_SHOWN_MAX = 40
MINOR = click.option("--units", "minor", is_flag=True, help="Amounts are whole minor units.")
_TIMES = frozenset(["due", "expires", "deadline"])


@contextmanager
def changing(session: Session) -> Iterator[OpenLedger]:
    """Open the ledger for a change: for reading only where nothing will be submitted."""
    if session.unsigned and session.out is None:
        raise CommandError("--unsigned goes with --out", hint="add --out FILE")
    look_only = session.dry_run or session.out is not None or session.join is not None
    with session.reading() if look_only else session.writing() as ledger:
        yield ledger


def settle(
    session: Session,
    ledger: OpenLedger,
    sender: str,
    *actions: act.Action,
    limits: Iterable[act.NetLimit] = (),
) -> None:
    """Preview, write or submit a transaction of these actions, as the session's options say."""
    if session.join is not None:
        _join(session, ledger, session.join, actions, limits)
        return
    transaction = build(
        ledger.ledger_id,
        sender,
        actions,
        now=ledger.now(),
        valid_seconds=parse_duration(session.valid) // 1_000_000,
        once=session.once,
        limits=limits,
    )
    if session.dry_run:
        tell_preview(session, ledger, transaction)
    elif session.unsigned:
        _write(session, ledger, transaction, sign(transaction, []))
    else:
        envelope = sign_with_keys_at_hand(session, ledger, transaction)
        if session.out is not None:
            _write(session, ledger, transaction, envelope)
        else:
            submit(session, ledger, envelope)


def _join(
    session: Session,
    ledger: OpenLedger,
    file: Path,
    actions: Sequence[act.Action],
    limits: Iterable[act.NetLimit],
) -> None:
    """Add actions to an unsigned transaction file; its sender, id, expiry and once-key stay."""
    before, signed = read_transaction(read_file(file))
    if signed:
        raise CommandError(
            f"{file} is signed by {len(signed)} keys already, which adding to it would void",
            hint="write it with --out FILE --unsigned, join, and sign at the end",
        )
    transaction = replace(before, actions=(*before.actions, *actions), limits=(*before.limits, *limits))
    if session.dry_run:
        tell_preview(session, ledger, transaction)
        return
    write_private(file, sign(transaction, []))
    _tell_written(session, ledger, transaction, file, signed=())


def sign_with_keys_at_hand(session: Session, ledger: OpenLedger, subject: Transaction | bytes) -> bytes:
    """Return the envelope signed by every key in the keyring that counts for it."""
    transaction = read_transaction(subject)[0] if isinstance(subject, bytes) else subject
    counted = {key for party in parties(ledger, transaction) for key in party.keys}
    keyring = session.keyring()
    return sign(subject, keyring.signers_of(transaction.sender, public_keys=counted))


# --------------------------------------------------------------------------------------------- who signs


@dataclass(frozen=True)
class Party:
    """An account that must sign: which keys count for it, and how many of them must."""

    account: str
    keys: tuple[bytes, ...]
    threshold: int

    def signed(self, keys: Iterable[bytes]) -> int:
        """Return how many of the party's keys are among these."""
        return len(set(self.keys).intersection(keys))


def parties(ledger: OpenLedger, transaction: Transaction) -> list[Party]:
    """Return who must sign a transaction, by the ledger as it stands now."""
    made = {action.name: action for action in transaction.actions if isinstance(action, act.OpenAccount)}
    founded = {
        action.name: action.account
        for action in transaction.actions
        if isinstance(action, act.FoundInstitution)
    }
    found: dict[str, Party] = {}

    def need(name: str) -> None:
        if name in made:
            found[name] = Party(name, made[name].keys, made[name].threshold)
        elif (account := ledger.account(name)) is not None:
            found[name] = Party(name, account.keys, account.threshold)

    def need_founder(institution: str) -> None:
        record = ledger.get("institution", institution)
        founder = founded.get(institution) or (record.founder if record is not None else "")
        if founder:
            need(founder)

    need(transaction.sender)
    for action in transaction.actions:
        mandate = getattr(action, "mandate", None)
        if mandate is None:
            need(action.account)
        elif (granted := ledger.get("mandate", action.account, mandate)) is not None:
            found[f"{action.account} by {mandate}"] = Party(
                f"{action.account} by {mandate}", (granted.key,), 1
            )
        if isinstance(action, act.JoinInstitution):
            need_founder(action.institution)
        elif isinstance(action, act.CreateAsset | act.Deploy) and action.obligor:
            need_founder(action.obligor)
        elif isinstance(action, act.Recover):
            for guardian in action.guardians:
                need(guardian)
    return list(found.values())


def missing_of(ledger: OpenLedger, transaction: Transaction, signed: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the parties that have not signed enough, as documents."""
    return [
        {"account": party.account, "signed": party.signed(signed), "threshold": party.threshold}
        for party in parties(ledger, transaction)
        if party.signed(signed) < party.threshold
    ]


def _write(session: Session, ledger: OpenLedger, transaction: Transaction, envelope: bytes) -> None:
    assert session.out is not None
    write_new(session.out, envelope)
    if str(session.out) == "-":
        return
    _tell_written(session, ledger, transaction, session.out, signed=read_transaction(envelope)[1])


def _tell_written(
    session: Session, ledger: OpenLedger, transaction: Transaction, file: Path, *, signed: Sequence[bytes]
) -> None:
    missing = missing_of(ledger, transaction, signed)
    session.show(
        {
            "status": "written",
            "file": str(file),
            "id": transaction.id,
            "signed": [did_key(key) for key in signed],
            "missing": missing,
        },
        *describe(transaction, decimals=ledger.decimals(assets_of(transaction))),
        f"written to {file}, {told_missing(missing)}",
    )


def told_missing(missing: Sequence[dict[str, Any]]) -> str:
    """Return in words who has still to sign."""
    if not missing:
        return "signed by everyone: submit it"
    who = ", ".join(f"{one['account']} ({one['signed']} of {one['threshold']})" for one in missing)
    return f"still to be signed by {who}"


def assets_of(transaction: Transaction) -> set[str]:
    """Return the assets that a transaction names, for their decimals."""
    named: set[str] = {limit.asset for limit in transaction.limits}
    for action in transaction.actions:
        for field in ("legs", "spend", "receive"):
            named.update(leg[0] for leg in getattr(action, field, ()))
        named.update(cap.asset for cap in getattr(action, "caps", ()))
        if isinstance(asset := getattr(action, "asset", None), str):
            named.add(asset)
    return named


# ---------------------------------------------------------------------------------------------- previews


def tell_preview(session: Session, ledger: OpenLedger, transaction: Transaction) -> None:
    """Say what a transaction would do now. Raises its `Rejection`."""
    receipt = ledger.preview(transaction)
    words = describe(transaction, decimals=ledger.decimals(assets_of(transaction)))
    trusted = ledger.trust_after(transaction)
    session.show(
        {"status": "preview", "words": words, "receipt": msgspec.to_builtins(receipt), "trust": trusted},
        *words,
        *postings_lines(ledger, receipt, "would have"),
        *(trust_in_short(one, lead=f"{one['subject']} would then rely on") for one in trusted),
        "nothing was written",
    )


# --------------------------------------------------------------------------------------------- receipts


def submit(session: Session, ledger: OpenLedger, envelope: bytes) -> None:
    """Submit one envelope and tell its receipt. Raises its `Rejection`."""
    outcome = ledger.file.submit([envelope])[0]
    if outcome.rejection is not None:
        raise outcome.rejection
    tell_receipt(session, ledger, outcome.receipt, status="repeated" if outcome.repeated else "settled")


def tell_receipt(session: Session, ledger: OpenLedger, data: bytes, *, status: str) -> None:
    """Tell a receipt as it stands in the log."""
    receipt = decode_receipt(data)
    session.show(
        {"status": status, "receipt": msgspec.to_builtins(receipt)},
        *receipt_lines(ledger, receipt, status=status),
    )


def receipt_lines(ledger: OpenLedger, receipt: WireReceipt, *, status: str) -> list[str]:
    """Return a receipt in words."""
    when = format_time(receipt.time)
    place = f"entry {receipt.index}, batch {receipt.height}, {when}"
    first = {
        "repeated": f"settled before, and not again: {place}",
        "settled": f"settled: {place}",
    }.get(status, place)
    lines = [first]
    if receipt.id:
        lines.append(f"  transaction {receipt.id} of {receipt.sender}")
    lines += postings_lines(ledger, receipt, "has")
    lines += [f"  {_event_line(event)}" for event in receipt.events]
    lines += [f"  result {result}" for result in receipt.results if result not in (None, "")]
    return lines


def postings_lines(ledger: OpenLedger, receipt: WireReceipt, has: str) -> list[str]:
    """Return a line for each posting, with the resulting balance."""
    shown = receipt.postings[:POSTINGS_SHOWN_MAX]
    decimals = ledger.decimals(asset for _, asset, _, _ in shown)
    lines = []
    for account, asset, change, balance in shown:
        places = decimals.get(asset, 0)
        sign = "" if change.startswith("-") else "+"
        moved = f"{sign}{format_amount(change, decimals=places)} {asset}"
        lines.append(f"  {account} {moved}, {has} {format_amount(balance, decimals=places)}")
    if len(receipt.postings) > len(shown):
        lines.append(f"  and {len(receipt.postings) - len(shown)} more postings")
    return lines


def _event_line(event: tuple[str, str, dict[str, Any]]) -> str:
    source, name, fields = event
    told = ", ".join(
        f"{key} {format_time(int(value)) if key in _TIMES else value}"
        for key, value in fields.items()
        if value not in (None, "")
    )
    return f"{source} {name}: {told}" if told else f"{source} {name}"


# ----------------------------------------------------------------------------------------------- amounts


def units_of(ledger: OpenLedger, asset: str, amount: str, *, minor: bool) -> int:
    """Return what a person typed as the asset's minor units; `minor` says that it is those already."""
    decimals = ledger.need_asset(asset).decimals
    return int(parse_amount(amount, decimals=0 if minor else decimals))


def parse_leg(ledger: OpenLedger, text: str, *, minor: bool) -> tuple[str, str, str]:
    """Return `ASSET:TO:AMOUNT` as a leg."""
    parts = text.split(":")
    if len(parts) != 3:
        raise CommandError(f"{text[:80]!r} is not ASSET:TO:AMOUNT", hint="such as eur@bank:bob:12.50")
    asset, to, amount = parts
    return asset, to, str(units_of(ledger, asset, amount, minor=minor))


def parse_amounts(ledger: OpenLedger, texts: Iterable[str], *, minor: bool) -> tuple[tuple[str, str], ...]:
    """Return `ASSET=AMOUNT` texts as pairs of asset and minor units."""
    found = []
    for text in texts:
        asset, separator, amount = text.partition("=")
        if not separator:
            raise CommandError(f"{text[:80]!r} is not ASSET=AMOUNT", hint="such as eur@bank=12.50")
        found.append((asset, str(units_of(ledger, asset, amount, minor=minor))))
    return tuple(found)
