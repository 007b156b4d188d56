"""The client: everything that needs no server and no trust in one.

    errors         the root of the exceptions, and the tree of them
    actions, vocabulary     what the core and the log offer to commands, under one roof
    amounts, times, arguments, identifiers     between what people write and what the ledger reads
    transactions   building and signing; describe says in words what a signature would mean
    keyring        keys at rest
    connection     what a ledger is to a client
    payments       a CSV file of payments, settled once
    sources        a log out of a ledger file or an export
    verifier       the whole history again, trusting nothing; signatures and tree are its helpers
    proofs         one receipt or one balance, checked with nothing but the file and a key
    economy        a small economy from a seed, for demonstrations

Nothing here knows the node. What a program of another operator, or another language, could not do with the
log's bytes alone, this room cannot do either.
"""
