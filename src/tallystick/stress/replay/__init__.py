"""Replays: institutions that failed, day by day, as a supervisor, a customer or a counterparty saw them then.

    document     YAML into typed values, every fault at once with its line
    case         what was published, when and by whom, under seal until its day; what is only assumed
    alarm        the one rule: four reasons, one set of thresholds
    ledger       a ledger in memory on which every account signs
    world        a case booked on it, each sheet on the day of its publication
    drilled      the ordinary drill on its ledger, under the alarm's own numbers
    watch        the days, the alarm, the sweep of each assumption, and sound peers under the same rule

What happened afterwards is hindsight and apart from all that:

    aftermath    the same withdrawals on the institution's own books, and where custody is apart
    own_token_run    the own-token swap as it was deployed

    report       all of it as one document; `sections`, `text`, `picture` and `page` show it

The cases are data (`cases/*.yaml`) in the format that a user's own case has.
"""
