"""The client: everything that needs no server and no trust in one.

    errors         the root of the exceptions, and the tree of them
    actions, vocabulary     what the core and the log offer to commands, under one roof
    amounts, times, arguments, identifiers     between what people write and what the ledger reads
    transactions   building and signing; describe says in words what a signature would mean
    keyring        keys at rest

Contracts, for people: each asks a contract's views and builds calls that carry their limits.

    calls, prices     what they share: how a view is asked, and one call; a ratio as people write it
    pools, routing, loans     trades, the best path for one, flash loans
    lending, vaults, streams, sales, rewards, distributions, settlements, funds, oracles,
    own_tokens     one kind each
    exits          everything that leaves a contract now, whatever its kind

Ledgers elsewhere:

    connection     what a ledger is to a client
    http, http_async     a node, for threads and for event loops; questions/ has one file a topic
    attempts, events     when to try again; the stream
    follow, mirror     a log followed from its key, and copied
    payments       a CSV file of payments, settled once

Checking without anybody:

    sources        a log out of a ledger file or an export
    verifier       the whole history again, trusting nothing; signatures, tree_check, log_key are its helpers
    proofs         one receipt or one balance, checked with nothing but the file and a key

For demonstrations:

    economy        a small economy from a seed, with economy_pools, economy_lending and economy_credit
    agents         its people, going on with their business on a ledger that is served

Nothing here knows the node. What a program of another operator, or another language, could not do with the
log's bytes alone, this room cannot do either.
"""
