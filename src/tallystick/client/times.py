"""Times for people: ISO 8601 and durations on the outside, whole microseconds UTC on the inside.

A time without an offset is refused, because it means another moment on every machine. Nothing here reads the
clock: whoever calls says what time it is. No float is involved, so a microsecond survives the way there and
back.
"""

import re
from datetime import UTC, datetime, timedelta

from tallystick.client.errors import ClientError
from tallystick.ledger.amounts import MICROSECONDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_is_duration = re.compile(r"(?:[0-9]{1,9}[wdhms])+", re.ASCII).fullmatch
_parts = re.compile(r"([0-9]+)([wdhms])", re.ASCII).findall


class TimeError(ClientError):
    """The text is not a time or a duration."""


def parse_time(text: str) -> int:
    """Return the microseconds UTC of an ISO 8601 time with an offset, such as `2026-11-20T13:00:00Z`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TimeError(f"{text[:60]!r} is not an ISO 8601 time", hint=_TIME_HINT) from None
    if moment.tzinfo is None:
        raise TimeError(f"{text[:60]!r} has no offset from UTC", hint=_TIME_HINT)
    return (moment - _EPOCH) // _MICROSECOND


_TIME_HINT = "write 2026-11-20T13:00:00Z, or with an offset such as +02:00"


def parse_duration(text: str) -> int:
    """Return the microseconds of a duration: `90s`, `10m`, `1h30m`, `2d`, `1w`."""
    if not _is_duration(text):
        raise TimeError(f"{text[:60]!r} is not a duration", hint="write 90s, 10m, 1h30m, 2d or 1w")
    return sum(int(count) * _SECONDS[unit] for count, unit in _parts(text)) * MICROSECONDS


def format_duration(seconds: int) -> str:
    """Return a duration as `parse_duration` reads it, in weeks to seconds."""
    parts = []
    for unit, length in sorted(_SECONDS.items(), key=lambda item: -item[1]):
        many, seconds = divmod(seconds, length)
        if many:
            parts.append(f"{many}{unit}")
    return "".join(parts) or "0s"


def parse_when(text: str, *, now: int) -> int:
    """Return a moment given as a time, or as a duration from `now`; a leading `+` is allowed."""
    duration = text.removeprefix("+")
    if _is_duration(duration):
        return now + parse_duration(duration)
    return parse_time(text)


def format_time(microseconds: int) -> str:
    """Return a moment as ISO 8601 in UTC, with as many decimals as it needs."""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise TimeError(f"{microseconds} µs lies outside the calendar") from None
    return moment.replace(tzinfo=None).isoformat() + "Z"
