"""The report: one document, told as text, picture and page, the same in every run."""

import json
import re
from html.parser import HTMLParser

import pytest

from tallystick.stress.replay.case import built_in, read_case
from tallystick.stress.replay.page import page
from tallystick.stress.replay.picture import write_png
from tallystick.stress.replay.report import report
from tallystick.stress.replay.text import WIDTH, lines, plain

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["ftx", "terra", "svb", "template"])
def document(request):
    return report(read_case(built_in(request.param)))


def test_it_is_json_and_the_same_twice(document):
    text = json.dumps(document)
    name = {"harbour": "template"}.get(document["case"], document["case"])
    assert json.dumps(report(read_case(built_in(name)))) == text


def test_it_says_when_why_on_what_assumptions_and_that_peers_are_calm(document):
    assert document["alarm_date"] < document["run_date"]
    assert document["alarm_reasons"][0]["institution"] == document["subject"]
    assert all(reason["says"] and reason["code"] for reason in document["alarm_reasons"])
    for one in document["assumptions"]:
        assert {"name", "low", "high", "why", "alarm_holds", "steps"} <= set(one)
    assert len(document["sound_peers"]) == 4
    for peer in document["sound_peers"]:
        assert peer["alarm"] is False
        assert peer["figures"]["survival_days"] >= 30


def test_the_curve_comes_from_drills_and_they_find_what_the_rule_reckoned(document):
    read, alarm_day = document["read"], document["alarm_date"]
    reading = next(day["readings"][read] for day in document["days"] if day["day"] == alarm_day)
    failing = document["stress_drill"]["first_failing_day"]
    assert failing == reading["survival_days"] < 30
    assert document["stress_drill"]["transactions"] > 0
    assert len(document["run_curve"]["points"]) == 20
    for point in document["run_curve"]["points"]:
        asked = point["withdrawn"] * float(reading["may_run"])
        at_once = sum(float(one["fetches"]) for one in document["fetches"] if (one["days"] or 0) <= 1)
        assert point["paid_at_once"] == pytest.approx(min(1, at_once / asked), abs=1e-5)


def test_the_text_is_at_most_a_hundred_columns_and_begins_with_the_verdict(document):
    text = plain(lines(document))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert f"Alarm for {document['subject']} on {document['alarm_date']}" in text.splitlines()[3]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], set(), []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "path", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                raise AssertionError(f"{tag} closes something else")


def test_the_page_is_whole_and_fetches_nothing(document):
    text = page(document)
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert not {"script", "iframe", "link", "img", "object"} & reader.seen
    assert all(link.startswith("#") for link in reader.links)
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text
    assert page(document) == text


def test_a_case_s_words_cannot_become_markup():
    text = built_in("template").replace(
        "title: Harbour and Tide, 2024", "title: <script>alert(1)</script> & co"
    )
    made = page(report(read_case(text)))
    assert "<script" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in made


def test_the_picture_is_the_same_twice(document, tmp_path):
    first, second = tmp_path / "one.png", tmp_path / "two.png"
    write_png(document, first)
    write_png(document, second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(first.read_bytes()[16:20], "big") == 1_800
