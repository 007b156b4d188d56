"""Contracts: the instances, and what each answers of itself."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tallystick.client.questions.asking import Listing, Question, part, record
from tallystick.client.questions.records import instance_of, named
from tallystick.ledger.records import Instance


def one(name: str) -> Question[Instance]:
    """Ask for a contract. Rejections: `unknown_contract`."""
    return record(f"/v1/contracts/{part(name)}", instance_of)


def all_() -> Listing[tuple[str, Instance]]:
    """List the contracts by name."""
    return Listing("/v1/contracts", named(instance_of))


def view(contract: str, name: str, arguments: Mapping[str, Any]) -> Question[Any]:
    """Ask a contract's view; integers among the arguments are decimal strings."""
    return Question(
        f"/v1/contracts/{part(contract)}/views/{part(name)}",
        lambda answer: msgspec.json.decode(answer.body),
        {"arguments": msgspec.json.encode(arguments).decode()},
    )
