"""The log's key as a person gives it: one reading, and one error that says where the right one is."""

from tallystick.client.errors import ClientError
from tallystick.log.note import NoteError, VerifierKey, parse_vkey


class LogKeyError(ClientError):
    """The text is not a log's public key."""


def read_log_key(vkey: str) -> VerifierKey:
    """Return the key that a vkey (C2SP signed-note) names. Raises `LogKeyError`."""
    try:
        return parse_vkey(vkey)
    except NoteError as error:
        raise LogKeyError(
            f"the log key given is none: {error}",
            hint="tallystick info --log-key prints it; it reads NAME+NUMBER+LETTERS",
        ) from None
