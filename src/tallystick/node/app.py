"""The application: routes, stream, documents and front, put together around one service.

The documents (OpenAPI and the page that shows it) are made once, when the application is. The page is plain
HTML written from the OpenAPI document, so that it works on a machine without a network; a documentation
widget would be megabytes of script from somewhere else.
"""

import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.params import Parameter
from litestar.response import Stream

from tallystick import __version__
from tallystick.node.config import Config
from tallystick.node.drills import DAYS_MAX, POINTS_MAX
from tallystick.node.front import App, Front
from tallystick.node.metrics import Metrics
from tallystick.node.problems import RequestProblem, describe_problem
from tallystick.node.readers import Readers
from tallystick.node.routes import make_routes
from tallystick.node.service import Service
from tallystick.node.stream import Tide, stream_events

_HTML: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json"


class Application:
    """The node's HTTP side. `front` is what the server runs; close it before the service."""

    def __init__(self, service: Service, config: Config) -> None:
        self.metrics = Metrics()
        self._service = service
        self._config = config
        self._readers = Readers(service)
        self._tide: Tide | None = None
        self._streams = 0
        self.litestar = Litestar(
            [*make_routes(service, self._readers, witnesses=config.witnesses), self._stream_route()],
            openapi_config=OpenAPIConfig(title="Tallystick", version=__version__, path="/unused"),
            exception_handlers={Exception: self._answer_exception},
            lifespan=[self._lifespan],
            logging_config=None,
            request_max_body_size=config.body_bytes_max,
        )
        self.openapi = complete_openapi(self.litestar.openapi_schema.to_schema())
        litestar: App = self.litestar
        self.front = Front(
            service,
            config=config,
            readers=self._readers,
            metrics=self.metrics,
            app=litestar,
            documents={
                "/v1/openapi.json": (_JSON, msgspec.json.encode(self.openapi)),
                "/v1/docs": (_HTML, docs_page(self.openapi).encode()),
                "/": (_HTML, docs_page(self.openapi).encode()),
            },
        )

    def close(self) -> None:
        """End the reading threads."""
        self._readers.close()

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncIterator[None]:
        self._tide = Tide(self._service)
        yield

    def _answer_exception(self, _: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        status, problem, headers = describe_problem(error)
        if status >= 500:
            self.metrics.note_failure(error)
        return Response(
            msgspec.json.encode(problem),
            status_code=status,
            media_type="application/json",
            headers=dict(headers),
        )

    def _stream_route(self) -> Any:
        @get("/v1/stream", tags=["entries"], summary="Entries and checkpoints as they come")
        async def stream(
            request: Request[Any, Any, Any],
            after: Annotated[int | None, Parameter(ge=-1, description="The last index seen.")] = None,
        ) -> Stream:
            """Server-sent events, one an entry; `Last-Event-ID` or `after` resumes. -1 begins at genesis."""
            if self._streams >= self._config.stream_clients_max:
                raise RequestProblem(503, "overloaded", f"{self._streams} streams are open")
            start = _start(after, request.headers.get("last-event-id"), size=self._service.ledger.size)
            return Stream(self._counted_stream(start), media_type="text/event-stream")

        return stream

    async def _counted_stream(self, start: int) -> AsyncIterator[bytes]:
        assert self._tide is not None
        self._streams += 1
        try:
            async for event in stream_events(self._readers, self._tide, start=start):
                yield event
        finally:
            self._streams -= 1


def _start(after: int | None, last_event_id: str | None, *, size: int) -> int:
    if after is not None:
        return after + 1
    if last_event_id is None:
        return size
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 18):
        raise RequestProblem(400, "bad_request", "Last-Event-ID is an entry's index")
    return int(last_event_id) + 1


# -------------------------------------------------------------------------------------------- documents

_ENVELOPE: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Envelope",
    "description": "A DSSE envelope around a transaction's exact bytes; signatures are sorted by key.",
    "required": ["payload", "payloadType", "signatures"],
    "additionalProperties": False,
    "properties": {
        "payload": {"type": "string", "format": "byte"},
        "payloadType": {"const": "application/vnd.tallystick.transaction.v1+json"},
        "signatures": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["keyid", "sig"],
                "additionalProperties": False,
                "properties": {
                    "keyid": {"type": "string", "format": "byte"},
                    "sig": {"type": "string", "format": "byte"},
                },
            },
        },
    },
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "required": ["error", "facts", "message"],
    "properties": {
        "error": {"type": "string", "description": "A stable code."},
        "facts": {"type": "object"},
        "message": {"type": "string"},
    },
}
_RECEIPT: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Receipt",
    "required": ["index", "height", "time", "id", "sender", "postings", "events", "results"],
    "properties": {
        "index": {"type": "integer"},
        "height": {"type": "integer"},
        "time": {"type": "integer"},
        "id": {"type": "string"},
        "sender": {"type": "string"},
        "postings": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        "events": {"type": "array"},
        "results": {"type": "array"},
    },
}


_WANTED: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "scenario": {
            "type": "object",
            "description": "targets and withdraw are needed; the fields stand in docs/concepts/drills.md.",
            "properties": {
                "targets": {"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}]},
                "withdraw": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            },
        },
        "contract": {"type": "string", "description": "Everybody leaves it, in place of a scenario."},
        "points": {"type": "integer", "minimum": 0, "maximum": POINTS_MAX},
        "help_needed": {"type": "boolean"},
        "days": {"type": "integer", "minimum": 1, "maximum": DAYS_MAX},
    },
}


def complete_openapi(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the document with what the framework does not know: the front's routes, and every problem."""
    paths = schema["paths"]
    paths["/v1/transactions"] = {"post": _submission("Submit a transaction", _ENVELOPE, _RECEIPT)}
    paths["/v1/transactions/batch"] = {
        "post": _submission(
            "Submit up to 1,000 transactions in order",
            {"type": "array", "items": _ENVELOPE, "minItems": 1, "maxItems": 1000},
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        _PROBLEM,
                        {
                            "type": "object",
                            "required": ["repeated", "receipt"],
                            "properties": {"repeated": {"type": "boolean"}, "receipt": _RECEIPT},
                        },
                    ]
                },
            },
        )
    }
    for path in ("/v1/preview", "/v1/witnesses/cosignatures"):
        media = "application/json" if path == "/v1/preview" else "text/plain"
        paths[path]["post"]["requestBody"] = {"required": True, "content": {media: {"schema": {}}}}
    paths["/v1/drills"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": _WANTED}},
    }
    for operations in paths.values():
        for operation in operations.values():
            # What is answered as bytes is JSON that was made before, not a string.
            content = operation["responses"].get("200", {}).get("content", {})
            if content.get("application/json", {}).get("schema", {}).get("type") == "string":
                content["application/json"]["schema"] = {}
            for status in [status for status in operation["responses"] if status >= "400"]:
                del operation["responses"][status]
            operation["responses"]["default"] = {
                "description": "A problem.",
                "content": {"application/json": {"schema": _PROBLEM}},
            }
    return schema


def _submission(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": "Answers once the outcome is durable. Sending the same bytes again is safe.",
        "tags": ["transactions"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "Settled.", "content": {"application/json": {"schema": answer}}}
        },
    }


def docs_page(schema: dict[str, Any]) -> str:
    """Return the page that shows an OpenAPI document: no script, nothing fetched from elsewhere."""
    sections: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            sections.setdefault(tag, []).append(_operation(method, path, operation))
    body = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(parts)}" for tag, parts in sections.items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Tallystick</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}"
        "code{background:#8882;padding:.1em .3em}article{margin:1rem 0}dt{font-family:monospace}</style>"
        f"<h1>Tallystick {html.escape(schema['info']['version'])}</h1>"
        "<p>A programmable asset ledger. The whole description: <a href=/v1/openapi.json>openapi.json</a>."
        " The log: <a href=/log/checkpoint>checkpoint</a>."
        " This node: <a href=/ready>ready</a>, <a href=/metrics>metrics</a>.</p>"
        f"{body}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<dt>{html.escape(one['name'])}</dt><dd>{html.escape(one.get('description') or one['in'])}</dd>"
        for one in operation.get("parameters", [])
    )
    return (
        f"<article><code>{method.upper()} {html.escape(path)}</code>"
        f" <b>{html.escape(operation['summary'])}</b>"
        f"<br>{html.escape(operation.get('description') or '')}<dl>{parameters}</dl></article>"
    )
