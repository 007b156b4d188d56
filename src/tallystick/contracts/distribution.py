"""Distribution: income flows back to those who contributed, by rules that everybody can recompute.

Attestors who were agreed on record contributions: who, how much, as a weight. A contribution fades by half
every `half_life_seconds`, and no account counts for more than a cap of the whole. Income is split in the
proportion of the weights of its moment, and **every split is kept with its arithmetic**: the weight before
and after decay and cap, the whole, what was to split, what it gave and what it left. Parts are rounded down;
the remainder is carried into the next split, so nothing is lost. A split credits; each recipient takes its
credits when it likes.

The rules are data. Another half-life, cap or list of attestors is proposed in the open, within bounds that
were fixed at deployment, and comes into force after a delay. Attestors cannot take anything, only weigh; one
of them cannot weigh alone where `quorum` asks for more, and each is bounded by period.

Source: the largest-remainder problem as Balinski and Young, "Fair Representation" (1982), state it; carried
instead of assigned, so that no seat goes to whoever comes first.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, check_units, mul_div_down
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.names import check_name, check_reference
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

PPM = 1_000_000
RECIPIENTS_MAX = 2_000
ATTESTORS_MAX = 16
WEIGHT_MAX = 1 << 96
HALF_LIFE_SECONDS_MAX = 100 * 366 * 86_400
DECAY_ONE = 1 << 64
STEPS = 64
"""A half-life is cut into so many steps; between two steps a weight stands."""
STEP_FACTOR = 18_248_035_989_933_441_396
"""2^(-1/64) in parts of DECAY_ONE, rounded down; checked against exact integers by a test."""


class Rules(Record, frozen=True):
    """What may change: who attests, how many must, how weights fade (0: never), the cap (PPM: none)."""

    attestors: tuple[str, ...]
    quorum: int = 1
    half_life_seconds: int = 0
    cap_ppm: int = PPM


class Bounds(Record, frozen=True):
    """Within what the admin may propose, and after which delay it is in force."""

    half_life_seconds_least: int
    half_life_seconds_most: int
    cap_ppm_least: int
    cap_ppm_most: int
    quorum_least: int
    delay_seconds: int


class Parameters(Record, frozen=True):
    """What is distributed, by which rules at first, and who may propose others (nobody, if empty).

    `weight_per_period_max` bounds what one attestor may add in `period_seconds`.
    """

    asset: str
    rules: Rules
    weight_per_period_max: int = WEIGHT_MAX
    period_seconds: int = 86_400
    admin: str = ""
    bounds: Bounds | None = None


class Refusal(StrEnum):
    """Why a distribution refuses."""

    PARAMETERS_INVALID = "distribution.parameters_invalid"
    """It cannot be deployed like this. Facts: reason."""
    RULES_INVALID = "distribution.rules_invalid"
    """The rules contradict themselves, or leave the bounds. Facts: reason."""
    NOT_THE_ADMIN = "distribution.not_the_admin"
    """Only the admin proposes rules, and not every distribution has one. Facts: caller, admin."""
    NOT_AN_ATTESTOR = "distribution.not_an_attestor"
    """The caller is no attestor by the rules in force. Facts: caller."""
    WEIGHT_INVALID = "distribution.weight_invalid"
    """A contribution weighs something, and not too much. Facts: weight, most."""
    ALREADY_ATTESTED = "distribution.already_attested"
    """The caller attested this contribution, or it counts already. Facts: reference."""
    ATTESTED_OTHERWISE = "distribution.attested_otherwise"
    """Another attestor said something else about this reference. Facts: reference, contributor, weight."""
    PERIOD_EXCEEDED = "distribution.period_exceeded"
    """The attestor may add no more in this period. Facts: asked, left, until."""
    TOO_MANY_CONTRIBUTORS = "distribution.too_many_contributors"
    """There are as many contributors as a split can serve. Facts: most."""
    NOTHING_TO_SPLIT = "distribution.nothing_to_split"
    """There is less than a unit for each contributor, or nobody contributed. Facts: units, contributors."""
    NO_SUCH_SPLIT = "distribution.no_such_split"
    """There was no such split, or the account had no part in it. Facts: split."""
    CREDIT_EXCEEDED = "distribution.credit_exceeded"
    """More is asked for than the account has. Facts: asked, credit."""


class Weight(Record, frozen=True):
    """What an account contributed, faded to what it was at second `at`."""

    weight: int
    at: int


class Attested(Record, frozen=True):
    """A contribution under its reference: it counts once `attestors` are as many as the quorum."""

    contributor: str
    weight: int
    attestors: tuple[str, ...]
    counts: bool = False


class Used(Record, frozen=True):
    """What an attestor has added in a period."""

    period: int
    weight: int


class Book(Record, frozen=True):
    """The one row: the rules and those to come, what is held for whom, and how many splits there were."""

    rules: Rules
    next_rules: Rules | None = None
    due: int = 0
    income: int = 0
    credited: int = 0
    contributors: int = 0
    splits: int = 0


class Split(Record, frozen=True):
    """One split: what there was, what it left for the next, the sum of the counted weights, and the rules."""

    time: int
    units: int
    left: int
    whole: int
    cap: int
    rules: Rules


class Part(Record, frozen=True):
    """One account's part of a split: `units` = `split.units` x `counted` / `split.whole`, rounded down.

    `weight` stood at second `at`; `faded` is what decay left of it, `counted` the lesser of that and the cap.
    """

    weight: int
    at: int
    faded: int
    counted: int
    units: int


class Arithmetic(Record, frozen=True):
    """A part with its split: everything that gave the amount, and the sentence that says it."""

    split: int
    time: int
    weight: int
    attested: int
    half_life_seconds: int
    faded: int
    cap: int
    counted: int
    whole: int
    income: int
    units: int
    told: str


# The formulas.


def fade(weight: int, *, elapsed_seconds: int, half_life_seconds: int) -> int:
    """Return what is left of a weight: half for each half-life, in 64 equal steps of it, rounded down."""
    if not half_life_seconds:
        return weight
    halves, steps = divmod(elapsed_seconds * STEPS // half_life_seconds, STEPS)
    if halves >= WEIGHT_MAX.bit_length():
        return 0
    left = weight >> halves
    factor, power = DECAY_ONE, STEP_FACTOR
    while steps:
        if steps & 1:
            factor = mul_div_down(factor, power, DECAY_ONE)
        power = mul_div_down(power, power, DECAY_ONE)
        steps >>= 1
    return mul_div_down(left, factor, DECAY_ONE)


def capped(weights: list[int], cap_ppm: int) -> tuple[list[int], int]:
    """Return the weights, each at most `cap_ppm` of the whole of all weights, and that cap.

    The cap is of the whole before capping, rounded down; what it takes from one goes to all in proportion.
    """
    cap = max(mul_div_down(sum(weights), cap_ppm, PPM), 1)  # of none nobody would have a part
    return [min(weight, cap) for weight in weights], cap


class Distribution(Contract):
    """Attested weights, income split by them, and the arithmetic of every part."""

    kind = "distribution"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "book": Table(key=(), value=Book),
        "weight": Table(key=(str,), value=Weight),
        "attested": Table(key=(str,), value=Attested),
        "used": Table(key=(str,), value=Used),
        "split": Table(key=(int,), value=Split),
        "part": Table(key=(int, str), value=Part),
        "credit": Table(key=(str,), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters."""
        params: Parameters = ctx.params
        ctx.asset(params.asset)
        reason = _parameters_fault(params) or _rules_fault(params.rules, params.bounds)
        if reason is not None:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)
        if params.admin:
            ctx.check_account(params.admin)
        ctx.put("book", value=Book(params.rules))

    # Contributions.

    @method
    def attest(self, ctx: CallContext, contributor: str, weight: int, reference: str) -> bool:
        """Say that a contribution weighs so much; return whether it counts now, with enough attestors."""
        book = self._book(ctx)
        check_name(contributor)
        check_reference(reference)
        if ctx.caller not in book.rules.attestors:
            raise Rejection(Refusal.NOT_AN_ATTESTOR, caller=ctx.caller)
        if not 0 < weight <= WEIGHT_MAX:
            raise Rejection(Refusal.WEIGHT_INVALID, weight=str(weight)[:48], most=str(WEIGHT_MAX))
        said: Attested = ctx.get("attested", reference) or Attested(contributor, weight, ())
        if (said.contributor, said.weight) != (contributor, weight):
            raise Rejection(
                Refusal.ATTESTED_OTHERWISE,
                reference=reference,
                contributor=said.contributor,
                weight=str(said.weight),
            )
        if said.counts or ctx.caller in said.attestors:
            raise Rejection(Refusal.ALREADY_ATTESTED, reference=reference)
        self._use(ctx, weight)
        attestors = tuple(sorted({*said.attestors, ctx.caller}))
        counts = len(set(attestors) & set(book.rules.attestors)) >= book.rules.quorum
        ctx.put("attested", reference, value=Attested(contributor, weight, attestors, counts))
        if counts:
            self._add(ctx, book, contributor, weight)
        ctx.emit(
            "attested",
            by=ctx.caller,
            contributor=contributor,
            weight=weight,
            reference=reference,
            counts=counts,
        )
        return counts

    def _use(self, ctx: CallContext, weight: int) -> None:
        """Charge an attestor's period."""
        params: Parameters = ctx.params
        period = ctx.time // (params.period_seconds * MICROSECONDS)
        used: Used = ctx.get("used", ctx.caller) or Used(period, 0)
        before = used.weight if used.period == period else 0
        left = params.weight_per_period_max - before
        if weight > left:
            until = (period + 1) * params.period_seconds * MICROSECONDS
            raise Rejection(Refusal.PERIOD_EXCEEDED, asked=str(weight), left=str(left), until=until)
        ctx.put("used", ctx.caller, value=Used(period, before + weight))

    def _add(self, ctx: CallContext, book: Book, contributor: str, weight: int) -> None:
        now = ctx.time // MICROSECONDS
        row: Weight | None = ctx.get("weight", contributor)
        if row is None and book.contributors >= RECIPIENTS_MAX:
            raise Rejection(Refusal.TOO_MANY_CONTRIBUTORS, most=RECIPIENTS_MAX)
        before = 0 if row is None else self._faded(book.rules, row, now)
        if before + weight > WEIGHT_MAX:
            raise Rejection(Refusal.WEIGHT_INVALID, weight=str(before + weight), most=str(WEIGHT_MAX))
        ctx.put("weight", contributor, value=Weight(before + weight, now))
        ctx.put("book", value=replace(book, contributors=book.contributors + (row is None)))

    # Income.

    @method
    def pay_in(self, ctx: CallContext, units: int) -> int:
        """Take `units` from anybody, to be split; return what there is to split."""
        book = self._book(ctx)
        income = book.income + check_units(units)
        ctx.put("book", value=replace(book, income=income))
        ctx.take(ctx.params.asset, units)
        ctx.emit("paid_in", by=ctx.caller, units=units, income=income)
        return income

    @method
    def sync(self, ctx: CallContext) -> int:
        """Count what was transferred plainly as income; return it."""
        book = self._book(ctx)
        surplus = max(ctx.balance(ctx.params.asset) - book.income - book.credited, 0)
        if surplus:
            ctx.put("book", value=replace(book, income=book.income + surplus))
            ctx.emit("synced", surplus=surplus)
        return surplus

    @method
    def split(self, ctx: CallContext) -> int:
        """Split the income by the weights of now, as anybody; return the split's number.

        Each part is rounded down; what that leaves is income of the next split. Whose weight faded to nothing
        is forgotten. There must be a unit for each other: rows are kept for ever, and a split costs nothing.
        """
        book = self._book(ctx)
        now = ctx.time // MICROSECONDS
        rows, faded = [], []
        for (account,), row in list(ctx.scan("weight")):
            weight = self._faded(book.rules, row, now)
            if weight:
                rows.append((account, row))
                faded.append(weight)
            else:
                ctx.put("weight", account, value=None)
                book = replace(book, contributors=book.contributors - 1)
        counted, cap = capped(faded, book.rules.cap_ppm)
        whole = sum(counted)
        if not whole or book.income < len(rows):
            raise Rejection(Refusal.NOTHING_TO_SPLIT, units=str(book.income), contributors=str(len(rows)))
        number, left = book.splits + 1, book.income
        for (account, row), weight, counts in zip(rows, faded, counted, strict=True):
            units = mul_div_down(book.income, counts, whole)
            left -= units
            ctx.put("part", number, account, value=Part(row.weight, row.at, weight, counts, units))
            if units:
                ctx.put("credit", account, value=(ctx.get("credit", account) or 0) + units)
        ctx.put("split", number, value=Split(ctx.time, book.income, left, whole, cap, book.rules))
        credited = book.credited + book.income - left
        ctx.put("book", value=replace(book, income=left, credited=credited, splits=number))
        ctx.emit("split", number=number, units=book.income, left=left, recipients=len(rows))
        return number

    @method
    def withdraw(self, ctx: CallContext, units: int) -> int:
        """Pay the caller `units` of its credit; return what is left of it."""
        credit: int = ctx.get("credit", ctx.caller) or 0
        if check_units(units) > credit:
            raise Rejection(Refusal.CREDIT_EXCEEDED, asked=str(units), credit=str(credit))
        ctx.put("credit", ctx.caller, value=credit - units or None)
        book = self._book(ctx)
        ctx.put("book", value=replace(book, credited=book.credited - units))
        ctx.pay(ctx.caller, ctx.params.asset, units)
        ctx.emit("withdrawn", by=ctx.caller, units=units)
        return credit - units

    # The rules.

    @method
    def propose(self, ctx: CallContext, rules: Rules) -> int:
        """Propose other rules, as the admin, within the bounds; return when they are in force."""
        params: Parameters = ctx.params
        if params.bounds is None or ctx.caller != params.admin:
            raise Rejection(Refusal.NOT_THE_ADMIN, caller=ctx.caller, admin=params.admin)
        reason = _rules_fault(rules, params.bounds)
        if reason is not None:
            raise Rejection(Refusal.RULES_INVALID, reason=reason)
        due = ctx.time + params.bounds.delay_seconds * MICROSECONDS
        ctx.put("book", value=replace(self._book(ctx), next_rules=rules, due=due))
        ctx.emit("proposed", rules=rules, due=due)
        return due

    # Views.

    @view
    def state(self, ctx: CallContext) -> Book:
        """Return the rules in force and those to come, the income to split, and what is credited."""
        return self._book(ctx)

    @view
    def weight(self, ctx: CallContext, account: str) -> int:
        """Return what the account's contributions weigh now, before the cap."""
        row: Weight | None = ctx.get("weight", account)
        return 0 if row is None else self._faded(self._book(ctx).rules, row, ctx.time // MICROSECONDS)

    @view
    def contribution(self, ctx: CallContext, reference: str) -> Attested | None:
        """Return what was attested under a reference, by whom, and whether it counts."""
        row: Attested | None = ctx.get("attested", reference)
        return row

    @view
    def credit(self, ctx: CallContext, account: str) -> int:
        """Return what the account can withdraw now."""
        return ctx.get("credit", account) or 0

    @view
    def arithmetic(self, ctx: CallContext, account: str, split: int) -> Arithmetic:
        """Return every number that gave the account its part of a split, and the sentence that says it."""
        row: Split | None = ctx.get("split", split)
        part: Part | None = ctx.get("part", split, account)
        if row is None or part is None:
            raise Rejection(Refusal.NO_SUCH_SPLIT, split=str(split)[:48])
        told = (
            f"{part.weight} faded to {part.faded} and counts {part.counted} (cap {row.cap}) of {row.whole}:"
            f" {row.units} x {part.counted} / {row.whole} = {part.units}, rounded down"
        )
        return Arithmetic(
            split=split,
            time=row.time,
            weight=part.weight,
            attested=part.at * MICROSECONDS,
            half_life_seconds=row.rules.half_life_seconds,
            faded=part.faded,
            cap=row.cap,
            counted=part.counted,
            whole=row.whole,
            income=row.units,
            units=part.units,
            told=told,
        )

    # The five self-descriptions. The contract issues nothing, so nothing needs backing.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the account's credit. What is not split is nobody's yet."""
        credit = self.credit(ctx, account)
        return [Position(ctx.params.asset, credit, note="credited")] if credit else []

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the withdrawal of the whole credit."""
        credit = self.credit(ctx, account)
        return [Exit("withdraw", {"units": credit}, ctx.params.asset, credit)] if credit else []

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what the attestors weigh and what the admin proposes. Nobody can touch a credit."""
        params, rules = ctx.params, self._book(ctx).rules
        found = [
            Power(
                attestor,
                "adds weight to contributors",
                f"{params.weight_per_period_max} in {params.period_seconds} seconds,"
                f" {rules.quorum} of {len(rules.attestors)} agreeing",
            )
            for attestor in rules.attestors
        ]
        if params.bounds is not None:
            bounds = params.bounds
            found.append(
                Power(
                    params.admin,
                    "proposes other rules and attestors for what is not split yet",
                    f"half_life_seconds {bounds.half_life_seconds_least} to {bounds.half_life_seconds_most},"
                    f" cap_ppm {bounds.cap_ppm_least} to {bounds.cap_ppm_most},"
                    f" quorum {bounds.quorum_least} or more",
                    bounds.delay_seconds,
                )
            )
        return found

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the asset."""
        return Dependencies(assets=(ctx.params.asset,))

    # What several of the above need.

    def _book(self, ctx: CallContext) -> Book:
        """Return the row with the rules that are in force now."""
        book: Book = ctx.get("book")
        if book.next_rules is not None and book.due <= ctx.time:
            return replace(book, rules=book.next_rules, next_rules=None, due=0)
        return book

    def _faded(self, rules: Rules, row: Weight, now: int) -> int:
        return fade(row.weight, elapsed_seconds=now - row.at, half_life_seconds=rules.half_life_seconds)


def _parameters_fault(params: Parameters) -> str | None:
    if not 0 < params.weight_per_period_max <= WEIGHT_MAX:
        return f"weight_per_period_max is 1 to {WEIGHT_MAX}"
    if not 0 < params.period_seconds <= HALF_LIFE_SECONDS_MAX:
        return f"period_seconds is 1 to {HALF_LIFE_SECONDS_MAX}"
    if bool(params.admin) != (params.bounds is not None):
        return "an admin has bounds, and bounds an admin"
    if params.bounds is not None and params.bounds.delay_seconds <= 0:
        return "rules change after a delay"
    return None


def _rules_fault(rules: Rules, bounds: Bounds | None) -> str | None:
    attestors = rules.attestors
    if not 1 <= len(attestors) <= ATTESTORS_MAX or len(set(attestors)) < len(attestors):
        return f"1 to {ATTESTORS_MAX} different attestors"
    if not 1 <= rules.quorum <= len(attestors):
        return "the quorum is one attestor to all"
    if not 0 <= rules.half_life_seconds <= HALF_LIFE_SECONDS_MAX or not 0 < rules.cap_ppm <= PPM:
        return f"half_life_seconds is 0 to {HALF_LIFE_SECONDS_MAX}, cap_ppm 1 to {PPM}"
    if bounds is None:
        return None
    for what, given, least, most in (
        (
            "half_life_seconds",
            rules.half_life_seconds,
            bounds.half_life_seconds_least,
            bounds.half_life_seconds_most,
        ),
        ("cap_ppm", rules.cap_ppm, bounds.cap_ppm_least, bounds.cap_ppm_most),
        ("quorum", rules.quorum, bounds.quorum_least, ATTESTORS_MAX),
    ):
        if not least <= given <= most:
            return f"{what} is {least} to {most} here, not {given}"
    return None
