"""The protocol: what is in force, and the one place that names every kind.

A contract kind and version listed here is listed for ever, so that old logs replay. A new behaviour is a
new version, brought into force on a ledger by a delayed `activate`.
"""

from typing import Final

from tallystick.contracts.attestations import Attestations
from tallystick.contracts.concentrated_liquidity_pool import ConcentratedLiquidityPool
from tallystick.contracts.constant_product_pool import ConstantProductPool
from tallystick.contracts.custodied_coin import CustodiedCoin
from tallystick.contracts.custody import Custody
from tallystick.contracts.distribution import Distribution
from tallystick.contracts.dutch_liquidation import DutchLiquidation
from tallystick.contracts.escrow import Escrow, SwapSettlement
from tallystick.contracts.flash_loan import FlashLoan
from tallystick.contracts.fund import Fund
from tallystick.contracts.lending_market import LendingMarket
from tallystick.contracts.oracle import Oracle
from tallystick.contracts.own_token_swap import OwnTokenSwap
from tallystick.contracts.rewards import Rewards
from tallystick.contracts.route import Route
from tallystick.contracts.stable_pool import StablePool
from tallystick.contracts.standing_facility import StandingFacility
from tallystick.contracts.stream import Streams
from tallystick.contracts.vault import Vault
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract
from tallystick.ledger.policies import CONTROLLED

VERSION: Final = 1
"""The protocol version that new ledgers start with."""

_CONTRACTS: tuple[Contract, ...] = (
    Escrow(),
    ConstantProductPool(),
    Route(),
    ConcentratedLiquidityPool(),
    StablePool(),
    FlashLoan(),
    OwnTokenSwap(),
    Oracle(),
    LendingMarket(),
    DutchLiquidation(),
    Attestations(),
    StandingFacility(),
    Custody(),
    CustodiedCoin(),
    Rewards(),
    Vault(),
    Streams(),
    SwapSettlement(),
    Distribution(),
    Fund(),
)

KINDS: Final = Kinds(
    contracts={(contract.kind, contract.version): contract for contract in _CONTRACTS},
    policies={"controlled": CONTROLLED},
    versions=frozenset([VERSION]),
)
"""Every contract kind and version, policy kind and protocol version that this code can execute."""
