"""The report in sections, for whoever shows it: a title, paragraphs, and a table of cells already in words.

    for section in sections(document): ...

The terminal and the page show the same sections, so neither can say what the other does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tallystick.stress.replay.report import shown

Tone = Literal["", "alarm", "calm", "dim"]
Said = tuple[str, str, Tone]
"""(label, text, tone)"""
HEADINGS = ("stated", "own=0", "if sold", "cover", "tokens", "of market", "run pays", "days")
LEGEND = (
    ("stated", "stated assets over all that is owed: shown, never asked by the rule"),
    ("own=0", "the same with self-issued and related-party assets at zero"),
    ("if sold", "coverage at liquidation value: what everything fetches over all that is owed"),
    ("cover", "what everything fetches over what may run; below 1.00 alarms"),
    ("tokens", "what it counts of tokens of its own and of related parties, at the day's close"),
    (
        "of market",
        "the same over that token's whole market value; above 0.10 alarms, if above a quarter of equity",
    ),
    ("run pays", "the share that is paid at once if all that may run is asked for on that day"),
    ("days", "how long the liquid stock lasts in the 30-day stress; below 30 alarms"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report. `rows` begin with their heads; `tones` are for the rows after it."""

    title: str
    before: tuple[Said, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    tones: tuple[Tone, ...] = ()
    after: tuple[Said, ...] = field(default=())


def verdict(document: Mapping[str, Any]) -> tuple[str, Tone]:
    """Return the one sentence that everything comes to."""
    if document["alarm_date"] is None:
        return f"No alarm for {document['subject']}; the run was on {document['run_date']}", "calm"
    days = document["days_before_the_run"]
    when = {0: "the day of the run", 1: "the day before the run"}.get(days, f"{days} days before the run")
    if days < 0:
        when = f"{-days} days after the run"
    told = f"Alarm for {document['subject']} on {document['alarm_date']}, {when} of {document['run_date']}"
    return told, "alarm"


def sections(document: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the report's sections in order; what a case has nothing about is left out."""
    reasons = tuple(("", f"{reason['says']} ({reason['code']})", "") for reason in document["alarm_reasons"])
    yield Section("Why", before=reasons)  # type: ignore[arg-type]
    yield _days(document)
    yield _timeline(document)
    yield from _fetches(document)
    yield from _liquidity(document)
    yield from _curve(document)
    yield from _assumptions(document)
    yield from _peers(document)
    yield from _runs(document)
    yield from _swap(document)
    if document["epilogue"]:
        told: tuple[Said, ...] = tuple(("", text, "") for text in document["epilogue"])
        yield Section("Epilogue: known only afterwards", before=told)
    sources: tuple[Said, ...] = tuple((name, text, "dim") for name, text in document["sources"].items())
    yield Section("Sources", before=sources)


def _days(document: Mapping[str, Any]) -> Section:
    name = document["read"]
    rows: list[tuple[str, ...]] = [("day", *HEADINGS, "alarms")]
    tones: list[Tone] = []
    for first, last in _stretches(document["days"], name):
        day = first["day"] if first is last else f"{first['day'][5:]} to {last['day'][5:]}"
        reading = first["readings"].get(name)
        cells = ["-"] * len(HEADINGS) if reading is None else [ratio(cell) for cell in shown(reading)]
        rows.append((day, *cells, " ".join(first["alarms"])))
        tones.append("alarm" if document["subject"] in first["alarms"] else "")
    legend: tuple[Said, ...] = tuple((word, text, "dim") for word, text in LEGEND)
    title = f"Day by day: the books of {name}, as they could be read by each evening"
    return Section(title, rows=tuple(rows), tones=tuple(tones), after=legend)


def _stretches(
    days: Sequence[Mapping[str, Any]], name: str
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield (first, last) of each stretch of days on which nothing that the table shows changed."""
    first = last = days[0]
    for day in days[1:]:
        if _key(day, name) != _key(first, name):
            yield first, last
            first = day
        last = day
    yield first, last


def _key(day: Mapping[str, Any], name: str) -> Any:
    reading = day["readings"].get(name)
    return (None if reading is None else [ratio(cell) for cell in shown(reading)]), day["alarms"]


def _timeline(document: Mapping[str, Any]) -> Section:
    told: list[Said] = []
    for day in document["days"]:
        for news in day["published"]:
            about = "" if news["about"] == day["day"] else f" (of {news['about']})"
            told.append((day["day"], f"{news['text']}{about}", ""))
        told += [
            (day["day"], f"{news['text']} (known from {news['known_from']})", "dim")
            for news in day["happened"]
        ]
    return Section("What was published then, and what happened", before=tuple(told))


def _liquidity(document: Mapping[str, Any]) -> Iterator[Section]:
    found = document["liquidity"]
    if found is None:
        return
    rows: list[tuple[str, ...]] = [("within", "comes in", "falls due", "gap so far")]
    rows += [
        (rung["bucket"], *map(short, (rung["inflow"], rung["outflow"], rung["gap_so_far"])))
        for rung in found["ladder"]
        if float(rung["inflow"]) or float(rung["outflow"])
    ]
    lcr, nsfr = found["short_run"], found["long_run"]
    soon = (
        f"short run, as the Basel coverage ratio: {ratio(lcr['ratio'])}, a stock of {short(lcr['stock'])} for"
        f" net outflows of {short(lcr['net_outflows'])} in 30 days"
    )
    later = (
        f"long run, as the net stable funding ratio: {ratio(nsfr['ratio'])}, {short(nsfr['available'])}"
        f" available of {short(nsfr['required'])} required"
    )
    note = "at market prices; what no sheet dates is taken as its class has it"
    after: tuple[Said, ...] = (("", soon, ""), ("", later, ""), ("", note, "dim"))
    yield Section(f"When {found['institution']} is paid, and when it must pay", rows=tuple(rows), after=after)


_NOT_SOLD = {
    "own_or_related": "own or related",
    "encumbered": "promised",
    "worthless": "worthless",
}


def _fetches(document: Mapping[str, Any]) -> Iterator[Section]:
    found = document["fetches"]
    if not found:
        return
    rows: list[tuple[str, ...]] = [("asset", "as", "at the market", "free", "fetches", "in days")]
    for one in found:
        days = "-" if one["days"] is None else str(one["days"])
        kind = _NOT_SOLD.get(one["kind"], one["kind"])
        rows.append((one["asset"], kind, *map(short, (one["value"], one["free"], one["fetches"])), days))
    tones: tuple[Tone, ...] = tuple("alarm" if not float(one["fetches"]) else "" for one in found)
    own = any(one["kind"] == "own_or_related" for one in found)
    note: Said = ("", "its own tokens and those of related parties stand at zero on a balance sheet", "dim")
    title = f"What everything that {document['read']} has would fetch, on the day of the alarm"
    yield Section(title, rows=tuple(rows), tones=tones, after=(note,) if own else ())


def _curve(document: Mapping[str, Any]) -> Iterator[Section]:
    curve = document["run_curve"]
    if curve is None:
        return
    rows: list[tuple[str, ...]] = [("asked back of what may run", "paid at once", "paid within 30 days", "")]
    for point in curve["points"]:
        if round(point["withdrawn"] * 20) in (2, 4, 8, 12, 16, 20):
            paid = point["paid_in_30_days"]
            rows.append(
                (
                    percent(point["withdrawn"]),
                    percent(point["paid_at_once"]),
                    percent(paid),
                    ("#" * round(paid * 30)).ljust(30, "."),
                )
            )
    stress = document["stress_drill"]
    day = stress["first_failing_day"]
    end = "lasts all 30 days" if day is None else f"cannot pay on its day {day + 1}"
    told = (
        f"each line is a drill: that part of what may run is asked for on one day, by real transactions on a"
        f" fork of the ledger. The 30-day stress as a drill: {curve['institution']} {end}, after"
        f" {stress['transactions']} transactions, and pays {percent(stress['paid'])} of what is asked in it"
    )
    if stress["help"] is not None:
        told += f"; {short(stress['help'])} on the first day would have let it last"
    title = f"Run curve of {curve['institution']} on {curve['day']}"
    yield Section(title, rows=tuple(rows), after=(("", told, ""),))


def _assumptions(document: Mapping[str, Any]) -> Iterator[Section]:
    found = document["assumptions"]
    if not found:
        return
    rows: list[tuple[str, ...]] = [("assumption", "taken as", "range", "alarm holds")]
    for one in found:
        span = f"{one['low']:g} to {one['high']:g}"
        rows.append((one["name"], f"{one['assumed']:g}", span, _held(one)))
    notes: list[Said] = [(one["name"], f"{one['what']}: {one['why']}", "dim") for one in found]
    corners = document["corners"]
    told = (
        f"with every assumption at one end of its range or the other, all at once, the alarm rings before"
        f" the run in {corners['rings']} of {corners['of']} cases"
    )
    title = "Assumptions, and over which part of their range the alarm holds"
    yield Section(title, rows=tuple(rows), after=(*notes, ("", told, "")))


def _held(one: Mapping[str, Any]) -> str:
    if one["alarm_holds_everywhere"]:
        return "everywhere"
    return ", ".join(f"{low:.3g} to {high:.3g}" for low, high in one["alarm_holds"]) or "nowhere"


def _peers(document: Mapping[str, Any]) -> Iterator[Section]:
    peers = document["sound_peers"]
    if not peers:
        return
    rows: list[tuple[str, ...]] = [("peer", *HEADINGS, "rule")]
    for peer in peers:
        cells = [ratio(cell) for cell in shown(peer["figures"])]
        rows.append((peer["name"], *cells, "ALARM" if peer["alarm"] else "calm"))
    tones: tuple[Tone, ...] = tuple("alarm" if peer["alarm"] else "calm" for peer in peers)
    notes: tuple[Said, ...] = tuple((peer["name"], peer["title"], "dim") for peer in peers)
    title = "Sound peers of the same size, under the same rule"
    yield Section(title, rows=tuple(rows), tones=tones, after=notes)


def _runs(document: Mapping[str, Any]) -> Iterator[Section]:
    own, apart = document["own_books"], document["apart"]
    if own is None or apart is None:
        return
    rows: list[tuple[str, ...]] = [
        ("day", "asked", "paid on own books", "waiting", "paid with custody apart", "waiting")
    ]
    for here, there in zip(own["days"], apart["days"], strict=True):
        cells = (here["asked"], here["paid"], here["waiting"], there["paid"], there["waiting"])
        rows.append((here["day"], *map(short, cells)))
    left, left_apart = own["days"][-1]["waiting"], apart["days"][-1]["waiting"]
    totals = (own["asked"], own["paid"], left, apart["paid"], left_apart)
    rows.append(("in all", *map(short, totals)))
    drills = (
        "what a drill said on the eve, everybody at once: on its own books"
        f" {percent(own['drill_paid'])} of all claims are paid within a day, with custody apart"
        f" {percent(apart['drill_paid'])}"
    )
    defaults = (
        f"in default at the end: {short(own['defaulted'])} on its own books,"
        f" {short(apart['defaulted'])} with custody apart, where the venue's own balance sheet has"
        f" {apart['venue_rows']} rows: nothing to lose, nothing to owe"
    )
    title = f"The same customers, the same withdrawals, in {document['unit']} (hindsight)"
    yield Section(title, rows=tuple(rows), after=(("", drills, ""), ("", defaults, "")))
    yield _trust(own, apart)


def _trust(own: Mapping[str, Any], apart: Mapping[str, Any]) -> Section:
    """Return whom customers rely on, by the trust lens."""
    rows: list[tuple[str, ...]] = [("customer", "where", "relies on", "how", "share", "covered")]
    for where, course in (("own books", own), ("custody apart", apart)):
        for one in course["trust"]:
            share = "-" if one["share"] is None else percent(one["share"])
            covered = ratio(one["coverage"])
            rows.append((one["holder"], where, one["obligor"], one["how"], share, covered))
    lowest = ratio(apart["coverage_minimum"])
    told = (
        f"covered: what it has over what it owes, at par, claims on related parties at zero. At no entry of"
        f" the log was the custodian covered less than {lowest} times, in the very money that it owes"
    )
    return Section("Whom a customer relies on (hindsight)", rows=tuple(rows), after=(("", told, ""),))


def _swap(document: Mapping[str, Any]) -> Iterator[Section]:
    swap = document["swap"]
    if swap is None:
        return
    stated = " and ".join(short(one) for one in swap["stated_capacities"])
    told = (
        f"as deployed it lets {short(swap['capacity_a_day'])} a day go at the least spread, and"
        f" {short(swap['capacity_a_day_raised'])} once raised; stated at the time: {stated}"
    )
    rows: list[tuple[str, ...]] = [
        ("day", "redeemed", "spread", "tokens made", "there are", "worth then", "worth at the end")
    ]
    rows += [
        (
            day["day"],
            short(day["redeemed"]),
            percent(day["spread"]),
            short(day["tokens_made"]),
            short(day["token_supply"]),
            short(day["worth_that_day"]),
            short(day["worth_at_last_close"]),
        )
        for day in swap["days"]
    ]
    title = "The own-token swap as it was deployed (hindsight)"
    yield Section(title, before=(("", told, ""),), rows=tuple(rows))


def ratio(value: Any) -> str:
    """Return a cell: a ratio with two places, an amount in short, days as they are, a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return short(value)
    if isinstance(value, int):
        return "365+" if value >= 365 else str(value)
    if value >= 1_000:
        return f"{value:,.0f}"
    # Half up, as people round; but nothing below 1 is told as 1.
    rounded = int(value * 100 + 0.5) / 100
    return f"{0.99 if value < 1 <= rounded else rounded:.2f}"


def percent(value: float) -> str:
    """Return a share as a percentage."""
    return f"{value * 100:.0f} %"


def short(value: str) -> str:
    """Return a decimal string in thousands, millions or billions, with two places."""
    number = float(value)
    for scale, name in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if abs(number) >= scale:
            return f"{number / scale:,.2f}{name}"
    return f"{number:,.2f}"
