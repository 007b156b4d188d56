"""Who owes whom: institutions, what accounts have and owe, and what that is worth, read from a state.

    books      Books: a state with the indexes that institutions' questions need: who belongs to whom, what
               everybody holds, claims by obligor, holds, redemptions, and contracts' answers about themselves
    holdings   holdings_of(books, account): everything that an account has and owes, inside contracts too;
               look_through(books, asset, units): shares followed to the claims and tokens behind them
    prices     Prices: what a unit of an asset is worth in a unit of account, an exact ratio with its source
               and its time; a price that nobody gave is `Missing` with a reason, never a guess
    trust      trust_of_account(books, name), trust_of_asset(books, asset): whom whoever holds it relies on
    owing      end_of(get, asset): what a claim comes to at the end of its terms; maturity buckets
    sheet      sheet(books, institution, prices): the balance sheet, live or of any state rebuilt
    statements income and cash flow between two entries: why equity and cash changed
    money      aggregates(books): M0, M1 and M2 by currency
    views      Views: coverage in kind at every entry, and licences by behaviour, kept up with receipts;
               replay(receipts, get) makes the same of a whole log; coverage, licence and watch are its parts

Everything here reads and computes in whole numbers; nothing writes. The same functions answer for the state
as it is, for one rebuilt at a past entry, and for a fork on which a drill runs.
"""
