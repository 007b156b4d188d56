"""What can go wrong on the client's side, as one tree.

    ClientError
    ├── AmountError          amounts: not an amount of that many decimals
    ├── TimeError            times: not a time or a duration
    ├── ArgumentsError       arguments: not the arguments of that method
    ├── IdentifierError      identifiers: a check digit, length or scheme that does not fit
    ├── TransactionError     transactions: not a file that could be signed
    ├── LogKeyError          log_key: not a log's public key
    ├── KeyringError         keyring: wrong password, altered file, unknown or repeated name
    ├── PaymentsError        payments: the file or its report cannot be used at all
    ├── PercentageError      calls: not a part of a whole in basis points
    ├── PoolError            pools: what was asked of a pool does not fit it
    ├── NoRoute              routing: no path for this amount
    ├── NoLender             loans: the pools together do not lend as much
    ├── LendingError         lending: what was asked of a market does not fit it
    ├── PriceError           oracles: no price that the oracle can say
    ├── SourceError          sources: no log can be read from here
    │   └── SourceDamaged    a ledger file that SQLite cannot read
    ├── VerificationFailed   verifier: the first entry that is wrong
    ├── HttpError            questions: a node did not answer
    │   ├── Unreachable      no connection, or it broke
    │   ├── NodeRefused      for a reason of the node's own: too much, closing, a full disk
    │   └── AnswerInvalid    not what a node says
    ├── LogLied              follow: a log contradicts what it signed; the evidence is in it
    └── ProofFailed          proofs: the file does not show what it claims

What the *ledger* refuses is a `Rejection` and stays one: a client never dresses it up as an error of its own.
"""


class ClientError(Exception):
    """The root: says what is wrong with which numbers; `hint`, where there is one, says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
