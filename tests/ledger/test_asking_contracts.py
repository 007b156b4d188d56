"""What contracts may ask of each other without being bound by a refusal, and arguments of several shapes."""

from types import FunctionType
from typing import ClassVar

import msgspec
import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Contract, Record, Table, decode_arguments, encode_wire, method, view
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call
from tests.no_free_lunch.harness import with_kinds


class Circle(Record, frozen=True, tag="circle"):
    radius: int


class Square(Record, frozen=True, tag="square"):
    side: int
    filled: bool = False


class Source(Contract):
    """Answers, refuses, or lends for a moment."""

    kind, version = "source", 1
    tables: ClassVar = {"mark": Table(key=(), value=int)}

    @view
    def told(self, ctx: CallContext, value: int) -> int:
        if value < 0:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(value))
        return value * 2

    @method
    def lend(self, ctx: CallContext) -> None:
        ctx.owe(f"x@{ISSUER}", 5)


class Asker(Contract):
    """Asks the source in each way."""

    kind, version = "asker", 1
    tables: ClassVar = {"mark": Table(key=(), value=int)}

    @method
    def attempt(self, ctx: CallContext, value: int) -> list[str]:
        answered, told = ctx.attempt_view("source", "told", value=value)
        ctx.put("mark", value=7)
        return [str(answered), str(told)]

    @method
    def insist(self, ctx: CallContext, value: int) -> int:
        try:
            return int(ctx.view("source", "told", value=value))
        except Rejection:
            return -1

    @method
    def insist_then_attempt(self, ctx: CallContext) -> None:
        """Swallow one refusal, then ask what answers: the first dooms the transaction all the same."""
        self.insist(ctx, -1)
        ctx.attempt_view("source", "told", value=1)

    @method
    def belongs(self, ctx: CallContext) -> str:
        return ctx.institution_of(ctx.caller)

    @method
    def draw(self, ctx: CallContext, shapes: list[Circle | Square]) -> int:
        return len(shapes)


@pytest.fixture
def market():
    market = Market(kinds=with_kinds(Source(), Asker()))
    market.world.mint(f"x@{ISSUER}", alice=100)
    market.deploy("source", "source")
    market.deploy("asker", "asker")
    return market


def test_a_refused_attempt_to_ask_dooms_nothing_and_an_answer_is_passed_on(market):
    assert market.call("alice", "asker", "attempt", value=4) == ["True", "8"]
    assert market.call("alice", "asker", "attempt", value=-4) == ["False", "amount_not_positive"]
    assert market.world.get("asker!", "mark") == 7


def test_a_refused_question_that_is_not_an_attempt_dooms_the_transaction(market):
    assert market.call("alice", "asker", "insist", value=3) == "6"
    assert market.refused("alice", "asker", "insist", value=-3).code is Code.AMOUNT_NOT_POSITIVE
    assert market.refused("alice", "asker", "insist_then_attempt").code is Code.AMOUNT_NOT_POSITIVE


def test_whoever_cannot_answer_now_is_told_by_its_code(market):
    world = market.world
    lent = call("alice", "source", "lend")
    asked = call("alice", "asker", "attempt", value=1)
    # The obligation stays open, so that all of it is refused in the end; the attempt itself was not.
    assert world.refused("alice", lent, asked).code is Code.OBLIGATION_OPEN
    assert market.call("alice", "asker", "attempt", value=1) == ["True", "2"]


def test_the_institution_of_an_account_is_the_one_it_joined(market):
    assert market.call("alice", "asker", "belongs") == ""
    market.world.do("alice", tx.FoundInstitution(account="alice", name="alice-ag"))
    assert market.call("alice", "asker", "belongs") == "alice-ag"
    assert market.call("bob", "asker", "belongs") == ""


SHAPE = Asker.methods["draw"].arguments


def test_shapes_told_apart_by_a_tag_come_back_as_they_were(market):
    given = SHAPE(shapes=[Circle(3), Square(4, filled=True)])
    raw = encode_wire(given, SHAPE)
    assert raw == (b'{"shapes":[{"radius":"3","type":"circle"},{"filled":true,"side":"4","type":"square"}]}')
    assert decode_arguments(raw, SHAPE, "draw") == given
    assert market.call("alice", "asker", "draw", shapes=[Circle(3)]) == "1"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"shapes":[{"radius":"3"}]}', Code.ARGUMENTS_INVALID),
        (b'{"shapes":[{"radius":"3","type":"line"}]}', Code.ARGUMENTS_INVALID),
        (b'{"shapes":[{"radius":"3","type":"square"}]}', Code.ARGUMENTS_INVALID),
        (b'{"shapes":[{"type":"circle","radius":"3"}]}', Code.NOT_CANONICAL),
        (b'{"shapes":[{"side":"4","type":"square"}]}', Code.NOT_CANONICAL),
    ],
)
def test_a_shape_without_its_tag_or_in_another_spelling_is_refused(raw, code):
    assert msgspec.json.decode(raw)
    with pytest.raises(Rejection) as refused:
        decode_arguments(raw, SHAPE, "draw")
    assert refused.value.code is code


@pytest.mark.plain
def test_every_refusal_that_code_could_catch_dooms_the_transaction():
    """By the source: what a method of the context refuses is kept, but for what can only run out of work.

    Work stays spent, and is looked at again at the end. `attempt` and `attempt_view` are there
    to forgive.
    """
    forgiving = {"attempt", "attempt_view"}
    only_spend_work = {"get", "scan", "balance", "available", "supply", "owed"}
    methods = {name: made for name, made in vars(CallContext).items() if isinstance(made, FunctionType)}
    catchable = {
        name
        for name, made in methods.items()
        if not name.startswith("_")
        and not hasattr(made, "__wrapped__")
        and "_doomed_by" not in made.__code__.co_names
    }
    assert catchable == forgiving | only_spend_work
    assert not any(hasattr(getattr(made, "__wrapped__", None), "__wrapped__") for made in methods.values())
