"""A small economy from a seed: a few issuers, some dozens of people, a month of business.

    steps  ->  (time, envelopes)  ->  a ledger  ->  outcomes  ->  steps go on from what happened

The same seed gives the same keys, ids, amounts and times, hence the same log and the same roots; no clock is
read. It has one of everything a ledger is for: a bank's euro and its redemption, a dollar that its issuer can
freeze, gold in a vault, a token that nobody owes, notes of which one goes into default, salaries of many
legs, holds that are captured, released and expire, an agent under a mandate, a delivery against payment and
one that came to nothing, a pool of each kind with trades every day (`economy_pools`), loans against gold at a
price that three sources say (`economy_lending`), and credit: two banks,
a central bank, a custodian, a coin on its word, and their clients (`economy_credit`). Nobody here exists.

The rule that must hold: **its keys are public.** They derive from the seed, the log's key included, so a
ledger of it says so in its name and its log's origin, and proves nothing about anybody.

Refused: a recorded history as data. This one can be continued, varied by its seed, and read as a program.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from random import Random
from typing import Final, NamedTuple

from tallystick.client import economy_credit as credit
from tallystick.client import economy_lending as lending
from tallystick.client.arguments import encode_arguments
from tallystick.client.connection import Outcome
from tallystick.client.economy_pools import (
    EUR,
    FUNDS,
    GOLD,
    MAKER,
    USD,
    Traders,
    deployments,
    narrow_exit,
    provisions,
)
from tallystick.client.transactions import Ids, build, sign
from tallystick.crypto import Signer, sha256
from tallystick.ledger import transactions as tx
from tallystick.ledger.genesis import Genesis, encode_genesis, ledger_id
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.records import Cap, Limits, PolicySpec, Terms
from tallystick.log.note import Algorithm, SigningKey
from tallystick.protocol import VERSION

START: Final = 1_767_600_000_000_000
"""2026-01-05T08:00:00Z, a Monday."""
DAYS: Final = 28
ORIGIN: Final = "tallystick.demo/seed-"
"""How the log of every such ledger is called: whoever sees it knows that its key is public."""

SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR

OPERATOR: Final = "operator"
NOTE, TALLY = "note@harbour", "tally@commons"
_NAMES: Final = (
    "alice bob carol dave erin frank grace heidi ivan judy karl laura mallory niaj olivia peggy quentin"
    " rupert sybil trent ursula victor walter xenia yusuf zoe amara bruno chiara dmitri elena farid"
)
PEOPLE: Final = tuple(_NAMES.split())
SHOPS: Final = ("bakery", "bookshop", "cafe", "grocer", "hotel", "cinema")
ISSUERS: Final = ("bank", "bank.treasury", "cove", "vault", "harbour", "commons")
EMPLOYERS: Final = ("mill", "clinic")
AGENT: Final = "alice.agent"
ACCOUNTS: Final = (*ISSUERS, *credit.ACCOUNTS, *EMPLOYERS, *SHOPS, AGENT, *PEOPLE)


class Step(NamedTuple):
    """A batch to submit at `time`. After one that `ends_day`, a checkpoint is due."""

    time: int
    envelopes: list[bytes]
    ends_day: bool = False


Steps = Generator[Step, Sequence[Outcome], None]
"""Yields batches, and is sent what became of each."""


class Economy:
    """The economy of one seed: its keys, its genesis, and its steps."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self._random = Random(seed)  # noqa: S311 (a demonstration is the same twice; nothing secret comes of it)
        self._ids = Ids(self._random.randbytes)
        self._time = START
        self._book: dict[tuple[str, str], int] = {}
        honest = tuple(name for name in PEOPLE if name != "mallory")
        self._traders = Traders(self._random, honest, self._has)
        self._lending = lending.Lending(honest, self._has)
        self.log_key = SigningKey(
            name=f"{ORIGIN}{seed}", algorithm=Algorithm.ED25519, seed=self._secret("log key")
        )
        self.seeds: dict[str, bytes] = {name: self._secret(name) for name in (OPERATOR, *ACCOUNTS)}
        """Every account's secret key, by name; they are no secret."""
        self._signers = {name: Signer(secret) for name, secret in self.seeds.items()}
        self.genesis = encode_genesis(
            Genesis(
                name=f"Demonstration {seed}: every key is public",
                time=START,
                protocol=VERSION,
                opening="sponsor",
                operator=OPERATOR,
                operator_keys=(self._signers[OPERATOR].public_key,),
                operator_threshold=1,
                log_key=self.log_key.verifier.vkey,
                limits=Limits(),
            )
        )
        self.ledger_id = ledger_id(self.genesis)

    @property
    def now(self) -> int:
        """The economy's own time in microseconds UTC."""
        return self._time

    def _secret(self, name: str) -> bytes:
        return sha256(f"tallystick demonstration {self.seed} {name}".encode())

    # Building. Every account's keys are here, so one call signs for all who must.

    def _envelope(
        self, sender: str, *actions: tx.Action, also: Iterable[str] = (), once: str | None = None
    ) -> bytes:
        """Return a transaction signed by its sender, by whom its actions name, and by `also`."""
        transaction = build(
            self.ledger_id,
            sender,
            actions,
            now=self._time,
            once=once,
            transaction_id=self._ids.new(self._time),
        )
        mandated = {action.account for action in actions if getattr(action, "mandate", None) is not None}
        names = {sender, *also, *(action.account for action in actions)} - (mandated - {sender})
        return sign(transaction, [self._signers[name] for name in sorted(names)])

    def _step(self, *envelopes: bytes, ends_day: bool = False) -> Generator[Step, Sequence[Outcome], str]:
        """Submit a batch a minute later, remember what it did, and return what its last action made."""
        self._time += 60 * SECOND
        outcomes = yield Step(self._time, list(envelopes), ends_day)
        made: object = ""
        for outcome in outcomes:
            if outcome.receipt is None:
                raise RuntimeError(f"the economy's own transaction was refused: {outcome.rejection}")
            receipt = decode_receipt(outcome.receipt)
            made = receipt.results[-1]
            for account, asset, _, balance in receipt.postings:
                self._book[account, asset] = int(balance)
        return str(made)

    def _has(self, account: str, asset: str) -> int:
        return self._book.get((account, asset), 0)

    def _pay(self, payer: str, payee: str, units: int, asset: str, reference: str = "") -> bytes:
        return self._envelope(
            payer, tx.Transfer(account=payer, legs=((asset, payee, str(units)),), reference=reference)
        )

    # The story.

    def steps(self) -> Steps:
        """Yield the batches; send back each one's outcomes."""
        yield from self._open()
        yield from self._issue()
        yield from self._open_pools()
        yield from self._deeds(credit.declarations(START))
        yield from self._deeds(credit.endowments())
        yield from self._deeds(credit.contracts())
        yield from self._deeds(lending.contracts())
        for day in range(DAYS):
            yield from self._day(day)

    def _open(self) -> Steps:
        """Open the accounts, found the institutions, declare the assets."""
        names = list(ACCOUNTS)
        for at in range(0, len(names), 16):
            yield from self._step(
                self._envelope(
                    OPERATOR,
                    *(
                        tx.OpenAccount(account=OPERATOR, name=name, keys=(self._signers[name].public_key,))
                        for name in names[at : at + 16]
                    ),
                )
            )
        founded = (
            ("bank", "alder-bank", ("bank", "issuer")),
            ("cove", "cove-money", ("issuer",)),
            ("vault", "stonegate-vault", ("custodian",)),
            ("harbour", "harbour-credit", ("issuer",)),
        )
        yield from self._step(
            *(
                self._envelope(account, tx.FoundInstitution(account=account, name=name, roles=roles))
                for account, name, roles in founded
            )
        )
        yield from self._step(
            self._envelope(
                "bank.treasury",
                tx.JoinInstitution(account="bank.treasury", institution="alder-bank"),
                also=["bank"],
            )
        )
        yield from self._step(*(self._envelope(asset.account, asset) for asset in _assets()))

    def _issue(self) -> Steps:
        """Put money, gold, notes and tokens into hands."""
        shuffled = self._random.sample(PEOPLE, len(PEOPLE))
        yield from self._step(
            self._issued(EUR, {name: self._random.randrange(80_000, 400_000) for name in PEOPLE}),
            self._issued(EUR, {"bank.treasury": 20_000_000, "mill": 30_000_000, "clinic": 25_000_000}),
            self._issued(EUR, {"harbour": 150_000}),
            self._issued(USD, {name: self._random.randrange(20_000, 90_000) for name in shuffled[:20]}),
            self._issued(GOLD, {name: self._random.randrange(5_000, 60_000) for name in shuffled[5:20]}),
            self._issued(TALLY, dict.fromkeys(PEOPLE, 1_000)),
            self._issued(NOTE, {"judy": 100_000, "trent": 900_000}),
        )
        yield from self._step(
            self._envelope(
                "alice",
                tx.GrantMandate(
                    account="alice",
                    name="groceries",
                    key=self._signers[AGENT].public_key,
                    expires=self._time + 90 * DAY,
                    caps=(Cap(asset=EUR, per_period="5000", per_payment="2500", period_seconds=86_400),),
                    recipients=("grocer", "bakery"),
                ),
            )
        )

    def _open_pools(self) -> Steps:
        """Deploy a pool of each kind and a route, and fill them."""
        yield from self._step(*(self._issued(asset, units) for asset, units in FUNDS.items()))
        for pool in deployments():
            yield from self._step(self._envelope(MAKER, pool))
        for deposit in provisions():
            yield from self._step(self._envelope(deposit.account, deposit))

    def _deeds(self, deeds: Iterable[credit.Deed]) -> Steps:
        """Carry out what banks, custodians and their clients do, each when the one before it is done."""
        for deed in deeds:
            yield from self._step(self._envelope(deed.sender, *deed.actions, also=deed.also))

    def _trades(self, day: int) -> Steps:
        """Let people trade in every pool, once a week through a route; one provider leaves on a Friday."""
        for trade in self._traders.day():
            yield from self._step(self._envelope(trade.account, trade))
        if day % 7 == 3:
            routed = self._traders.routed()
            yield from self._step(self._envelope(routed.account, routed))
        if day == 18:
            leaving = narrow_exit()
            yield from self._step(self._envelope(leaving.account, leaving))

    def _issued(self, asset: str, units: dict[str, int]) -> bytes:
        issuer = asset.partition("@")[2]
        legs = tuple((asset, name, str(many)) for name, many in units.items())
        return self._envelope(issuer, tx.Issue(account=issuer, legs=legs))

    def _day(self, day: int) -> Steps:
        """Let one day pass: from eight in the morning on, what it has in store, then its end."""
        self._time = max(self._time, START + day * DAY)
        yield from self._payments(self._random.randrange(10, 20))
        if day % 2 == 0:
            yield from self._shopping_by_agent()
        yield from self._bookings(day)
        yield from self._trades(day)
        yield from self._deeds(credit.day(day, self._time, self._has))
        yield from self._deeds(self._lending.day(day, self._time))
        if day % 14 == 4:
            yield from self._salaries(day)
        special = {
            2: self._redeem_euro,
            6: self._delivery_against_payment,
            9: self._deal_that_fails,
            12: self._collect_gold,
            15: self._notes,
            18: self._freeze,
        }.get(day)
        if special is not None:
            yield from special()
        self._time = max(self._time, START + day * DAY + 12 * HOUR)
        yield from self._step(self._payment(), ends_day=True)

    def _payment(self) -> bytes:
        """Return a payment between two people, or to a shop, of something that the payer has."""
        while True:
            payer = self._random.choice(PEOPLE)
            asset = self._random.choice((EUR, EUR, EUR, USD, GOLD, TALLY))
            most = self._has(payer, asset) // 8
            if most < 1 or (payer, asset) == ("mallory", USD):
                continue
            to_shop = asset == EUR and self._random.random() < 0.4
            others = SHOPS if to_shop else tuple(name for name in PEOPLE if name not in (payer, "mallory"))
            payee = self._random.choice(others)
            reference = f"order {self._random.randrange(1000, 9999)}" if to_shop else ""
            return self._pay(payer, payee, self._random.randrange(1, most + 1), asset, reference)

    def _payments(self, count: int) -> Steps:
        for _ in range(count):
            self._time += self._random.randrange(1200) * SECOND
            yield from self._step(self._payment())

    def _shopping_by_agent(self) -> Steps:
        """Let Alice's agent pay under its mandate; its key holds no money."""
        units = self._random.randrange(500, 2_500)
        action = tx.Transfer(
            account="alice", legs=((EUR, "grocer", str(units)),), mandate="groceries", reference="weekly list"
        )
        if self._has("alice", EUR) > units:
            yield from self._step(self._envelope(AGENT, action))

    def _bookings(self, day: int) -> Steps:
        """Promise the hotel or the cinema a price; it is captured, released, or left to expire."""
        guest = self._random.choice([name for name in PEOPLE if self._has(name, EUR) > 40_000])
        place, units = self._random.choice((("hotel", 18_000), ("cinema", 2_400)))
        at_expiry = "capture" if day == 11 else "release"
        booking = tx.Hold(
            account=guest,
            beneficiary=place,
            legs=((EUR, str(units)),),
            expires=self._time + 2 * DAY,
            at_expiry=at_expiry,  # type: ignore[arg-type]  # one of the two words
        )
        hold = yield from self._step(self._envelope(guest, booking))
        match day % 4:
            case 0:
                yield from self._step(self._envelope(place, tx.Capture(account=place, hold=hold)))
            case 1:
                part = tx.Capture(account=place, hold=hold, legs=((EUR, str(units // 3)),), final=True)
                yield from self._step(self._envelope(place, part))
            case 2:
                yield from self._step(self._envelope(place, tx.Release(account=place, hold=hold)))
            case _:
                pass  # nobody comes: it ends by itself

    def _salaries(self, day: int) -> Steps:
        """Pay all employees in one signature; the once-key makes a second run harmless."""
        for employer, people in (("mill", PEOPLE[:20]), ("clinic", PEOPLE[20:])):
            legs = tuple((EUR, name, str(self._random.randrange(120_000, 310_000))) for name in people)
            pay = tx.Transfer(account=employer, legs=legs, reference=f"salaries {day // 14 + 1}")
            yield from self._step(self._envelope(employer, pay, once=f"salaries-{day // 14 + 1}"))

    def _redeem_euro(self) -> Steps:
        """Let Erin take money out: the bank pays elsewhere and names that payment."""
        ask = tx.Redeem(account="erin", asset=EUR, units="25000", reference="to my account elsewhere")
        lot = yield from self._step(self._envelope("erin", ask))
        settle = tx.SettleRedemption(account="bank.treasury", lot=lot, evidence="SEPA 2026-01-07 no 4711")
        yield from self._step(self._envelope("bank.treasury", settle))

    def _collect_gold(self) -> Steps:
        """Let somebody fetch gold from the vault."""
        holder = max(PEOPLE, key=lambda name: (self._has(name, GOLD), name))
        ask = tx.Redeem(account=holder, asset=GOLD, units="2000", reference="collected in person")
        lot = yield from self._step(self._envelope(holder, ask))
        settle = tx.SettleRedemption(account="vault", lot=lot, evidence="delivery note 88")
        yield from self._step(self._envelope("vault", settle))

    def _notes(self) -> Steps:
        """Let two ask Harbour for their money: Judy is paid, Trent is not, and it shows."""
        for holder, units in (("judy", "100000"), ("trent", "900000")):
            ask = tx.Redeem(account=holder, asset=NOTE, units=units)
            lot = yield from self._step(self._envelope(holder, ask))
            if holder == "judy":
                yield from self._step(
                    self._envelope("harbour", tx.SettleRedemption(account="harbour", lot=lot))
                )

    def _freeze(self) -> Steps:
        """Let Cove freeze Mallory's dollars, by the power that the asset declared at its creation."""
        freeze = tx.SetListing(account="cove", asset=USD, list="frozen", subject="mallory", listed=True)
        yield from self._step(self._envelope("cove", freeze))

    def _delivery_against_payment(self) -> Steps:
        """Settle gold against euro in an escrow: both legs or neither."""
        seller = max(PEOPLE, key=lambda name: (self._has(name, GOLD), name))
        buyer = max(
            (name for name in PEOPLE if name != seller), key=lambda name: (self._has(name, EUR), name)
        )
        legs = [(seller, buyer, GOLD, 1_000), (buyer, seller, EUR, 7_950)]
        yield from self._deal("deal-1", seller, legs, hours=24)
        yield from self._fund("deal-1", 0, seller, GOLD, 1_000)
        yield from self._fund("deal-1", 1, buyer, EUR, 7_950)

    def _deal_that_fails(self) -> Steps:
        """Begin another, whose buyer never pays: at the deadline the seller has the gold back."""
        sellers = (name for name in PEOPLE if name != "mallory")
        seller = max(sellers, key=lambda name: (self._has(name, GOLD), name))
        legs = [(seller, "mallory", GOLD, 2_000), ("mallory", seller, EUR, 15_900)]
        yield from self._deal("deal-2", seller, legs, hours=24)
        yield from self._fund("deal-2", 0, seller, GOLD, 2_000)

    def _deal(self, name: str, deployer: str, legs: list[tuple[str, str, str, int]], *, hours: int) -> Steps:
        parameters = {
            "deadline": self._time + hours * HOUR,
            "legs": [
                {"payer": payer, "receiver": receiver, "asset": asset, "units": units}
                for payer, receiver, asset, units in legs
            ],
            "settles_together": True,
        }
        action = tx.Deploy(
            account=deployer, contract=name, kind="escrow", version=1, parameters=encode_arguments(parameters)
        )
        yield from self._step(self._envelope(deployer, action))

    def _fund(self, name: str, leg: int, payer: str, asset: str, units: int) -> Steps:
        action = tx.Call(
            account=payer,
            contract=name,
            method="fund",
            arguments=encode_arguments({"leg": leg}),
            spend=((asset, str(units)),),
        )
        yield from self._step(self._envelope(payer, action))


def _assets() -> list[tx.CreateAsset]:
    """Return the declarations, each with all that its issuer may ever do."""
    return [
        tx.CreateAsset(
            account="bank",
            code="eur",
            kind="claim",
            decimals=2,
            unit="EUR",
            obligor="alder-bank",
            terms=Terms(owes="EUR"),
        ),
        tx.CreateAsset(
            account="cove",
            code="usd",
            kind="claim",
            decimals=2,
            unit="USD",
            obligor="cove-money",
            terms=Terms(owes="USD", notice_seconds=86_400),
            policy=PolicySpec(kind="controlled", lists_by="cove", rules_by="cove"),
            claw_back_by="cove",
        ),
        tx.CreateAsset(
            account="cove",
            code="eur",
            kind="claim",
            decimals=2,
            unit="EUR",
            obligor="cove-money",
            terms=Terms(owes="EUR", notice_seconds=86_400),
        ),
        tx.CreateAsset(
            account="vault",
            code="gold",
            kind="claim",
            decimals=3,
            unit="XAU-g",
            obligor="stonegate-vault",
            terms=Terms(owes="XAU-g", notice_seconds=2 * 86_400, rank="secured"),
        ),
        tx.CreateAsset(
            account="harbour",
            code="note",
            kind="claim",
            decimals=2,
            unit="EUR",
            obligor="harbour-credit",
            terms=Terms(owes=EUR, matures=START + 14 * DAY, grace_seconds=2 * 86_400, rank="subordinated"),
        ),
        tx.CreateAsset(account="commons", code="tally", kind="token"),
    ]


def play(
    economy: Economy,
    submit: Callable[[Sequence[bytes], int], Sequence[Outcome]],
    *,
    end_day: Callable[[], object],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Run an economy on a ledger and return how many transactions it made.

    `submit` takes envelopes and the batch's time; `end_day` is called where a checkpoint is due.
    """
    steps = economy.steps()
    count = days = 0
    try:
        step = next(steps)
        while True:
            outcomes = submit(step.envelopes, step.time)
            count += len(step.envelopes)
            if step.ends_day:
                end_day()
                days += 1
                if progress is not None:
                    progress(days, DAYS)
            step = steps.send(outcomes)
    except StopIteration:
        return count
