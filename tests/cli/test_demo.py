import pytest

from tests.cli.desk import Desk
from tests.node_service.process import node

pytestmark = pytest.mark.long


def test_agents_live_on_a_served_demonstration_and_on_no_other(tmp_path):
    desk = Desk(tmp_path)
    desk("seed demo.tally")
    desk.env["TALLYSTICK_LEDGER"] = "demo.tally"
    entries = desk.json("info")["entries"]
    with node(tmp_path / "demo.tally", checkpoint_seconds=0.2) as running:
        counts = desk.json(f"demo --url {running.url} --for 3s --rate 100")["counts"]
        for what in ("payment", "hold", "escrow"):
            assert counts[what] > 0
        assert desk.json("info")["entries"] - entries >= sum(
            many for what, many in counts.items() if not what.startswith("refused")
        )
        desk.fails(f"demo --url {running.url} --seed 2 --for 1s", exit_code=2)
    desk("verify demo.tally")
    assert "--url" in desk.fails("demo --for 1s", exit_code=2).stderr
