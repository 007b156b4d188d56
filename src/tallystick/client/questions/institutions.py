"""Institutions: balance sheets now and in the past, income and cash flow, coverage, licences, and money."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tallystick.client.questions.asking import Listing, Question, part, typed

Document = dict[str, Any]


def one(institution: str) -> Question[Document]:
    """Ask for an institution with its accounts. Rejections: `unknown_institution`."""
    return typed(f"/v1/institutions/{part(institution)}", Document)


def all_() -> Listing[Document]:
    """Ask for every institution."""
    return Listing("/v1/institutions", lambda item: item)


def balance_sheet(
    institution: str,
    *,
    entry: int | None = None,
    unit: str = "",
    price_from: Sequence[str] = (),
    book: Mapping[str, Any] | None = None,
) -> Question[Document]:
    """Ask for a balance sheet, now or right after an entry. Rejections: `unknown_institution`."""
    asked = {"entry": entry, **_prices(unit, price_from, book)}
    return typed(f"/v1/institutions/{part(institution)}/sheet", Document, _given(asked))


def period(
    institution: str,
    *,
    start: int,
    end: int | None = None,
    unit: str = "",
    price_from: Sequence[str] = (),
    book: Mapping[str, Any] | None = None,
) -> Question[Document]:
    """Ask for income and cash flow between two entries. Rejections: `unknown_institution`."""
    asked = {"start": start, "end": end, **_prices(unit, price_from, book)}
    return typed(f"/v1/institutions/{part(institution)}/period", Document, _given(asked))


def coverage(
    institution: str, *, thing: str = "", start: int | None = None, end: int | None = None
) -> Question[Document]:
    """Ask for coverage in kind. Rejections: `unknown_institution`, `unknown_asset`."""
    asked = {"thing": thing or None, "start": start, "end": end}
    return typed(f"/v1/institutions/{part(institution)}/coverage", Document, _given(asked))


def licences(institution: str) -> Question[Document]:
    """Ask which licences an institution's behaviour needs. Rejections: `unknown_institution`."""
    return typed(f"/v1/institutions/{part(institution)}/licences", Document)


def money() -> Question[list[Document]]:
    """Ask for M0, M1 and M2."""
    return typed("/v1/money", list[Document])


def _prices(unit: str, price_from: Sequence[str], book: Mapping[str, Any] | None) -> dict[str, str | None]:
    return {
        "unit": unit or None,
        "price_from": ",".join(price_from) or None,
        "book": None if book is None else msgspec.json.encode(book).decode(),
    }


def _given(asked: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in asked.items() if value is not None}
