"""Payments from a CSV file, each settled once.

    line  ->  row  ->  signed transaction with `once`  ->  receipt, or the ledger's own rejection

Lines are paid gross and in file order: a line that lacks the money is refused, and nothing waits for a later
one to bring it. Every line ends in exactly one state:

    settled          paid by this run
    already_settled  the ledger has a transaction under the line's `once` key; nothing was paid again
    rejected         the ledger refused it, with its code and facts; nothing was paid
    refused_before   the ledger refused it in an earlier run; it was not tried again
    error            no transaction could be made of the line; nothing was sent

What keeps a payment from happening twice is the ledger alone: the `once` key is the reference column after
the prefix, or, where there is none, a hash of the file's name, the line's number and its fields. A refused
line leaves nothing on a ledger, so the memory of refusals is the report beside the file: a run reads the one
before, and tries a refused line again if `retry` is asked for, or if the line itself was changed. Rows are
appended to `<report>.partial` as they come to their end and the whole takes the report's place when the file
is done, so that a run which is killed is remembered as far as it got. Losing a report therefore loses no
money: refused lines are tried again, settled ones are found settled.

The rule that must hold: one bad line stops no other. Refused: looking into the ledger first to predict what
will settle. It would be a second opinion on the ledger's rules.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tallystick.client.amounts import AmountError, parse_amount
from tallystick.client.connection import Connection, Outcome
from tallystick.client.errors import ClientError
from tallystick.client.keyring import Keyring, write_private
from tallystick.client.transactions import VALID_SECONDS, build, sign
from tallystick.crypto import Signer
from tallystick.ledger.names import check_reference
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Transfer

GROUP_LINES: Final = 200
SUMMARY_FORMAT: Final = "tallystick-payments-report-v1"


class PaymentsError(ClientError):
    """The file or its report cannot be used at all; nothing was sent."""


class Status(StrEnum):
    """How a line ended."""

    SETTLED = "settled"
    ALREADY_SETTLED = "already_settled"
    REJECTED = "rejected"
    REFUSED_BEFORE = "refused_before"
    ERROR = "error"


class RowError(StrEnum):
    """Why no transaction could be made of a line."""

    MALFORMED = "row_malformed"
    """The line does not have the header's columns, or is not CSV. Facts: reason."""
    AMOUNT = "amount_malformed"
    """The amount is not one of the asset's decimals. Facts: reason."""
    REFERENCE = "reference_malformed"
    """The reference is empty or not printable ASCII. Facts: once."""
    REPEATED = "reference_repeated"
    """An earlier line of this file has the same sender and reference. Facts: once, line."""
    NO_KEY = "key_missing"
    """The keyring has too few of the sender's keys. Facts: account, keys, threshold."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column of the file says what. Without `reference`, lines are told apart by their place."""

    sender: str = "sender"
    amount: str = "amount"
    receiver: str = "receiver"
    reference: str | None = "ref"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line and how it ended. `sender` and `receiver` are accounts, `amount` is the file's text."""

    line: int
    sender: str
    receiver: str
    amount: str
    once: str
    status: Status
    code: str = ""
    index: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def payment(self) -> tuple[str, str, str, str]:
        """What makes it this payment and no other, whatever line it stands on."""
        return self.sender, self.receiver, self.amount, self.once

    @property
    def is_refused(self) -> bool:
        """Whether the ledger has refused it, now or before."""
        return self.status in (Status.REJECTED, Status.REFUSED_BEFORE)

    @property
    def is_settled(self) -> bool:
        """Whether the ledger has it, from now or before."""
        return self.status in (Status.SETTLED, Status.ALREADY_SETTLED)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a file."""

    file: str
    ledger_id: str
    asset: str
    lines: tuple[Line, ...]
    units: Mapping[str, int]
    """Sums in minor units by status, of lines whose amount could be read."""

    def count(self, status: Status) -> int:
        """Return how many lines ended so."""
        return sum(line.status is status for line in self.lines)

    def codes(self) -> dict[str, int]:
        """Return how many lines have which code, most frequent first."""
        return dict(Counter(line.code for line in self.lines if line.code).most_common())

    def summary(self) -> dict[str, Any]:
        """Return the counts and sums, JSON-ready."""
        return {
            "format": SUMMARY_FORMAT,
            "file": self.file,
            "ledger": self.ledger_id,
            "asset": self.asset,
            "lines": len(self.lines),
            "counts": {status.value: self.count(status) for status in Status},
            "units": {status.value: str(self.units.get(status, 0)) for status in Status},
            "codes": self.codes(),
        }


Progress = Callable[[int], None]
"""Called with how many lines have come to their end."""


def import_payments(
    file: Path,
    connection: Connection,
    keyring: Keyring,
    *,
    asset: str,
    columns: Columns | None = None,
    decimals: int | None = None,
    accounts: Mapping[str, str] | None = None,
    once_prefix: str = "",
    report: Path | None = None,
    retry: bool = False,
    delimiter: str = ",",
    group_lines: int = GROUP_LINES,
    valid_seconds: int = VALID_SECONDS,
    progress: Progress | None = None,
) -> Report:
    """Pay a file's lines and return what became of each; the report is also written beside it.

    `decimals` is how many the file's amounts may have (by default the asset's: `12.50` of a currency);
    `accounts` maps the file's names to accounts (by default the same in lower case). The report is
    `<file>.report.csv`, or the path given, with its summary beside it as .json. Raises `PaymentsError`.
    """
    declared = connection.asset(asset)
    if declared is None:
        raise PaymentsError(f"the ledger has no asset {asset[:80]!r}")
    reader = _Reader(
        file,
        columns=columns or Columns(),
        accounts=accounts or {},
        once_prefix=once_prefix,
        delimiter=delimiter,
    )
    memory = _Memory(
        report or file.with_name(file.name + ".report.csv"), ledger_id=connection.ledger_id, asset=asset
    )
    run = _Run(
        connection,
        _Signers(connection, keyring),
        asset=asset,
        decimals=declared.decimals if decimals is None else decimals,
        known=memory.known,
        retry=retry,
        valid_seconds=valid_seconds,
    )
    lines: list[Line] = []
    for group in _groups(reader.rows(), group_lines):
        ended = run.settle(group)
        memory.append(ended)
        lines += ended
        if progress is not None:
            progress(len(lines))
    done = Report(
        file=file.name,
        ledger_id=connection.ledger_id,
        asset=asset,
        lines=tuple(lines),
        units=run.units,
    )
    memory.finish(done)
    return done


# --------------------------------------------------------------------------------------- the file


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A line with its names mapped; `error` is why no transaction can be made of it."""

    line: int
    sender: str = ""
    receiver: str = ""
    amount: str = ""
    reference: str = ""
    once: str = ""
    error: tuple[RowError, dict[str, Any]] | None = None

    @property
    def payment(self) -> tuple[str, str, str, str]:
        return self.sender, self.receiver, self.amount, self.once

    def end(
        self,
        status: Status,
        *,
        code: str = "",
        index: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Line:
        """Return the line as it ended."""
        return Line(
            line=self.line,
            sender=self.sender,
            receiver=self.receiver,
            amount=self.amount,
            once=self.once,
            status=status,
            code=code,
            index=index,
            facts=facts or {},
        )


class _Reader:
    """The file's rows. Each line is parsed by itself, so that a stray quote cannot swallow the next ones."""

    def __init__(
        self,
        file: Path,
        *,
        columns: Columns,
        accounts: Mapping[str, str],
        once_prefix: str,
        delimiter: str,
    ) -> None:
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise PaymentsError(f"cannot read {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise PaymentsError(f"{file} is not UTF-8 at byte {error.start}") from None
        self._name = file.name
        self._columns = columns
        self._accounts = accounts
        self._once_prefix = once_prefix
        self._delimiter = delimiter
        self._lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not self._lines:
            raise PaymentsError(f"{file} is empty")
        self._header = self._parse_header(self._lines.pop(0)[1])

    def _parse_header(self, text: str) -> list[str]:
        try:
            header = [name.strip() for name in self._split(text)]
        except csv.Error as error:
            raise PaymentsError(f"{self._name}: the header is no CSV: {error}") from None
        wanted = [self._columns.sender, self._columns.amount, self._columns.receiver]
        if self._columns.reference is not None:
            wanted.append(self._columns.reference)
        missing = [name for name in wanted if header.count(name) != 1]
        if missing:
            raise PaymentsError(
                f"{self._name} has not one column each of {', '.join(missing)}",
                hint=f"it has {', '.join(header)[:200]}; say which is which",
            )
        return header

    def rows(self) -> Iterator[_Row]:
        """Yield every line after the header."""
        seen: dict[tuple[str, str], int] = {}
        for number, text in self._lines:
            row = self._parse(number, text)
            if row.error is None:
                first = seen.setdefault((row.sender, row.once), number)
                if first != number:
                    row = replace(row, error=(RowError.REPEATED, {"once": row.once, "line": first}))
            yield row

    def _parse(self, number: int, text: str) -> _Row:
        try:
            cells = [cell.strip() for cell in self._split(text)]
        except csv.Error as error:
            return _Row(line=number, error=(RowError.MALFORMED, {"reason": str(error)}))
        if len(cells) != len(self._header):
            reason = f"{len(cells)} columns, the header has {len(self._header)}"
            return _Row(line=number, error=(RowError.MALFORMED, {"reason": reason}))
        named = dict(zip(self._header, cells, strict=True))
        sender, receiver = (named[self._columns.sender], named[self._columns.receiver])
        amount = named[self._columns.amount]
        reference = "" if self._columns.reference is None else named[self._columns.reference]
        if self._columns.reference is None:
            fields = json.dumps([self._name, number, sender, amount, receiver]).encode()
            once = f"{self._once_prefix}line-{hashlib.sha256(fields).hexdigest()[:40]}"
        else:
            once = self._once_prefix + reference
        row = _Row(
            line=number,
            sender=self._accounts.get(sender, sender.lower()),
            receiver=self._accounts.get(receiver, receiver.lower()),
            amount=amount,
            reference=reference,
            once=once,
        )
        if not sender or not receiver:
            return replace(row, error=(RowError.MALFORMED, {"reason": "sender or receiver is empty"}))
        try:
            check_reference(once)
            if self._columns.reference is not None:
                check_reference(reference)
        except Rejection:
            return replace(row, error=(RowError.REFERENCE, {"once": once[:128]}))
        return row

    def _split(self, text: str) -> list[str]:
        return next(csv.reader([text.removesuffix("\r")], delimiter=self._delimiter, strict=True))


def _groups(rows: Iterable[_Row], size: int) -> Iterator[list[_Row]]:
    iterator = iter(rows)
    while group := list(islice(iterator, size)):
        yield group


# ---------------------------------------------------------------------------------------- the run


class _Signers:
    """The keys that each sender signs with, looked up once."""

    def __init__(self, connection: Connection, keyring: Keyring) -> None:
        self._connection = connection
        self._keyring = keyring
        self._found: dict[str, tuple[list[Signer], int]] = {}

    def of(self, account: str) -> tuple[list[Signer], int]:
        """Return the account's keys in the ring, as many as it needs if there are, and that number."""
        if account not in self._found:
            known = self._connection.account(account)
            if known is None:  # whether there is such an account is for the ledger to say
                self._found[account] = (self._keyring.signers_of(account), 1)
            else:
                held = self._keyring.signers_of(account, public_keys=known.keys)
                self._found[account] = (held[: max(known.threshold, 1)], max(known.threshold, 1))
        return self._found[account]


class _Run:
    """One pass over the lines."""

    def __init__(
        self,
        connection: Connection,
        signers: _Signers,
        *,
        asset: str,
        decimals: int,
        known: Mapping[tuple[str, str], Line],
        retry: bool,
        valid_seconds: int,
    ) -> None:
        self._connection = connection
        self._signers = signers
        self._asset = asset
        self._decimals = decimals
        self._known = known
        self._retry = retry
        self._valid_seconds = valid_seconds
        self.units: dict[str, int] = {}

    def settle(self, rows: Sequence[_Row]) -> list[Line]:
        """Submit what can be made of the rows as one group, and return how each ended, in order."""
        now = self._connection.now()
        ended: list[Line | None] = []
        sent: list[tuple[int, bytes]] = []
        for place, row in enumerate(rows):
            made = self._prepare(row, now)
            if isinstance(made, Line):
                ended.append(made)
            else:
                ended.append(None)
                sent.append((place, made))
        if sent:
            outcomes = self._connection.submit([envelope for _, envelope in sent])
            for (place, _), outcome in zip(sent, outcomes, strict=True):
                ended[place] = self._judge(rows[place], outcome)
        lines = [line for line in ended if line is not None]
        self._add_up(lines)
        return lines

    def _prepare(self, row: _Row, now: int) -> Line | bytes:
        """Return the row's envelope, or the line if it ends here."""
        if row.error is not None:
            code, facts = row.error
            return row.end(Status.ERROR, code=code, facts=facts)
        try:
            units = parse_amount(row.amount, decimals=self._decimals)
        except AmountError as error:
            return row.end(Status.ERROR, code=RowError.AMOUNT, facts={"reason": str(error)})
        before = self._known.get((row.sender, row.once))
        if before is not None and not self._retry and before.is_refused and before.payment == row.payment:
            return row.end(Status.REFUSED_BEFORE, code=before.code, facts=before.facts)
        signers, threshold = self._signers.of(row.sender)
        if len(signers) < threshold:
            facts = {"account": row.sender, "keys": len(signers), "threshold": threshold}
            return row.end(Status.ERROR, code=RowError.NO_KEY, facts=facts)
        transfer = Transfer(
            account=row.sender, legs=((self._asset, row.receiver, units),), reference=row.reference
        )
        transaction = build(
            self._connection.ledger_id,
            row.sender,
            [transfer],
            now=now,
            valid_seconds=self._valid_seconds,
            once=row.once,
        )
        return sign(transaction, signers)

    def _judge(self, row: _Row, outcome: Outcome) -> Line:
        """Return how a submitted row ended."""
        rejection = outcome.rejection
        if rejection is None:
            if outcome.receipt is None:
                raise PaymentsError(f"line {row.line} got neither a receipt nor a rejection")
            status = Status.ALREADY_SETTLED if outcome.repeated else Status.SETTLED
            return row.end(status, index=decode_receipt(outcome.receipt).index)
        code, facts = rejection.code.value, rejection.facts
        if rejection.code not in (Code.ONCE_USED, Code.DUPLICATE):
            return row.end(Status.REJECTED, code=code, facts=facts)
        before = self._known.get((row.sender, row.once))
        if before is not None and before.is_settled and before.payment != row.payment:
            # The key stands on a payment, but on another one than this line now asks for.
            return row.end(Status.REJECTED, code=code, facts={**facts, "settled": list(before.payment)})
        return row.end(Status.ALREADY_SETTLED, index=facts.get("index"), facts=facts)

    def _add_up(self, lines: Iterable[Line]) -> None:
        for line in lines:
            with suppress(AmountError):
                units = int(parse_amount(line.amount, decimals=self._decimals))
                self.units[line.status] = self.units.get(line.status, 0) + units


# ------------------------------------------------------------------------------------- the report

_REPORT_COLUMNS: Final = ("line", "sender", "receiver", "amount", "once", "status", "code", "index", "facts")


class _Memory:
    """The report on disk: what earlier runs came to, and where this one writes."""

    def __init__(self, place: Path, *, ledger_id: str, asset: str) -> None:
        self._place = place
        self._summary = place.with_suffix(".json")
        self._partial = place.with_name(place.name + ".partial")
        self.known: dict[tuple[str, str], Line] = {}
        self._check_summary(ledger_id, asset)
        for path in (place, self._partial):
            for line in self._load(path):
                if line.status is not Status.ERROR:
                    self.known[line.sender, line.once] = line
        self._write(
            self._summary, {"format": SUMMARY_FORMAT, "ledger": ledger_id, "asset": asset, "complete": False}
        )

    def append(self, lines: Iterable[Line]) -> None:
        """Remember lines that have come to their end, before the next are sent."""
        try:
            with self._partial.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(_cells(line) for line in lines)
        except OSError as error:
            raise PaymentsError(f"cannot write {self._partial}: {error.strerror}") from error

    def finish(self, report: Report) -> None:
        """Put the report in the earlier one's place."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(_REPORT_COLUMNS)
        writer.writerows(_cells(line) for line in report.lines)
        try:
            write_private(self._place, text.getvalue().encode())
            self._partial.unlink(missing_ok=True)
        except OSError as error:
            raise PaymentsError(f"cannot write {self._place}: {error.strerror}") from error
        self._write(self._summary, {**report.summary(), "complete": True})

    def _write(self, path: Path, document: Mapping[str, Any]) -> None:
        try:
            write_private(path, (json.dumps(document, indent=1) + "\n").encode())
        except OSError as error:
            raise PaymentsError(f"cannot write {path}: {error.strerror}") from error

    def _check_summary(self, ledger_id: str, asset: str) -> None:
        """Check that an earlier report is of this ledger and asset."""
        if not self._summary.exists():
            if self._place.exists() or self._partial.exists():
                raise self._foreign("there is no summary beside it")
            return
        try:
            summary = json.loads(self._summary.read_text(encoding="utf-8"))
            same = (summary["format"], summary["ledger"], summary["asset"]) == (
                SUMMARY_FORMAT,
                ledger_id,
                asset,
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise self._foreign("its summary cannot be read") from None
        if not same:
            raise self._foreign("it is of another ledger or asset")

    def _load(self, path: Path) -> Iterator[Line]:
        """Yield an earlier report's lines; one that a killed run left half-written is skipped."""
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            raise self._foreign(f"{path.name} cannot be read") from None
        complete = text[: text.rfind("\n") + 1]
        try:
            for cells in csv.reader(io.StringIO(complete, newline=""), strict=True):
                if tuple(cells) != _REPORT_COLUMNS:
                    yield _line(cells)
        except (csv.Error, ValueError) as error:
            raise self._foreign(f"{path.name}: {error}") from None

    def _foreign(self, why: str) -> PaymentsError:
        return PaymentsError(
            f"{self._place} is no report to go on from: {why}", hint="move it away, or name another report"
        )


def _cells(line: Line) -> list[str]:
    index = "" if line.index is None else str(line.index)
    facts = json.dumps(dict(line.facts)) if line.facts else ""
    return [
        str(line.line),
        line.sender,
        line.receiver,
        line.amount,
        line.once,
        line.status.value,
        line.code,
        index,
        facts,
    ]


def _line(cells: list[str]) -> Line:
    number, sender, receiver, amount, once, status, code, index, facts = cells
    return Line(
        line=int(number),
        sender=sender,
        receiver=receiver,
        amount=amount,
        once=once,
        status=Status(status),
        code=code,
        index=int(index) if index else None,
        facts=json.loads(facts) if facts else {},
    )
