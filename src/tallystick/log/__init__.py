"""The log: every accepted transaction in order, summed up in a root that strangers can check.

It commits to bytes, not to meanings, and follows published formats throughout, so that existing monitors and
witnesses can read it: RFC 6962 for the tree, C2SP for tiles, notes, checkpoints, cosignatures and proofs.

    tree         the Merkle tree: append, prove, verify
    leaf         the 90 bytes an entry is
    tiles        the tree as static files
    note         signed text
    checkpoint   the signed size and root
    witness      cosignatures, and whom to believe
    proof        one file that shows an entry to a stranger
    state_tree   the commitment to all keys and values, which `root` entries carry
    state_tree_process   the same tree in a process of its own

Exceptions are all `ValueError`, and none is a verdict that could be ignored:

    ValueError
    ├── ProofError      tree, tiles, proof, state_tree: it does not show what it claims
    ├── NoteError       note, checkpoint: malformed, or not signed by whom it must be
    ├── QuorumError     witness: too few cosignatures
    └── WitnessError    witness: why a witness refuses, with five kinds
"""
