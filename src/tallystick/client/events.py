"""Events: a node's stream of entries, read line by line."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tallystick.client.questions.asking import AnswerInvalid


class StreamEvent(msgspec.Struct, frozen=True):
    """An event of the stream: the entry's index, what it is, and the node's description of it."""

    index: int
    name: str
    data: dict[str, Any]


class EventReader:
    """Reads server-sent events line by line, and demands that no entry is left out."""

    def __init__(self, after: int | None) -> None:
        self.last = after
        self._fields: dict[str, str] = {}

    @property
    def parameters(self) -> Mapping[str, str]:
        """What to ask for so that the stream goes on where it stopped."""
        return {} if self.last is None else {"after": str(self.last)}

    def start_again(self) -> None:
        """Forget half an event of a connection that broke."""
        self._fields = {}

    def take(self, line: str) -> StreamEvent | None:
        """Take a line; return the event that it completes. Raises `AnswerInvalid`."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        try:
            index = int(fields["id"])
            data = msgspec.json.decode(fields["data"], type=dict[str, Any])
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise AnswerInvalid(f"the stream sent something else than an entry: {error}") from error
        if self.last is not None and index != self.last + 1:
            raise AnswerInvalid(f"the stream sent entry {index} after entry {self.last}")
        self.last = index
        return StreamEvent(index, fields.get("event", ""), data)
