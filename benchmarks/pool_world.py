"""A state with pools in it, and streams of swaps through them, for the pool benchmarks."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from benchmarks.world import ASSET, TIME, World, account_name
from tallystick.ledger.apply import apply
from tallystick.ledger.contract import to_wire
from tallystick.ledger.records import Asset
from tallystick.ledger.transactions import (
    Action,
    AuthenticTransaction,
    Call,
    Deploy,
    Transaction,
    authenticate,
    encode_envelope,
    encode_transaction,
    signing_bytes,
)

OTHER = "usd@bank"
FUNDS = 10**24
PAIR = "pair"
RANGE = "range"


def wire(**arguments: Any) -> msgspec.Raw:
    """Return a call's arguments in their wire form."""
    return msgspec.Raw(msgspec.json.encode(to_wire(arguments)))


class PoolWorld(World):
    """A world whose accounts have two assets, with a provider that filled a pool of each kind."""

    def __init__(self, *, accounts: int, signers: int = 1) -> None:
        super().__init__(accounts=accounts, signers=signers)
        first: Asset = self.store.values["asset", ASSET]
        self.store.write({("asset", OTHER): msgspec.structs.replace(first, id=OTHER, unit="USD")})
        for asset in (ASSET, OTHER):
            holders = {("balance", account_name(number), asset): FUNDS for number in range(accounts)}
            self.store.write(holders)
            self.store.write({("balance", "bank", asset): -accounts * FUNDS})
        self.run(
            Deploy(
                account=account_name(0),
                contract=PAIR,
                kind="constant_product_pool",
                version=1,
                parameters=wire(asset_0=ASSET, asset_1=OTHER),
            ),
            self.call(PAIR, "mint", units_0=10**21, units_1=2 * 10**21),
            Deploy(
                account=account_name(0),
                contract=RANGE,
                kind="concentrated_liquidity_pool",
                version=1,
                parameters=wire(
                    asset_0=ASSET, asset_1=OTHER, fee_ppm=3000, tick_spacing=60, sqrt_price=1 << 96
                ),
            ),
            *(
                self.call(RANGE, "mint", lower=tick, upper=tick + 60, liquidity=10**21)
                for tick in range(-600, 600, 60)
            ),
        )

    def call(self, contract: str, method: str, *, sender: int = 0, **arguments: Any) -> Call:
        """Return a call that may take whatever the account has."""
        return Call(
            account=account_name(sender),
            contract=contract,
            method=method,
            arguments=wire(**arguments),
            spend=((ASSET, str(FUNDS)), (OTHER, str(FUNDS))),
        )

    def signed(self, actions: Sequence[Action], *, sender: int = 0) -> bytes:
        """Return a signed envelope of these actions."""
        self._number += 1
        stamp = f"{TIME // 1000:012x}7{self._number % 4096:03x}8{self._number // 4096:015x}"
        payload = encode_transaction(
            Transaction(
                ledger=self.ledger_id,
                id=f"{stamp[:8]}-{stamp[8:12]}-{stamp[12:16]}-{stamp[16:20]}-{stamp[20:]}",
                sender=account_name(sender),
                expires=TIME + 3_600_000_000,
                actions=tuple(actions),
            )
        )
        signer = self.signers[min(sender, len(self.signers) - 1)]
        return encode_envelope(payload, {signer.public_key: signer.sign(signing_bytes(payload))})

    def run(self, *actions: Action) -> list[Any]:
        """Run one transaction in a batch of its own and return its results."""
        overlay, batch = self.begin()
        receipt = apply(overlay, authenticate(self.signed(actions)), batch)
        self.store.write(overlay.writes)
        return receipt.results

    def swaps(self, count: int, *, accounts: int, seed: int) -> list[tuple[int, str, int]]:
        """Return (sender, asset in, units in) of random trades through the pair, both ways."""
        draw = random.Random(seed)
        return [
            (draw.randrange(accounts), draw.choice((ASSET, OTHER)), draw.randrange(10**15, 10**18))
            for _ in range(count)
        ]

    def swap(self, trade: tuple[int, str, int]) -> AuthenticTransaction:
        """Return a trade through the pair, ready to be applied."""
        sender, asset_in, units = trade
        asset_out = OTHER if asset_in == ASSET else ASSET
        action = Call(
            account=account_name(sender),
            contract=PAIR,
            method="swap_exact_in",
            arguments=wire(asset_in=asset_in, asset_out=asset_out, units_in=units, least_out=1),
            spend=((asset_in, str(units)),),
        )
        return authenticate(self.signed([action], sender=sender), check_signatures=False)
