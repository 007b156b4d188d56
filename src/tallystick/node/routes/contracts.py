"""Contracts: the instances, and what each answers of itself."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.ledger.contract import to_wire
from tallystick.ledger.rejections import Code, Rejection
from tallystick.node.readers import ServiceView
from tallystick.node.routes.asking import PAGE_LIMIT, After, Backend, Limit, Page, json_bytes, json_object


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""

    @get("/v1/contracts", tags=["contracts"], summary="All contracts")
    async def list_contracts(after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        return backend.page("instance", after=after, limit=limit, describe=backend.record("instance"))

    @get("/v1/contracts/{contract:str}", tags=["contracts"], summary="A contract")
    async def get_contract(contract: str) -> dict[str, Any]:
        return backend.existing("instance", Code.UNKNOWN_CONTRACT, contract=contract)

    @get("/v1/contracts/{contract:str}/views/{view:str}", tags=["contracts"], summary="Ask a contract")
    async def ask_contract(
        contract: str,
        view: str,
        arguments: Annotated[str, Parameter(max_length=10_000, description="A JSON object.")] = "{}",
    ) -> Response[bytes]:
        """Return what a view answers.

        Every kind has `backing`, `positions`, `exits`, `powers` and `dependencies`. `positions` and `exits`
        take an account: `?arguments={"account":"alice"}`. Integers in arguments and answers are decimal
        strings.
        """
        given = json_object(arguments)
        answer = await backend.readers.read(
            lambda reader: to_wire(reader.view(contract, view, **_typed(reader, contract, view, given))),
            locked=True,
        )
        return json_bytes(msgspec.json.encode(answer))

    return [list_contracts, get_contract, ask_contract]


def _typed(reader: ServiceView, contract: str, view: str, wire: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as a view takes them: on the wire their integers are decimal strings.

    What names no view of a contract is left as it is, for the ledger to refuse. Rejections:
    `arguments_invalid`.
    """
    instance = reader.state.get(("instance", contract))
    code = None if instance is None else reader.kinds.contracts.get((instance.kind, instance.version))
    found = None if code is None else code.methods.get(view)
    if found is None:
        return wire
    try:
        value = msgspec.convert(wire, found.arguments, strict=False)
    except msgspec.ValidationError as error:
        raise Rejection(Code.ARGUMENTS_INVALID, method=view, reason=str(error)[:200]) from None
    return {name: getattr(value, name) for name in found.arguments.__struct_fields__}
