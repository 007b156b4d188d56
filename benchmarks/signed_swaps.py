"""Signed swaps a second through the whole node: bytes in memory to durable receipts, in one shared pool."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.limits import measure_verifications
from benchmarks.pool_world import wire
from benchmarks.result import Result
from benchmarks.service_world import ASSET, OPENING_UNITS, ServiceWorld, signed_triples
from benchmarks.signed_transfers import PROCESSES, settle
from benchmarks.world import account_name
from tallystick.ledger.transactions import Action, Call, CreateAsset, Deploy, Issue

OTHER = "usd@bank"
PAIR = "pair"
_RESERVE_UNITS = 500_000_000
_TRADE_UNITS_MAX = 1_000


def run(*, quick: bool) -> Result:
    """Settle pre-signed swaps of 100k accounts in one constant-product pool: every one contends for it."""
    accounts, count = (1_000, 4_000) if quick else (100_000, 120_000)
    with TemporaryDirectory(prefix="tallystick-benchmark-") as directory:
        world = SwapWorld(Path(directory, "benchmark.tally"), accounts=accounts)
        world.open_pool()
        envelopes = world.swaps(count, seed=6)
        rate, conditions = settle(world, envelopes)
        limit = measure_verifications(
            signed_triples(envelopes[:5_000]), duration_seconds=0.5 if quick else 3.0, processes=PROCESSES
        )
    conditions["swaps"] = conditions.pop("transfers")
    return Result(
        benchmark="signed_swaps",
        value=rate,
        unit="verifications/s",
        limit=limit,
        conditions={"accounts": accounts, "pools": 1, "seed": 6, **conditions},
    )


class SwapWorld(ServiceWorld):
    """A service's world whose accounts have a second asset, with a pool of both."""

    def open_pool(self) -> None:
        """Issue the second asset to everybody, and let the first account fill a pool."""
        legs = [(OTHER, account_name(number), str(OPENING_UNITS)) for number in range(self.accounts)]
        maker = account_name(0)
        self._submit("bank", CreateAsset(account="bank", code="usd", kind="token"))
        for start in range(0, len(legs), 5_000):
            self._submit("bank", Issue(account="bank", legs=tuple(legs[start : start + 5_000])))
        self._submit(
            maker,
            Deploy(
                account=maker,
                contract=PAIR,
                kind="constant_product_pool",
                version=1,
                parameters=wire(asset_0=ASSET, asset_1=OTHER),
            ),
            Call(
                account=maker,
                contract=PAIR,
                method="mint",
                arguments=wire(units_0=_RESERVE_UNITS, units_1=_RESERVE_UNITS),
                spend=tuple((asset, str(_RESERVE_UNITS)) for asset in (ASSET, OTHER)),
            ),
        )

    def _submit(self, sender: str, *actions: Action) -> None:
        signer = self._bank if sender == "bank" else self._signer(0)
        with self.open() as ledger:
            outcome = ledger.submit([self._envelope(sender, signer, actions)])[0]
        if outcome.rejection is not None:
            raise outcome.rejection

    def swaps(self, count: int, *, seed: int) -> list[bytes]:
        """Return signed swaps of random accounts, both ways, each with a limit that the price cannot miss."""
        draw = random.Random(seed)
        envelopes = []
        for _ in range(count):
            number = draw.randrange(self.accounts)
            asset_in, asset_out = draw.choice(((ASSET, OTHER), (OTHER, ASSET)))
            units = draw.randint(100, _TRADE_UNITS_MAX)
            # Both reserves are half a million times the largest trade, so a tenth covers every drift.
            least = units * 9 // 10
            action = Call(
                account=account_name(number),
                contract=PAIR,
                method="swap_exact_in",
                arguments=wire(asset_in=asset_in, asset_out=asset_out, units_in=units, least_out=least),
                spend=((asset_in, str(units)),),
                receive=((asset_out, str(least)),),
            )
            envelopes.append(self._envelope(account_name(number), self._signer(number), (action,)))
        return envelopes
