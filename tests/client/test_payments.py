import csv
import json

import pytest

from tallystick.client.actions import CreateAsset, Issue, OpenAccount, RotateKeys
from tallystick.client.keyring import Keyring
from tallystick.client.payments import Columns, PaymentsError, Status, import_payments
from tests.client.memory import MemoryLedger, seed, signer
from tests.shared_data import shared, shared_json

SGD = "sgd@operator"


def economy(path, balances, *, decimals=0):
    """A ledger with these accounts and balances, and a keyring with their keys."""
    ledger = MemoryLedger()
    ledger.settle(
        "operator",
        *[OpenAccount(account="operator", name=name, keys=(signer(name).public_key,)) for name in balances],
    )
    ledger.settle(
        "operator",
        CreateAsset(account="operator", code="sgd", kind="token", decimals=decimals),
        Issue(
            account="operator",
            legs=tuple((SGD, name, str(units)) for name, units in balances.items() if units),
        ),
    )
    keyring = Keyring.create(path / "keys.json", "password")
    keyring.add({name: seed(name) for name in balances})
    return ledger, keyring


def statuses(report):
    return [line.status.value for line in report.lines]


def write(path, *lines):
    path.write_text("\n".join(["sender,amount,receiver,ref", *lines]) + "\n", encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------ the main job


@pytest.fixture(scope="module")
def ubin(tmp_path_factory):
    path = tmp_path_factory.mktemp("ubin")
    source = shared("payments/netting/ubin_4banks_5000tx.csv")
    opening = shared_json("payments/netting/ubin_4banks_5000tx_expected.json")["initial"]
    ledger, keyring = economy(path, {bank.lower(): units for bank, units in opening.items()})
    seen = []
    report = import_payments(
        source, ledger, keyring, asset=SGD, report=path / "report.csv", progress=seen.append
    )
    return source, opening, ledger, keyring, report, path, seen


def test_ubin_settles_what_an_independent_computation_settles(ubin):
    source, opening, ledger, _, report, _, seen = ubin
    balances, refused = dict(opening), set()
    with source.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            units = int(row["amount"])
            if balances[row["sender"]] < units:
                refused.add(row["ref"])
            else:
                balances[row["sender"]] -= units
                balances[row["receiver"]] += units

    assert report.count(Status.SETTLED) == 3_566
    assert report.count(Status.REJECTED) == 1_434 == len(refused)
    assert {line.once for line in report.lines if line.status is Status.REJECTED} == refused
    assert {bank: ledger.balance(bank.lower(), SGD) for bank in opening} == balances
    assert balances == {"ZYECHKH0": 4_132_000, "ZYETSGS0": 0, "ZYEUSGS0": 2_000, "ZYFISGS0": 2_000}
    assert report.codes() == {"insufficient_balance": 1_434}
    assert seen[-1] == 5_000


@pytest.mark.long
def test_ubin_again_settles_nothing_and_retries_only_when_asked(ubin):
    source, opening, ledger, keyring, first, path, _ = ubin
    before = {bank: ledger.balance(bank.lower(), SGD) for bank in opening}
    transactions = sum(1 for entry in ledger.entries if entry.sender)

    again = import_payments(source, ledger, keyring, asset=SGD, report=path / "report.csv")
    assert (again.count(Status.ALREADY_SETTLED), again.count(Status.REFUSED_BEFORE)) == (3_566, 1_434)
    third = import_payments(source, ledger, keyring, asset=SGD, report=path / "report.csv")
    assert (third.count(Status.ALREADY_SETTLED), third.count(Status.REFUSED_BEFORE)) == (3_566, 1_434)
    assert third.units == again.units
    assert sum(third.units.values()) == sum(first.units.values()) == 32_510_000

    assert {bank: ledger.balance(bank.lower(), SGD) for bank in opening} == before
    assert sum(1 for entry in ledger.entries if entry.sender) == transactions

    # Where the refusals end, the same lines tried again find the money that later lines had brought.
    retried = import_payments(source, ledger, keyring, asset=SGD, report=path / "report.csv", retry=True)
    assert retried.count(Status.ALREADY_SETTLED) == 3_566
    assert retried.count(Status.REFUSED_BEFORE) == 0
    assert retried.count(Status.SETTLED) + retried.count(Status.REJECTED) == 1_434
    assert retried.count(Status.SETTLED) == _settled_on_second_pass(source, opening)


def _settled_on_second_pass(source, opening):
    with source.open(encoding="utf-8") as file:
        queue = [(row["sender"], row["receiver"], int(row["amount"])) for row in csv.DictReader(file)]
    balances, settled = dict(opening), []
    for _ in range(2):
        left = []
        for sender, receiver, units in queue:
            if balances[sender] < units:
                left.append((sender, receiver, units))
                continue
            balances[sender] -= units
            balances[receiver] += units
        settled.append(len(queue) - len(left))
        queue = left
    return settled[1]


# -------------------------------------------------------------------------------------- every line


def test_each_kind_of_line_ends_where_it_should_and_stops_no_other(tmp_path):
    ledger, keyring = economy(tmp_path, {"alice": 1_000, "bob": 0, "carol": 50}, decimals=2)
    keyring.remove("carol")
    file = write(
        tmp_path / "p.csv",
        "ALICE,1.50,bob,inv-1",
        "alice,1.505,bob,inv-2",
        "alice,one,bob,inv-3",
        "alice,1.00,bob",
        'alice,"1.00,bob,inv-4',
        "carol,0.10,bob,inv-5",
        "alice,0,bob,inv-6",
        "alice,1,nobody,inv-7",
        "alice,1,alice,inv-8",
        "alice,99999,bob,inv-9",
        "alice,1,bob,",
        "alice,2,bob,inv-1",
        "stranger,1,bob,inv-10",
        ",1,bob,inv-11",
        "",
        "bob,1.50,alice,inv-1",
    )
    report = import_payments(file, ledger, keyring, asset=SGD)
    assert [(line.line, line.status.value, line.code) for line in report.lines] == [
        (2, "settled", ""),
        (3, "error", "amount_malformed"),
        (4, "error", "amount_malformed"),
        (5, "error", "row_malformed"),
        (6, "error", "row_malformed"),
        (7, "error", "key_missing"),
        (8, "rejected", "amount_not_positive"),
        (9, "rejected", "unknown_account"),
        (10, "rejected", "same_account"),
        (11, "rejected", "insufficient_balance"),
        (12, "error", "reference_malformed"),
        (13, "error", "reference_repeated"),
        (14, "error", "key_missing"),
        (15, "error", "row_malformed"),
        (17, "settled", ""),
    ]
    assert (ledger.balance("alice", SGD), ledger.balance("bob", SGD)) == (1_000, 0)
    short = report.lines[9].facts
    assert short == {"account": "alice", "asset": SGD, "available": "850", "short_units": "9999050"}

    with (tmp_path / "p.csv.report.csv").open(encoding="utf-8", newline="") as written:
        stored = list(csv.DictReader(written))
    assert [row["status"] for row in stored] == statuses(report)
    assert json.loads(stored[9]["facts"]) == short
    summary = json.loads((tmp_path / "p.csv.report.json").read_text(encoding="utf-8"))
    assert summary["counts"] == {
        "settled": 2,
        "already_settled": 0,
        "rejected": 4,
        "refused_before": 0,
        "error": 9,
    }
    assert summary["units"]["settled"] == "300"
    assert summary["complete"] is True


def test_a_changed_line_is_another_payment(tmp_path):
    ledger, keyring = economy(tmp_path, {"alice": 100, "bob": 0})
    file = write(tmp_path / "p.csv", "alice,500,bob,a", "alice,30,bob,b")
    assert statuses(import_payments(file, ledger, keyring, asset=SGD)) == ["rejected", "settled"]
    # The refused line was corrected, so it is tried; the settled one cannot be raised by editing the file.
    write(file, "alice,50,bob,a", "alice,40,bob,b")
    report = import_payments(file, ledger, keyring, asset=SGD)
    assert [(line.status.value, line.code) for line in report.lines] == [
        ("settled", ""),
        ("rejected", "once_used"),
    ]
    assert report.lines[1].facts["settled"] == ["alice", "bob", "30", "b"]
    assert ledger.balance("bob", SGD) == 80


def test_without_a_reference_the_place_of_a_line_tells_it_apart(tmp_path):
    ledger, keyring = economy(tmp_path, {"alice": 100, "bob": 0})
    file = tmp_path / "p.csv"
    file.write_bytes(b"\xef\xbb\xbffrom;units;to\r\nAlice Ltd;10;Bob\r\nAlice Ltd;10;Bob\r\n")
    options = {
        "asset": SGD,
        "columns": Columns(sender="from", amount="units", receiver="to", reference=None),
        "accounts": {"Alice Ltd": "alice"},
        "delimiter": ";",
    }
    assert statuses(import_payments(file, ledger, keyring, **options)) == ["settled", "settled"]
    assert statuses(import_payments(file, ledger, keyring, **options)) == ["already_settled"] * 2
    (tmp_path / "p.csv.report.csv").unlink()
    (tmp_path / "p.csv.report.json").unlink()
    assert statuses(import_payments(file, ledger, keyring, **options)) == ["already_settled"] * 2
    # A prefix says that it is another file after all.
    report = import_payments(file, ledger, keyring, once_prefix="march:", **options)
    assert statuses(report) == ["settled", "settled"]
    assert ledger.balance("bob", SGD) == 40


def test_threshold_accounts_are_signed_by_as_many_keys_as_they_need(tmp_path):
    ledger, keyring = economy(tmp_path, {"alice": 100, "bob": 0})
    second = signer("alice#phone").public_key
    ledger.settle(
        "alice", RotateKeys(account="alice", keys=(signer("alice").public_key, second), threshold=2)
    )
    file = write(tmp_path / "p.csv", "alice,10,bob,a")
    report = import_payments(file, ledger, keyring, asset=SGD)
    assert report.lines[0].code == "key_missing"
    assert report.lines[0].facts == {"account": "alice", "keys": 1, "threshold": 2}
    keyring.add({"alice#phone": seed("alice#phone")})
    assert statuses(import_payments(file, ledger, keyring, asset=SGD)) == ["settled"]


class Breaking:
    """A connection that breaks after so many groups."""

    def __init__(self, ledger, groups):
        self._ledger = ledger
        self._groups = groups

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def submit(self, envelopes):
        if not self._groups:
            raise ConnectionError("gone")
        self._groups -= 1
        return self._ledger.submit(envelopes)


def test_a_run_that_breaks_is_remembered_as_far_as_it_got(tmp_path):
    ledger, keyring = economy(tmp_path, {"alice": 100, "bob": 0})
    file = write(tmp_path / "p.csv", "alice,10,bob,a", "alice,500,bob,b", "alice,20,bob,c", "alice,600,bob,d")
    with pytest.raises(ConnectionError):
        import_payments(file, Breaking(ledger, 1), keyring, asset=SGD, group_lines=2)
    with (tmp_path / "p.csv.report.csv.partial").open("a", encoding="utf-8") as partial:
        partial.write("4,alice,bob,20,c,rejected,insuff")  # killed while it wrote
    report = import_payments(file, ledger, keyring, asset=SGD, group_lines=2)
    assert statuses(report) == ["already_settled", "refused_before", "settled", "rejected"]
    assert not (tmp_path / "p.csv.report.csv.partial").exists()


def test_what_cannot_be_used_at_all_sends_nothing(tmp_path):
    ledger, keyring = economy(tmp_path, {"alice": 100, "bob": 0})
    entries = len(ledger.entries)
    file = write(tmp_path / "p.csv", "alice,10,bob,a")
    with pytest.raises(PaymentsError, match="no asset"):
        import_payments(file, ledger, keyring, asset="usd@operator")
    with pytest.raises(PaymentsError, match="not one column each of invoice"):
        import_payments(file, ledger, keyring, asset=SGD, columns=Columns(reference="invoice"))
    with pytest.raises(PaymentsError, match="cannot read"):
        import_payments(tmp_path / "absent.csv", ledger, keyring, asset=SGD)
    for content, reason in ((b"", "empty"), (b"sender\xff", "UTF-8 at byte 6")):
        (tmp_path / "bad.csv").write_bytes(content)
        with pytest.raises(PaymentsError, match=reason):
            import_payments(tmp_path / "bad.csv", ledger, keyring, asset=SGD)
    report = tmp_path / "p.csv.report.csv"
    report.write_text("line\n", encoding="utf-8")
    with pytest.raises(PaymentsError, match="no summary"):
        import_payments(file, ledger, keyring, asset=SGD)
    report.unlink()
    assert len(ledger.entries) == entries
    import_payments(file, ledger, keyring, asset=SGD)
    other = MemoryLedger(name="other")
    other.settle("operator", CreateAsset(account="operator", code="sgd", kind="token"))
    with pytest.raises(PaymentsError, match="another ledger"):
        import_payments(file, other, keyring, asset=SGD)
