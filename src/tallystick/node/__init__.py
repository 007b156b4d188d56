"""The node: it orders what is submitted, makes it durable, and answers.

    journal, lock, entries   the one file: what is in it, who may write it, what an entry is
    sequencer                executes batches on overlays that nobody sees before they are durable
    commitment, snapshot     the state with its root; the state on disk
    log_tree                 the Merkle log over the entries: tiles and checkpoints
    recovery                 from a file back to a state
    ledger_file              all of it behind one object: the embedded node
    proofs, projections      answers for strangers; answers about the past
    backup, export, check    copies, static files, and the check of a file without executing it

Order comes from one place, `LedgerFile`; nothing else knows where it comes from. See `faults` for what can
go wrong.
"""
