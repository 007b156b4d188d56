"""Configuration of a serving node: one table, read from a file, the environment and flags.

`Config` is the table: a name, a type, a default and a sentence for each setting, from which the reference
page and the command's flags are generated. A later source wins: defaults, then the TOML file, then
`TALLYSTICK_<NAME>`, then `--set`. An unknown name in the file is an error, so that a misspelt limit is not
silently none.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

ENVIRONMENT_PREFIX: Final = "TALLYSTICK_"


class ConfigError(ValueError):
    """A setting that cannot be used; the message names it and where it came from."""


def _about(text: str, **bounds: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **bounds)


Port = Annotated[int, _about("TCP port; 0 takes a free one, which is printed.", ge=0, le=65_535)]


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One receiver of entries, in order: `[[webhooks]]` in the file."""

    name: Annotated[
        str, _about("Its name; its position in the log is kept under it.", pattern="^[a-z0-9-]+$")
    ]
    url: Annotated[str, _about("Where entries are posted to.", pattern="^https?://")]
    secret: Annotated[str, _about("`whsec_` and base64 of 24 to 64 random bytes.", pattern="^whsec_")]
    start: Annotated[int, _about("The first entry to deliver.", ge=0)] = 0


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting of `tallystick serve`."""

    host: Annotated[str, _about("Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1"
    port: Port = 8080
    tls_cert: Annotated[str, _about("PEM file with the certificate chain; serves https with `tls_key`.")] = ""
    tls_key: Annotated[str, _about("PEM file with the certificate's key.")] = ""
    reader: Annotated[
        bool, _about("Only read, beside the node that writes the same file; submissions are answered 421.")
    ] = False
    verify_processes: Annotated[
        int, _about("Processes that check signatures; 0 for one a core.", ge=0, le=256)
    ] = 0
    state_tree_process: Annotated[
        bool, _about("Keep the state's tree in a process of its own, which frees the executor.")
    ] = True
    checkpoint_seconds: Annotated[
        float, _about("Time between checkpoints while there is something new.", gt=0, le=3600)
    ] = 1.0
    snapshot_entries: Annotated[
        int,
        _about(
            "Entries after which the state is written to disk, for a fast start;"
            " as many as the last time had keys, if those are more.",
            ge=1,
        ),
    ] = 1_000_000
    waiting_max: Annotated[
        int, _about("Transactions that may wait to be settled; more are answered 503.", ge=1)
    ] = 20_000
    connections_max: Annotated[int, _about("Requests under way at once; more are answered 503.", ge=1)] = (
        2_000
    )
    body_bytes_max: Annotated[int, _about("Largest request body; larger ones are answered 413.", ge=1024)] = (
        8 * 1_048_576
    )
    body_seconds: Annotated[
        float, _about("Time for a request's body to arrive; slower ones are answered 408.", gt=0)
    ] = 10.0
    header_seconds: Annotated[
        float, _about("Time for a new connection's first request to arrive; then it is closed.", gt=0)
    ] = 10.0
    answer_seconds: Annotated[
        float, _about("Time for an answer; then 503. The transaction may still settle.", gt=0)
    ] = 30.0
    sender_rate: Annotated[
        float, _about("Transactions a second that one signing key may settle; 0 for no limit.", ge=0)
    ] = 0.0
    address_rate: Annotated[float, _about("Requests a second from one address; 0 for no limit.", ge=0)] = 0.0
    stream_clients_max: Annotated[int, _about("Open `/v1/stream` connections.", ge=0)] = 200
    stop_seconds: Annotated[
        float, _about("Time for open requests to end when the node is stopped.", gt=0)
    ] = 10.0
    log_level: Annotated[str, _about("Least severity logged.", pattern="^(debug|info|warning|error)$")] = (
        "info"
    )
    log_file: Annotated[
        str, _about("Where log lines go; opened anew when the file was moved away. Empty: standard error.")
    ] = ""
    witnesses: Annotated[tuple[str, ...], _about("Verifier keys whose cosignatures are taken.")] = ()
    webhooks: Annotated[tuple[Webhook, ...], _about("Receivers of entries; in the file only.")] = ()


def load_config(
    *, file: Path | None = None, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] = {}
) -> Config:
    """Return the settings that the sources add up to. Raises `ConfigError`."""
    values: dict[str, Any] = {}
    if file is not None:
        values |= _checked_names(_read(file), f"{file}")
    names = {field.name for field in msgspec.structs.fields(Config)} - {"webhooks"}
    for name in names:
        text = (environment or {}).get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None:
            values[name] = [part for part in text.split() if part] if name == "witnesses" else text
    values |= _checked_names({name: value for name, value in flags.items() if value is not None}, "the flags")
    try:
        config = msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from None
    if bool(config.tls_cert) is not bool(config.tls_key):
        raise ConfigError("tls_cert and tls_key are given together")
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error


def _checked_names(values: dict[str, Any], source: str) -> dict[str, Any]:
    known = {field.name for field in msgspec.structs.fields(Config)}
    for name in values:
        if name not in known:
            raise ConfigError(f"{source}: there is no setting {name!r}")
    return values


def config_reference() -> str:
    """Return the reference page of all settings, in Markdown."""
    lines = [
        "# Configuration",
        "",
        "Settings of `tallystick serve`. The file is TOML (`--config FILE`). Each setting is also an",
        f"environment variable, `{ENVIRONMENT_PREFIX}` and its name in capitals, and `--set NAME=VALUE`;",
        "that wins over the environment, and the environment over the file. This page is generated from the",
        "table that the program reads.",
        "",
        *_table(Config),
        "",
        "## `[[webhooks]]`",
        "",
        *_table(Webhook),
        "",
    ]
    return "\n".join(lines)


def _table(shape: type[msgspec.Struct]) -> list[str]:
    rows = ["| name | type | default | what |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(shape):
        kind, about = field.type.__origin__, field.type.__metadata__[0].description
        default = (
            "" if field.default is msgspec.NODEFAULT else f"`{msgspec.json.encode(field.default).decode()}`"
        )
        shown = getattr(kind, "__name__", str(kind)) if isinstance(kind, type) else "list"
        rows.append(f"| `{field.name}` | {'list' if shown == 'tuple' else shown} | {default} | {about} |")
    return rows
