"""The economy's credit: a central bank, a second bank, a custodian of dollars, a coin's issuer, clients.

    cb        issues reserves, has the state's bonds, and opens a window: a lender of last resort
    birch     a bank with little in hand and much lent out: whole on paper, and short in a run
    bank      alder-bank, the economy's first, gets reserves and bonds; an auditor attests its loan book
    trust     holds dollars elsewhere and owes receipts for them; `trust.desk` instructs
    tern      issues a coin on trust's instruction alone
    vault     keeps clients' tallies in a custody contract, one for one

Loans make deposits, payments between the two banks burn at one, move reserves and issue at the other, and the
window lends against bonds for some days. The actions are data; `economy` signs and submits them.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tallystick.client.arguments import encode_arguments
from tallystick.client.economy_pools import EUR
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND

RESERVE, BOND, BIRCH_EUR = "reserve@cb", "bond@state", "eur@birch"
RECEIPT, COIN, TALLY = "usd@trust", "coin@tern-coin", "tally@commons"
PURSE, TREASURY, DESK = "cb.purse", "bank.treasury", "trust.desk"
WINDOW, SAFE, COIN_CONTRACT = "window", "safe", "tern-coin"

PAPERS: Final = (
    ("bank", "alder-papers", "alder-bank", "loan book", "EUR", 70_000_000),
    ("cove", "cove-papers", "cove-money", "dollars at banks elsewhere", "USD", 6_500_000),
    ("trust", "larch-papers", "larch-trust", "dollars at banks elsewhere", "USD", 6_100_000),
    ("vault", "cellar-papers", "stonegate-vault", "gold in the cellar", "XAU-g", 1_100_000),
)
"""What an auditor attests: whose account, in which contract, for which institution, what, and how much."""

ACCOUNTS: Final = ("cb", PURSE, "birch", "state", "trust", DESK, "tern", "auditor")
FOUNDED: Final = (
    ("cb", "central-bank", ("central_bank",)),
    ("birch", "birch-bank", ("bank",)),
    ("state", "commonwealth", ()),
    ("trust", "larch-trust", ("custodian", "issuer")),
    ("tern", "tern-money", ("issuer",)),
    ("mill", "mill-works", ()),
    ("clinic", "clinic-house", ()),
)
JOINED: Final = ((PURSE, "central-bank", "cb"), (DESK, "larch-trust", "trust"))
LOANS: Final = (("mill", "mill-works", 14_000_000), ("clinic", "clinic-house", 10_000_000))
"""Who borrows from birch how much; the loans pay 105 for 100 in 200 days."""
COIN_CLIENTS: Final = ("laura", "niaj", "olivia")
TALLY_CLIENTS: Final = ("peggy", "rupert", "sybil")
DEPOSITORS: Final = ("grace", "heidi", "ivan", "karl", "quentin", "ursula", "walter", "yusuf")
"""People who move money from alder to birch in the course of the month."""


class Deed(NamedTuple):
    """One transaction: who sends it, its actions, and who signs besides those whom they name."""

    sender: str
    actions: tuple[tx.Action, ...]
    also: tuple[str, ...] = ()


def declarations(start: int) -> Iterator[Deed]:
    """Yield who founds what, and the assets that there are to owe."""
    for account, name, roles in FOUNDED:
        yield Deed(account, (tx.FoundInstitution(account=account, name=name, roles=roles),))
    for account, institution, founder in JOINED:
        yield Deed(account, (tx.JoinInstitution(account=account, institution=institution),), (founder,))
    yield _claim("cb", "reserve", "central-bank", Terms(owes="EUR"), "EUR")
    yield _claim("state", "bond", "commonwealth", Terms(owes="EUR", matures=start + 1_500 * DAY), "EUR")
    yield _claim("birch", "eur", "birch-bank", Terms(owes=RESERVE), "EUR")
    yield _claim("trust", "usd", "larch-trust", Terms(owes="USD", notice_seconds=86_400), "USD")
    for account, institution, _ in LOANS:
        terms = Terms(owes="EUR", matures=start + 200 * DAY, pays=21, per=20)
        yield _claim(account, "loan", institution, terms, "EUR")


def endowments() -> Iterator[Deed]:
    """Yield what there is at first: bonds, reserves and receipts."""
    bonds = {PURSE: 40_000_000, TREASURY: 20_000_000, "birch": 9_000_000}
    reserves = {PURSE: 25_000_000, TREASURY: 30_000_000, "birch": 4_000_000}
    yield Deed("state", (_issue("state", BOND, bonds),))
    yield Deed("cb", (_issue("cb", RESERVE, reserves),))
    yield Deed("trust", (_issue("trust", RECEIPT, {DESK: 6_000_000}),))


def contracts() -> Iterator[Deed]:
    """Yield the contracts: the window, the coin, the safe, and what auditors say."""
    window = {
        "lender": PURSE,
        "asset": RESERVE,
        "term_seconds": 7 * 86_400,
        "rate_ppm": 45_000,
        "rate_ppm_max": 100_000,
        "haircut_bps_max": 5_000,
        "delay_seconds": 86_400,
        "collateral": [{"asset": BOND, "numerator": 1, "denominator": 1, "haircut_bps": 1_000}],
    }
    yield Deed(PURSE, (_deploy(PURSE, WINDOW, "standing_facility", window),))
    coin = {
        "institution": "tern-money",
        "issuer": "tern",
        "custodian": DESK,
        "receipt": RECEIPT,
        "code": "coin",
    }
    yield Deed("tern", (_deploy("tern", COIN_CONTRACT, "custodied_coin", coin, obligor="tern-money"),))
    kept = [{"asset": TALLY, "code": "tally"}]
    safe = {"institution": "stonegate-vault", "custodian": "vault", "kept": kept}
    yield Deed("vault", (_deploy("vault", SAFE, "custody", safe, obligor="stonegate-vault"),))
    for account, name, institution, *_ in PAPERS:
        yield Deed(
            account,
            (_deploy(account, name, "attestations", {"attestors": ["auditor"]}, obligor=institution),),
        )
    yield Deed(PURSE, (_call(PURSE, WINDOW, "fund", {"units": 25_000_000}, spend={RESERVE: 25_000_000}),))
    for borrower in ("birch", TREASURY):
        yield Deed(PURSE, (_call(PURSE, WINDOW, "admit", {"borrower": borrower, "admitted": True}),))


def day(number: int, now: int, has: Any) -> Iterator[Deed]:
    """Yield what this day has in store; `has(account, asset)` tells what there is."""
    if number == 0:
        yield from _attestations(now)
    if number == 1:
        yield from _loans()
    if number % 3 == 1:
        yield from _payment_between_banks(number // 3, has)
    if number in (5, 11):
        yield from _mint(number, now)
    if number == 14:
        yield from _burn(now, has)
    if number == 6:
        for client in TALLY_CLIENTS:
            deposit = _call(client, SAFE, "deposit", {"asset": TALLY, "units": 200}, spend={TALLY: 200})
            yield Deed(client, (deposit,))
    if number == 20:
        client = TALLY_CLIENTS[0]
        back = _call(client, SAFE, "withdraw", {"asset": TALLY, "units": 50}, spend={f"tally@{SAFE}": 50})
        yield Deed(client, (back,))
    if number == 16:
        pledge = {"collateral": BOND, "collateral_units": 3_000_000, "units": 2_500_000}
        yield Deed("birch", (_call("birch", WINDOW, "borrow", pledge, spend={BOND: 3_000_000}),))
    if number == 19:
        yield Deed("birch", (_call("birch", WINDOW, "repay", {"loan": 1}, spend={RESERVE: 2_510_000}),))


def _attestations(now: int) -> Iterator[Deed]:
    for _, contract, _, item, what, units in PAPERS:
        said = {
            "item": item,
            "side": "asset",
            "what": what,
            "units": units,
            "expires": now + 100 * DAY,
            "matures": now + 700 * DAY if what == "EUR" else 0,
            "reference": "report 2026-01",
        }
        yield Deed("auditor", (_call("auditor", contract, "attest", {"said": said}),))


def _loans() -> Iterator[Deed]:
    """Yield loans that make deposits: the borrower's promise against the bank's, in one transaction."""
    for account, _, units in LOANS:
        promise = _issue(account, f"loan@{account}", {"birch": units})
        yield Deed(account, (promise, _issue("birch", BIRCH_EUR, {account: units})))


def _payment_between_banks(number: int, has: Any) -> Iterator[Deed]:
    """Yield a payment of somebody at alder to themselves at birch: burn, reserves, issue; or nothing."""
    client = DEPOSITORS[number % len(DEPOSITORS)]
    units = has(client, EUR) // 2
    if units and has(TREASURY, RESERVE) >= units:
        yield Deed(
            client,
            (
                tx.Transfer(account=client, legs=((EUR, "bank", str(units)),), reference="to my other bank"),
                tx.Transfer(account=TREASURY, legs=((RESERVE, "birch", str(units)),)),
                _issue("birch", BIRCH_EUR, {client: units}),
            ),
        )


def _mint(number: int, now: int) -> Iterator[Deed]:
    """Yield mints: the custodian instructs under a wire's number, the issuer executes."""
    for place, client in enumerate(COIN_CLIENTS):
        key, units = f"wire {number}-{place}", 400_000 + 50_000 * place
        said = {"key": key, "to": client, "units": units, "expires": now + 2 * DAY}
        yield Deed(DESK, (_call(DESK, COIN_CONTRACT, "instruct_mint", said, spend={RECEIPT: units}),))
        yield Deed("tern", (_call("tern", COIN_CONTRACT, "execute", {"key": key}),))


def _burn(now: int, has: Any) -> Iterator[Deed]:
    client = COIN_CLIENTS[0]
    units = has(client, COIN) // 2
    if units:
        asked = {"key": "out 1", "units": units, "expires": now + 2 * DAY}
        yield Deed(client, (_call(client, COIN_CONTRACT, "request_burn", asked, spend={COIN: units}),))
        paid = {"key": "out 1", "evidence": "wire 9-1"}
        yield Deed(DESK, (_call(DESK, COIN_CONTRACT, "instruct_burn", paid),))


def _claim(account: str, code: str, obligor: str, terms: Terms, unit: str) -> Deed:
    action = tx.CreateAsset(
        account=account, code=code, kind="claim", decimals=2, unit=unit, obligor=obligor, terms=terms
    )
    return Deed(account, (action,))


def _issue(issuer: str, asset: str, units: dict[str, int]) -> tx.Issue:
    return tx.Issue(account=issuer, legs=tuple((asset, name, str(many)) for name, many in units.items()))


def _deploy(
    account: str, name: str, kind: str, parameters: dict[str, Any], *, obligor: str = ""
) -> tx.Deploy:
    return tx.Deploy(
        account=account,
        contract=name,
        kind=kind,
        version=1,
        parameters=encode_arguments(parameters),
        obligor=obligor,
    )


def _call(
    account: str,
    contract: str,
    method: str,
    arguments: dict[str, Any],
    *,
    spend: dict[str, int] | None = None,
) -> tx.Call:
    return tx.Call(
        account=account,
        contract=contract,
        method=method,
        arguments=encode_arguments(arguments),
        spend=tuple((asset, str(units)) for asset, units in sorted((spend or {}).items())),
    )
