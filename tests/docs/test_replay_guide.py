"""The guide and the page on the alarm tell the figures that the replays give."""

from pathlib import Path

import pytest

from tallystick.stress.replay.case import built_in, read_case
from tallystick.stress.replay.report import report
from tallystick.stress.replay.sections import percent, ratio, short

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guides/read-a-failing-balance-sheet.md").read_text(encoding="utf-8")
ALARM = (ROOT / "docs/concepts/alarm.md").read_text(encoding="utf-8")


def reading(document):
    day = next(day for day in document["days"] if day["day"] == document["alarm_date"])
    return day["readings"][document["read"]]


@pytest.mark.long
def test_the_figures_of_the_guide_are_those_of_the_replays():
    ftx, svb, terra = (report(read_case(built_in(name))) for name in ("ftx", "svb", "terra"))
    alameda, bank = reading(ftx), reading(svb)
    points = {round(point["withdrawn"], 2): point for point in svb["run_curve"]["points"]}
    peers = {peer["name"]: peer["figures"] for peer in svb["sound_peers"]}
    ((low, _),) = next(one for one in svb["assumptions"] if one["name"] == "uninsured")["alarm_holds"]
    first = terra["swap"]["days"][0]
    told = {
        f"a stated ratio of {ratio(alameda['stated_ratio'])}": "1.83",
        f"Without it the ratio is {ratio(alameda['own_and_related_at_zero'])}": "1.10",
        f"Alameda counted {ratio(alameda['own_tokens'][0]['of_market'])} times the whole market": "1.75",
        f"Silicon Valley Bank covered {ratio(bank['run_cover'])} of it": "0.84",
        f"covers that {ratio(peers['short-asset-bank']['run_cover'])} times": "3.48",
        f"at 100 %, {percent(points[1.0]['paid_at_once'])}": "61 %",
        f"Had less than {percent(low)} of": "72 %",
        f"FTX, covered {ratio(ftx['own_books']['trust'][0]['coverage'])} once": "0.46",
        f"worth {short(first['worth_that_day']).removesuffix(' bn')} billion that evening": "1.55",
    }
    flat = " ".join(GUIDE.split())
    assert [(text, figure) for text, figure in told.items() if figure not in text or text not in flat] == []
    assert points[0.4]["paid_at_once"] == 1
    assert 2_000 < float(first["worth_at_last_close"]) < 3_000
    assert 1.9e9 < float(terra["swap"]["days"][-1]["token_supply"]) < 2e9


@pytest.mark.long
def test_the_page_on_the_alarm_has_every_number_of_the_rule():
    document = report(read_case(built_in("svb")))
    rule = document["rule"]
    flat = " ".join(ALARM.split())
    for name in rule["fetches"]:
        assert f"`{name}`" in flat
    for name in rule["run_off"]:
        assert f"`{name}`" in flat
    assert (rule["survival_days_least"], rule["run_cover_least"]) == (30, 1)
    assert (rule["own_token_of_market_most"], rule["own_token_of_equity_most"]) == (0.1, 0.25)
    assert "below 30" in flat
    assert "above 0.10" in flat
    bank = next(one for one in document["sound_peers"] if one["name"] == "short-asset-bank")["figures"]
    assert f"({ratio(bank['coverage_at_liquidation'])})" in flat
