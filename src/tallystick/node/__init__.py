"""The node: it orders what is submitted, makes it durable, and answers.

A ledger file, used by one process:

    journal, lock, entries   the one file: what is in it, who may write it, what an entry is
    sequencer                executes batches on overlays that nobody sees before they are durable
    commitment, snapshot     the state with its root, here or in a process beside; the state on disk
    log_tree, log_files      the Merkle log over the entries: tiles and checkpoints, and as static files
    recovery, past           from a file back to a state; the state as it was after any entry
    ledger_file, staged      all of it behind one object: the embedded node; the same in steps
    proofs, projections      answers for strangers; answers about the past
    backup, export, rebuild, check     copies, static files, a file from its log alone, the check of a file

Credit and stress, as documents:

    live_books, live_views   the index behind questions about credit; coverage and licences batch by batch
    institutions, trust      what `tallystick.institutions` answers, written down
    drill_process, drills    one full run in a process of its own; the newest of each subject

Served to many:

    config, server           settings from file, environment and flags; a file served until told to stop
    app, front, routes/      the application; the few requests that must be fast; one topic a file
    service, pipeline        the way from envelope to durable receipt; what goes through its queues
    verify, committer        decoding and signatures on all cores; the thread that writes
    readers, following       threads that answer from the file; a service that reads beside the writer
    state_index, pages       accounts, balances, holds and contracts in order; histories as answered last
    stream, webhooks         entries as they come, pulled or pushed
    problems, rates, metrics     one shape of error, how often somebody may, what an operator watches

Order comes from one place, `LedgerFile`; nothing else knows where it comes from. See `faults` for what can
go wrong.
"""
