"""Entries of the log: receipts by a transaction's id, entries by their index, and their proofs."""

import base64
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.ledger.receipts import decode_receipt
from tallystick.log.leaf import Leaf
from tallystick.node.entries import Entry
from tallystick.node.proofs import receipt_proof
from tallystick.node.routes.asking import Backend, json_bytes


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry of the log. `leaf` and `envelope` are base64; a root's `state_root` is in hex."""

    index: int
    height: int
    time: int
    kind: str
    leaf: str
    envelope: str
    receipt: dict[str, Any] | None
    state_root: str | None


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    readers = backend.readers

    @get("/v1/receipts/{identifier:str}", tags=["entries"], summary="The receipt of a transaction")
    async def get_receipt(
        identifier: str, sender: Annotated[str, Parameter(max_length=64, description="Who sent it.")]
    ) -> Response[bytes]:
        """Return the receipt's bytes as they stand in the log. An id is unique for its sender."""
        return json_bytes(await readers.read(lambda view: view.receipt(id=identifier, sender=sender)))

    @get("/v1/entries/{number:int}", tags=["entries"], summary="An entry of the log")
    async def get_entry(number: Annotated[int, Parameter(ge=0)]) -> EntryAnswer:
        return entry_answer(await readers.read(lambda view: view.entry(number)))

    @get("/v1/entries/{number:int}/proof", tags=["proofs"], summary="A proof that an entry is in the log")
    async def get_entry_proof(
        *,
        number: Annotated[int, Parameter(ge=0)],
        cosigned: Annotated[
            bool, Parameter(description="Under the newest checkpoint with cosignatures.")
        ] = False,
    ) -> Response[bytes]:
        """Return a file that `tallystick proof check` verifies with nothing but the log's public key.

        503 `not_signed` says that no such checkpoint covers the entry yet: ask again.
        """
        proof = await readers.read(lambda view: receipt_proof(view, number, cosigned=cosigned), locked=True)
        return json_bytes(proof)

    return [get_receipt, get_entry, get_entry_proof]


def entry_answer(entry: Entry) -> EntryAnswer:
    """Return an entry as it is shown."""
    leaf = Leaf.decode(entry.leaf)
    return EntryAnswer(
        index=entry.index,
        height=leaf.height,
        time=leaf.time_us,
        kind=leaf.kind.name.lower(),
        leaf=base64.b64encode(entry.leaf).decode(),
        envelope=base64.b64encode(entry.envelope).decode(),
        receipt=msgspec.to_builtins(decode_receipt(entry.receipt)) if entry.receipt else None,
        state_root=leaf.receipt_hash.hex() if leaf.kind.name == "ROOT" else None,
    )
