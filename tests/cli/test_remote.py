"""Commands against a node's URL: the same words, the same answers, the same refusals as on the file."""

import json
from collections.abc import Iterator

import pytest

from tallystick.cli.opened import OpenLedger
from tallystick.cli.remote import RemoteLedger
from tallystick.client.http import Client
from tallystick.client.questions import state
from tallystick.client.questions.asking import Listing, NodeRefused
from tallystick.ledger.rejections import Code, Rejection
from tallystick.node.ledger_file import LedgerFile
from tallystick.node.routes.state import WHOLE_KEYS
from tallystick.node.state_index import LISTED
from tests.cli.desk import Desk
from tests.node_service.process import NodeProcess, node

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("remote")).start("alice", "bob")
    desk("asset issue eur@bank --leg alice:100.00 --leg bob:50.00")
    desk("asset create gold --issuer bank --kind token --decimals 3")
    desk("asset issue gold@bank --leg alice:10.000 --leg bob:10.000")
    made = desk.json("witness key witness.skey --name example.com/one")
    desk.witness = made["vkey"]  # type: ignore[attr-defined]
    return desk


@pytest.fixture(scope="module")
def running(desk: Desk) -> Iterator[NodeProcess]:
    with node(desk.folder / "ledger.tally", checkpoint_seconds=0.05, witnesses=desk.witness) as running:  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def remote(desk: Desk, running: NodeProcess) -> Desk:
    """Somebody in the same folder, with the keys but without the ledger file."""
    other = Desk(desk.folder, keys="ledger.tally.keys")
    other.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
    return other


def same(desk: Desk, remote: Desk, line: str) -> list[object]:
    """Type a line on the file and against the node; return what both answered."""
    told = remote.jsonl(line)
    assert told == desk.jsonl(line)
    return told


def test_a_payment_by_url_shows_on_the_file(desk, remote):
    before = desk.units("bob")
    settled = remote.json("pay alice bob 1.25 eur@bank")
    assert settled["status"] == "settled"
    assert desk.units("bob") == remote.units("bob") == before + 125
    index = settled["receipt"]["index"]
    assert same(desk, remote, f"receipt {index}")[0]["receipt"] == settled["receipt"]
    identifier = settled["receipt"]["id"]
    assert same(desk, remote, f"receipt {identifier} --sender alice")[0]["receipt"] == settled["receipt"]
    remote.refused(f"receipt {identifier}", code="usage", exit_code=2)


def test_the_trust_lens_is_the_same(desk, remote):
    assert same(desk, remote, "trust alice")[0]["obligors"][0]["name"] == "bank-ag"
    same(desk, remote, "trust eur@bank --unit USD")
    line = "trust eur@bank --unit USD --price-from nowhere"
    assert remote.refused(line, code="unknown_contract") == desk.refused(line, code="unknown_contract")
    line = "pay alice bob 1.00 eur@bank --dry-run"
    assert remote.json(line)["trust"][0]["parts"] == desk.json(line)["trust"][0]["parts"]
    assert remote.refused("trust nobody", code="unknown_account") == desk.refused(
        "trust nobody", code="unknown_account"
    )


def test_what_is_said_of_institutions_is_the_same(desk, remote):
    assert same(desk, remote, "institution list")[0]["accounts"] == ["bank"]
    sheet = same(desk, remote, "institution sheet bank-ag")[0]
    assert (sheet["unit"], sheet["totals"]["liabilities"]) == ("EUR", "15000")
    same(desk, remote, "institution sheet bank-ag --at 5 --unit USD")
    line = "institution sheet bank-ag --at 5 --unit USD --price-from nowhere"
    assert remote.refused(line, code="unknown_contract") == desk.refused(line, code="unknown_contract")
    same(desk, remote, "institution income bank-ag --from 5")
    same(desk, remote, "institution cash-flow bank-ag --from 5 --to 6")
    assert same(desk, remote, "institution coverage bank-ag")[0]["crossings"][0]["below"]
    same(desk, remote, "institution coverage bank-ag --thing EUR --from 3 --to 4")
    assert (
        same(desk, remote, "institution licence bank-ag")[0]["needs"][0]["licence"] == "payment_institution"
    )
    assert same(desk, remote, "institution money")[0]["m1"] == "15000"
    for line in ("sheet nobody", "sheet nobody --at 5", "coverage nobody", "licence nobody"):
        code = remote.refused(f"institution {line}", code="unknown_institution")
        assert code == desk.refused(f"institution {line}", code="unknown_institution")
    remote.refused("institution sheet bank-ag --at 9999", code="node_refused", exit_code=2)
    desk.refused("institution sheet bank-ag --at 9999", code="not_yet", exit_code=2)


def test_a_contract_of_an_institutions_own_is_signed_by_its_founder_over_a_url_too(desk, remote):
    line = "contract deploy papers attestations --account alice --obligor bank-ag --arg attestors='[\"bob\"]'"
    settled = remote.json(line)
    assert settled["status"] == "settled"
    [papers] = [one for one in desk.jsonl("contract list") if one["contract"] == "papers"]
    assert papers["kind"] == "attestations"
    stranger = line.replace("papers", "other").replace("bank-ag", "nobody")
    remote.refused(stranger, code="unknown_institution")


def test_a_node_tells_its_newest_drill_and_its_age(desk, remote):
    told = remote.json("drill all")
    assert (told["status"], told["subject"]) == ("ready", "all")
    assert told["drill"]["failures"][0]["cause"] == "no_cash"
    assert "as of entry" in remote("drill bank-ag")
    remote.refused("drill nowhere", code="unknown_institution")


def test_a_refusal_is_the_same(desk, remote):
    line = "pay alice bob 1000000 eur@bank --dry-run"
    assert remote.refused(line, code="insufficient_balance") == desk.refused(
        line, code="insufficient_balance"
    )
    remote.refused("pay alice bob 1000000 eur@bank", code="insufficient_balance")
    remote.refused("balance nobody", code="unknown_account")


def test_what_is_shown_is_the_same(desk, remote):
    for _ in range(3):
        remote("pay alice bob 0.50 eur@bank")
    same(desk, remote, "balance alice")
    same(desk, remote, "balance alice eur@bank")
    whole = same(desk, remote, "history alice")
    assert same(desk, remote, "history alice --limit 2") == whole[:2]
    assert same(desk, remote, f"history alice --after {whole[1]['place']}") == whole[2:]
    assert same(desk, remote, f"history alice --after {whole[0]['entry']}") == whole[1:]
    assert same(desk, remote, "history alice --newest") == whole[::-1]
    assert same(desk, remote, f"history alice --newest --after {whole[2]['place']}") == whole[1::-1]
    assert same(desk, remote, f"history alice --newest --after {whole[2]['entry']}") == whole[1::-1]
    bounds = f"--since {whole[1]['time']} --until {whole[2]['time']}"
    assert same(desk, remote, f"history alice {bounds}") == whole[1:3]
    assert same(desk, remote, f"history alice {bounds} --newest") == whole[2:0:-1]
    remote.refused("history alice --since 1969-12-31T00:00:00Z", code="usage", exit_code=2)
    past = remote.json(f"balance alice eur@bank --at-entry {whole[0]['entry']}")
    assert past["units"] == whole[0]["balance_units"]
    assert past["as_of_entry"] == whole[0]["entry"]
    info, told = desk.json("info"), remote.json("info")
    for name in ("name", "ledger_id", "vkey", "operator", "accounts", "assets"):
        assert told[name] == info[name]
    assert remote("info --log-key").strip() == info["vkey"]


def test_a_file_is_previewed_and_submitted_once(remote):
    remote("pay alice bob 2.00 eur@bank --out offline.json")
    assert remote.json("preview offline.json")["status"] == "preview"
    assert remote.json("submit offline.json")["status"] == "settled"
    assert remote.json("submit offline.json")["status"] == "repeated"


def test_a_hold_is_made_and_captured(remote):
    before = remote.units("bob")
    held = remote.json("hold create alice bob 3.00 eur@bank --until 2d")
    hold = held["receipt"]["results"][0]
    assert remote.jsonl("balance alice eur@bank")[0]["held"] == "3.00"
    remote(f"hold capture {hold} --leg eur@bank=1 --final")
    assert remote.units("bob") == before + 100
    remote.refused(f"hold capture {hold}", code="unknown_hold")


def test_a_contract_is_deployed_called_and_asked(desk, remote):
    document = {
        "deadline": "1900000000000000",
        "legs": [{"payer": "alice", "receiver": "bob", "asset": "eur@bank", "units": "500"}],
    }
    remote(f"contract deploy deal-1 escrow --account alice --args '{json.dumps(document)}'")
    before = remote.units("alice")
    remote("contract call deal-1 fund --account alice --arg leg=0 --spend eur@bank=5.00")
    assert remote.units("alice") == before - 500
    for question in ("powers deal-1", "positions deal-1 alice", "exits deal-1 alice", "list"):
        same(desk, remote, f"contract {question}")


def test_pools_are_filled_quoted_traded_and_left(desk, remote):
    for name in ("pair", "other"):
        deployed = json.dumps({"asset_0": "eur@bank", "asset_1": "gold@bank"})
        remote(f"contract deploy {name} constant_product_pool --account alice --args '{deployed}'")
        remote(f"pool add {name} alice eur@bank=10.00 gold@bank=2.000")
    remote("contract deploy way route --account alice")
    for question in (
        *("list", "show pair", "position pair alice", "quote pair 1.00 eur@bank gold@bank"),
        *("route 5.00 eur@bank gold@bank", "route 1.00 gold@bank eur@bank --exact-out"),
        "loan 15.00 eur@bank",
    ):
        same(desk, remote, f"pool {question}")
    before = remote.units("bob")
    quoted = remote.json("pool quote pair 1.00 eur@bank gold@bank")
    remote("pool swap pair bob 1.00 eur@bank gold@bank --slippage 0%")
    held = int(remote.jsonl("balance bob gold@bank")[0]["units"])
    assert (remote.units("bob"), held) == (before - 100, 10_000 + int(quoted["units_out"]))
    remote("pool trade bob 1.00 eur@bank gold@bank")
    assert len(remote.json("pool route 5.00 eur@bank gold@bank")["paths"]) == 2
    remote("pool remove pair alice")
    assert remote.jsonl("pool position pair alice") == []
    missed = (
        "contract call pair swap_exact_in --account bob --arg asset_in=eur@bank --arg asset_out=gold@bank"
    )
    line = f"{missed} --arg units_in=100 --arg least_out=1000000 --spend eur@bank=1.00 --dry-run"
    assert remote.refused(line, code="constant_product_pool.limit_missed") == desk.refused(
        line, code="constant_product_pool.limit_missed"
    )


def test_a_views_integers_travel_as_decimal_strings(running):
    sides = {"asset_in": "eur@bank", "asset_out": "gold@bank"}
    with Client(running.url) as client:
        assert int(client.view("other", "depth", **sides, move_bps="100")) > 0
        with pytest.raises(Rejection) as refused:
            client.view("other", "depth", **sides, move_bps="many")
    assert refused.value.code is Code.ARGUMENTS_INVALID


def test_payments_are_imported_once(remote):
    remote.write("pay.csv", "sender,amount,receiver,ref\nalice,1.00,bob,R-1\nalice,2.00,bob,R-2\n")
    before = remote.units("bob")
    for _ in range(2):
        summary = remote.json("import payments pay.csv --asset eur@bank")
        assert (summary["lines"], summary["codes"]) == (2, {})
    assert remote.units("bob") == before + 300


def test_proofs_and_the_whole_history_are_verified_by_url(desk, remote, running):
    index = remote.json("pay alice bob 0.25 eur@bank")["receipt"]["index"]
    vkey = desk.vkey()
    remote(f"proof receipt {index} --out of-{index}.proof")
    assert remote.json(f"proof check of-{index}.proof --log-key {vkey}")["entry"] == index
    remote(f"proof balance bob eur@bank --out balance-{index}.proof")
    assert remote.json(f"proof check balance-{index}.proof --log-key {vkey}")["status"] == "proven"
    verified = remote.json(f"verify {running.url} --log-key {vkey}")
    assert (verified["status"], verified["ledger_id"]) == ("verified", desk.json("info")["ledger_id"])


def test_tables_are_the_same_by_url_and_what_is_not_listed_is_refused(desk, running):
    with LedgerFile.open(desk.folder / "ledger.tally", read_only=True) as file, Client(running.url) as client:
        here, there = OpenLedger(file), RemoteLedger(client)
        for table in sorted(LISTED):
            assert there.rows(table) == here.rows(table), table
            for key, record in here.rows(table)[:3]:
                assert there.get(*key) == record
        assert there.rows("balance", "alice") == here.rows("balance", "alice") != []
        assert there.rows("timer") == here.rows("timer")
        for table, parts in WHOLE_KEYS.items():
            if parts == 0:
                assert there.get(table) == here.get(table), table
        assert there.get("account", "nobody") is None
        for ask in (lambda: there.rows("once"), lambda: there.rows("nonsense")):
            with pytest.raises(NodeRefused, match=r"not_listed|unknown_table"):
                ask()


def test_a_key_of_other_types_is_refused_and_a_contracts_rows_are_shown(remote, running):
    remote("contract deploy shown route --account alice")
    with Client(running.url) as client:
        for under in (["x"], [1.5], {"a": 1}):
            with pytest.raises(NodeRefused, match="bad_request"):
                list(client.each(Listing("/v1/state/timer", dict, {"under": json.dumps(under)})))
        assert list(client.each(state.rows("shown!"))) == []
        with pytest.raises(Rejection, match="unknown_contract"):
            list(client.each(state.rows("nobody!")))


BILL = "--notice 1d --policy controlled --lists-by bank --rules-by bank --claw-back-by bank"
LIFE = """
account open carol dave guard
institution found shop-ag --account carol --role dealer
institution join shop-ag --account dave
institution declare shop-ag --role dealer --role issuer --related bank-ag
asset create pass --issuer carol --kind token --decimals 0
asset issue pass@carol dave 3
asset create bill --issuer bank --kind claim --decimals 2 --unit EUR --obligor bank-ag --owes EUR BILL
policy admit bill@bank alice
policy freeze bill@bank bob
policy freeze bill@bank bob --undo
policy change bill@bank --rule posting_max=500
asset issue bill@bank alice 10.00
asset claw-back bill@bank alice 1.00 --reason "case 7"
account guardians carol guard --threshold 1 --delay 1d
account recover carol --guardian guard --key {did}
account veto carol
keys new dave#new
account rotate dave --key {did}
mandate grant alice shopping --to bob --cap eur@bank=5.00/1.00 --expires 30d
mandate revoke alice shopping
mandate grant alice again --to bob --cap eur@bank=5.00/1.00 --expires 30d
redeem ask alice 2.00 eur@bank
hold create alice bob 1.00 eur@bank --until 2d
"""


def test_a_whole_life_by_url_reads_the_same_on_the_file(desk, remote):
    did = remote.jsonl("keys new spare")[0]["key"]
    for line in LIFE.strip().splitlines():
        remote(line.format(did=did).replace("BILL", BILL))
    lot = remote.jsonl("redeem list alice")[0]["lot"]
    remote(f"redeem cancel {lot}")
    remote("redeem ask alice 1.00 eur@bank")
    lot = remote.jsonl("redeem list alice")[0]["lot"]
    remote(f"redeem settle {lot} --evidence wire-7")
    remote("redeem ask alice 1.00 eur@bank")
    for question in (
        *("account list", "account show alice", "account show carol", "account show dave"),
        *("institution list", "asset list", "asset show eur@bank", "asset show bill@bank"),
        *("mandate list", "mandate list alice", "hold list", "hold list alice", "hold list carol"),
        *("redeem list", "redeem list alice", "history carol", "balance alice"),
    ):
        assert same(desk, remote, question) or question == "hold list carol"
    remote.refused("hold list nobody", code="unknown_account")
    assert remote.json("advance") == {"receipts": []}
    remote("account open erin --out erin.json --unsigned")
    assert remote.json("sign erin.json")["missing"] == []
    assert remote.json("submit erin.json")["status"] == "settled"


def test_a_witness_cosigns_what_a_node_serves(desk, remote):
    remote("witness request --out asked")
    vkey = desk.vkey()
    line = f"witness cosign asked --key witness.skey --log-key {vkey} --out cosignature"
    remote(line)
    assert "example.com/one" in remote.json("witness add cosignature")["note"]
    verify = f"witness verify --witness {desk.witness}"
    assert remote.json(f"{verify} --log-key {vkey}")["status"] == "cosigned"
    remote.refused(verify, code="usage", exit_code=2)
    # The newest checkpoint may be a later one, which nobody has cosigned yet.
    assert desk.json("info")["vkey"].split("+")[0] in remote.json("witness checkpoint")["note"]
    index = remote.json("history alice --limit 1")["entry"]
    remote(f"proof receipt {index} --cosigned --out cosigned.proof")
    checked = f"proof check cosigned.proof --log-key {vkey} --witness {desk.witness}"
    assert "cosigned by 1 of your 1 witnesses" in remote(checked)
    remote.refused(f"witness add cosignature --witness {desk.witness}", code="usage", exit_code=2)


def test_what_is_no_url_is_told(desk):
    result = desk.fails("info --url nonsense", exit_code=2)
    assert "no URL" in result.stderr


def test_a_node_runs_the_same_scenarios_as_the_file_with_the_same_hash(desk, remote):
    desk.write(
        "half.json", json.dumps({"targets": ["bank-ag"], "withdraw": ["25%", "12.5%"], "horizon_days": 9})
    )
    for line in (
        "drill all --withdraw 50% --per-day 10%",
        "drill bank-ag --runner alice --cash EUR=gold@bank --shock gold@bank=-30% --days 9",
        "drill --scenario half.json",
        "drill bank-ag --withdraw 33.3333%",
    ):
        by_url = remote.json(line)
        assert by_url["drill"]["result_hash"] == desk.json(line)["result_hash"]
        assert (by_url["status"], by_url["entries_since"]) == ("ready", 0)
        assert by_url["drill"]["state_root"] == desk.json(line)["state_root"]
    assert "fails on day 0" in remote("drill bank-ag --withdraw 50%")
    helped = "drill bank-ag --help-needed --withdraw 50%"
    assert remote.json(helped)["drill"]["help"] == desk.json(helped)["help"]


def test_a_node_draws_the_same_curve_as_the_file(desk, remote):
    line = "drill bank-ag --curve --points 3"
    assert remote.json(line)["curve"] == desk.json(line)
    assert remote(f"{line} --csv") == desk(f"{line} --csv")
    remote("drill bank-ag --points 3 --picture by-url.png")
    desk("drill bank-ag --points 3 --picture on-file.png")
    assert (desk.folder / "by-url.png").read_bytes() == (desk.folder / "on-file.png").read_bytes()
    assert "result " in remote(line)


def test_a_node_lets_everyone_leave_a_contract_for_so_many_days(desk, remote):
    deployed = json.dumps({"asset_0": "eur@bank", "asset_1": "gold@bank"})
    remote(f"contract deploy leaving constant_product_pool --account alice --args '{deployed}'")
    remote("pool add leaving alice eur@bank=10.00 gold@bank=2.000")
    contract = "drill leaving --days 2"
    assert remote.json(contract)["drill"]["participants"] == 1
    assert remote.json(contract)["drill"]["result_hash"] == desk.json(contract)["result_hash"]


def test_what_a_node_does_not_drill_is_told_before_or_by_it(desk, remote):
    remote.refused("drill all --holders", code="usage", exit_code=2)
    remote.refused("drill all --curve", code="usage", exit_code=2)
    remote.refused("drill bank-ag --curve --points 51", code="node_refused", exit_code=2)
    unknown = remote.refused(
        "drill bank-ag --runner nobody --runner bob", code="scenario_invalid", exit_code=2
    )
    assert "runners: 'nobody' is no account of this ledger" in unknown["message"]
    assert remote.refused("drill bank-ag --withdraw 200%", code="scenario_invalid", exit_code=2)["message"]
