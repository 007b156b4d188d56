"""Stress: what would happen if everyone withdrew now, and what did happen when they did.

    scenario     Scenario: who runs, how fast, shocks, reports, what stands; every error at once
    ground       Ground: a fork that runs days, by the ledger's own entrance, with the books that follow it
    clearing     who can pay how much of what is due when everybody pays what it can, exactly
    redeeming    how a claim is asked for and paid whose issuer is a contract, told by that contract
    tills        Tills: what is asked of whom, and paid by real transactions
    at_contracts AtContracts: claims that contracts take back by themselves, and windows that are settled
    facilities   the contracts by which a lender of last resort lends
    last_resort  what it lends to those who are short: by those, or as a scenario supposes
    raising      how one that is short finds cash: claims called, contracts left, assets sold, a lender
    drill        run_drill(state, kinds, scenario): the days, one after another -> Outcome
    outcome      Outcome: who was paid what and when, who failed, why, in which order; its document and hash
    leaving      everyone leaves a contract: by its own exits, day after day
    rescue       the least help that would have stopped a failure, by bisection
    curve        the run curve: share withdrawn -> share paid, as data and as a picture
    liquidity    the maturity ladder, an LCR-like and an NSFR-like view; `basel` has the tables
    diamond      the thresholds of the textbook's bank run
    replay/      histories of institutions that failed, day by day, as somebody saw them then

A drill simulates people, not the ledger: every withdrawal, sale and payment on its fork is a transaction that
the ledger accepted. What people would do stands in the scenario, what came of it in the outcome, and a state
root with a scenario gives the same outcome on any machine. Drills run in a process of their own, for they
take seconds of the processor.
"""
