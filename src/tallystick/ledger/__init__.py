"""The deterministic core: who owns what, who may move it, and what follows.

    names, amounts, rejections   what things are called, counted and refused as
    records, store, encoding     what the state holds, how it is written, its bytes
    transactions, receipts       what goes in and what comes out
    execution                    the postings: the one way in which a balance changes
    accounts, mandates, assets, policies, claims, holds, timers     the actions
    contract, runtime            what a mechanism is written against, and what runs it
    pools, prices, rates, attestations, redemptions     what contracts of several kinds share
    apply, invariants, backing   the one entrance, and what must hold behind it
    genesis, replay, fork        the beginning, the history again, and copies that are thrown away

Nothing here reads a clock, a file, a random source or a float, and nothing depends on iteration order.
"""
