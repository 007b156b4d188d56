"""Institutions: who they are, their balance sheets now and in the past, coverage, licences, and money."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.ledger.rejections import Code
from tallystick.ledger.store import Key
from tallystick.node.institutions import (
    coverage_document,
    licences_document,
    make_prices,
    money_document,
    sheet_csv,
    sheet_of,
)
from tallystick.node.routes.asking import PAGE_LIMIT, After, Backend, Limit, Page, json_object
from tallystick.node.routes.trust import PriceFrom, Unit

Entry = Annotated[int | None, Parameter(ge=0, description="As it was right after this entry.")]
Start = Annotated[int | None, Parameter(ge=0, description="From right after this entry.")]
End = Annotated[int | None, Parameter(ge=0, description="To right after this entry; the last by default.")]
Book = Annotated[
    str | None, Parameter(max_length=20_000, description="A price book, as a JSON object: unit, prices, …")
]
Form = Annotated[str, Parameter(pattern="^(json|csv)$", description="json or csv.")]
Rows = Annotated[
    int,
    Parameter(ge=0, le=100_000, description="At most so many rows a side, the largest; totals are of all."),
]
Thing = Annotated[str | None, Parameter(max_length=200, description="A unit of account or an asset.")]


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    service = backend.service

    def described(key: Key) -> dict[str, Any]:
        record = backend.record("institution")(key)
        return record | {"accounts": [member[2] for member in service.index.keys("member_of", key[1])]}

    def asked(unit: str | None, price_from: str | None, book: str | None) -> dict[str, Any]:
        contracts = [name for name in (price_from or "").split(",") if name]
        document = None if book is None else json_object(book)
        return {"unit": unit or "", "price_from": contracts, "book": document}

    @get("/v1/institutions", tags=["credit"], summary="All institutions")
    async def list_institutions(after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        return backend.page("institution", after=after, limit=limit, describe=described)

    @get("/v1/institutions/{institution:str}", tags=["credit"], summary="An institution")
    async def get_institution(institution: str) -> dict[str, Any]:
        backend.existing("institution", Code.UNKNOWN_INSTITUTION, institution=institution)
        with service.state_lock:
            return described(("institution", institution))

    @get("/v1/institutions/{institution:str}/sheet", tags=["credit"], summary="Its balance sheet")
    async def get_sheet(
        *,
        institution: str,
        entry: Entry = None,
        unit: Unit = None,
        price_from: PriceFrom = None,
        book: Book = None,
        rows: Rows = 10_000,
        form: Form = "json",
    ) -> Response[Any]:
        """Return everything its accounts have against everything it owes, now or right after an entry.

        Without a unit, values are in the currency that most of what it owes comes to. A past sheet is made
        in a process of its own, from the snapshot before it; it takes as long as replaying from there.
        """
        given = {"rows": rows, **asked(unit, price_from, book)}
        if entry is None:
            document = await backend.readers.read(
                lambda view: {"entry": view.size - 1, **_sheet_now(backend, institution, given)}, locked=True
            )
        else:
            document = await backend.readers.look_at_past("sheet", institution, {"entry": entry, **given})
        if form == "csv":
            return Response(sheet_csv(document), media_type="text/csv")
        return Response(document)

    @get("/v1/institutions/{institution:str}/period", tags=["credit"], summary="Its income and cash flow")
    async def get_period(
        *,
        institution: str,
        start: Annotated[int, Parameter(ge=0, description="From right after this entry.")],
        end: End = None,
        unit: Unit = None,
        price_from: PriceFrom = None,
        book: Book = None,
    ) -> dict[str, Any]:
        """Return why equity and cash changed between two entries, line by line."""
        given = {"start": start, "end": end, **asked(unit, price_from, book)}
        return await backend.readers.look_at_past("period", institution, given)

    @get("/v1/institutions/{institution:str}/coverage", tags=["credit"], summary="Its coverage in kind")
    async def get_coverage(
        institution: str, thing: Thing = None, start: Start = None, end: End = None
    ) -> dict[str, Any]:
        """Return what it has of each thing that it owes: now, at its lowest, and where it crossed 1."""
        return await backend.readers.read(
            lambda _: coverage_document(
                service.views.current, institution, thing=thing or "", start=start, end=end
            ),
            locked=True,
        )

    @get("/v1/institutions/{institution:str}/licences", tags=["credit"], summary="What its behaviour needs")
    async def get_licences(institution: str) -> dict[str, Any]:
        """Return which licences its postings need, the posting that made it so, and what was flagged."""
        return await backend.readers.read(
            lambda _: licences_document(service.views.current, institution), locked=True
        )

    @get("/v1/money", tags=["credit"], summary="M0, M1 and M2 by currency")
    async def get_money() -> list[dict[str, Any]]:
        return await backend.readers.read(lambda _: money_document(service.books.current()), locked=True)

    return [
        list_institutions,
        get_institution,
        get_sheet,
        get_period,
        get_coverage,
        get_licences,
        get_money,
    ]


def _sheet_now(backend: Backend, institution: str, given: dict[str, Any]) -> dict[str, Any]:
    books = backend.service.books.current()
    books.institution(institution)
    rows, priced = given["rows"], {name: given[name] for name in ("unit", "price_from", "book")}
    return sheet_of(books, institution, make_prices(books, institution, **priced), rows=rows)
