"""The register of adapters: which file of vectors is run by what."""

from pathlib import PurePath

from tests.vectors import (
    curve_3pool,
    erc4626_vault,
    maker_clipper,
    morpho_blue,
    rate_models,
    sablier_streams,
    synthetix_rewards,
    uniswap_v2,
    uniswap_v3,
)
from tests.vectors.harness import Adapter

ADAPTERS: dict[str, Adapter] = {
    **uniswap_v2.ADAPTERS,
    **uniswap_v3.ADAPTERS,
    **curve_3pool.ADAPTERS,
    **maker_clipper.ADAPTERS,
    **morpho_blue.ADAPTERS,
    **rate_models.ADAPTERS,
    **synthetix_rewards.ADAPTERS,
    **erc4626_vault.ADAPTERS,
    **sablier_streams.ADAPTERS,
}


def adapter_for(path: PurePath) -> Adapter | None:
    """Return the adapter whose name is the longest that the file's stem starts with."""
    names = [name for name in ADAPTERS if path.stem.startswith(name)]
    return ADAPTERS[max(names, key=len)] if names else None
