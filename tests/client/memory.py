"""A ledger in memory: the real core and the real log, and the simplest things around them.

It is the client's `Connection` in these tests, and what it settled can be written out as a ledger file or an
export, so that the verifier is tried on histories that no node had a hand in. Its clock moves by itself, one
second a batch, so two runs make the same bytes.
"""

import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tallystick.client.actions import Action
from tallystick.client.transactions import Ids, build, sign
from tallystick.crypto import Signer, sha256
from tallystick.ledger.apply import apply, begin_batch
from tallystick.ledger.encoding import encode_key, encode_value, is_committed
from tallystick.ledger.genesis import Genesis, encode_genesis, genesis_writes, ledger_id
from tallystick.ledger.receipts import Receipt, encode_receipt
from tallystick.ledger.records import Account, Asset, Limits
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Store
from tallystick.ledger.transactions import authenticate
from tallystick.log.checkpoint import Checkpoint, sign_checkpoint
from tallystick.log.leaf import EntryKind, encode_leaf
from tallystick.log.note import Algorithm, SigningKey
from tallystick.log.proof import LogProof
from tallystick.log.state_tree import StateTree
from tallystick.log.tiles import TILE_WIDTH, Tile, TileWriter, encode_bundle, entries_path, tile_path
from tallystick.log.tree import Frontier, inclusion_proof, leaf_hash, node_hash
from tallystick.protocol import KINDS

START = 1_790_000_000_000_000
SECOND = 1_000_000


def seed(name: str) -> bytes:
    """Return the fixed secret of a name."""
    return sha256(b"tests/client " + name.encode())


def signer(name: str) -> Signer:
    return Signer(seed(name))


LOG_KEY = SigningKey(name="example.com/test", algorithm=Algorithm.ED25519, seed=seed("the log"))


@dataclass(frozen=True)
class Outcome:
    receipt: bytes | None
    rejection: Rejection | None
    repeated: bool = False


@dataclass
class Entry:
    """A row of the journal."""

    leaf: bytes
    envelope: bytes
    receipt: bytes
    sender: str | None = None
    id: str | None = None


class MemoryLedger:
    """A whole ledger. `submit` is one batch; `commit` adds a state root and a checkpoint."""

    def __init__(self, *, name: str = "test", opening: str = "sponsor", limits: Limits | None = None) -> None:
        self.genesis = encode_genesis(
            Genesis(
                name=name,
                time=START,
                protocol=1,
                opening=opening,
                operator="operator",
                operator_keys=(signer("operator").public_key,),
                operator_threshold=1,
                log_key=LOG_KEY.verifier.vkey,
                limits=limits or Limits(),
            )
        )
        self.ledger_id = ledger_id(self.genesis)
        self.state = Store()
        self.state_tree = StateTree()
        self.entries: list[Entry] = []
        self.checkpoints: list[tuple[int, bytes]] = []
        self.ids = Ids(bytes)
        self._dirty: dict = {}
        self._waited = 0
        self._write(genesis_writes(self.genesis))
        self._append(EntryKind.GENESIS, 0, START, self.genesis, b"")

    # The connection.

    def now(self) -> int:
        return self.state.get(("clock",)).time + SECOND + self._waited

    def submit(self, envelopes: Sequence[bytes]) -> list[Outcome]:
        overlay, batch = self._begin(self.now())
        outcomes = [self._apply(data, overlay, batch) for data in envelopes]
        self._write(overlay.writes)
        return outcomes

    def account(self, name: str) -> Account | None:
        return self.state.get(("account", name))

    def asset(self, asset: str) -> Asset | None:
        return self.state.get(("asset", asset))

    def balance(self, account: str, asset: str) -> int:
        return self.state.get(("balance", account, asset)) or 0

    # Conveniences.

    def settle(
        self, sender: str, *actions: Action, by: Sequence[str] = (), once: str | None = None
    ) -> Receipt:
        """Build, sign as the sender (and others), submit alone; fails the test if it is refused."""
        transaction = build(
            self.ledger_id,
            sender,
            actions,
            now=self.now(),
            once=once,
            transaction_id=self.ids.new(self.now()),
        )
        (outcome,) = self.submit([sign(transaction, [signer(name) for name in (sender, *by)])])
        assert outcome.rejection is None, outcome.rejection
        return outcome

    def wait(self, seconds: int) -> None:
        """Let the next batch be that much later, so that timers fall due in it."""
        self._waited += seconds * SECOND

    def commit(self) -> bytes:
        """Add a root entry and sign a checkpoint over everything."""
        changes = {
            encode_key(key): None if value is None else encode_value(value)
            for key, value in self._dirty.items()
            if is_committed(key)
        }
        self._dirty = {}
        self.state_tree.update(changes)
        clock = self.state.get(("clock",))
        self._append(EntryKind.ROOT, clock.height, clock.time, b"", b"", state_root=self.state_tree.root)
        return self.sign_checkpoint()

    def sign_checkpoint(self) -> bytes:
        note = sign_checkpoint(
            Checkpoint(origin=LOG_KEY.name, tree_size=len(self.entries), root=self.root()), LOG_KEY
        )
        self.checkpoints.append((len(self.entries), note))
        return note

    def root(self) -> bytes:
        frontier = Frontier()
        frontier.extend(leaf_hash(entry.leaf) for entry in self.entries)
        return frontier.root()

    def prove(self, index: int) -> LogProof:
        """Return the proof of an entry under the newest checkpoint."""
        size, note = self.checkpoints[-1]
        level = [leaf_hash(entry.leaf) for entry in self.entries[:size]]
        hashes = {}
        height = 0
        while level:
            hashes |= {(height, position): value for position, value in enumerate(level)}
            level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
            height += 1
        path = inclusion_proof(lambda level, at: hashes[level, at], leaf_index=index, tree_size=size)
        return LogProof(index=index, hashes=tuple(path), checkpoint=note)

    # Writing it out.

    def tiles(self, size: int) -> list[Tile]:
        return TileWriter().append(leaf_hash(entry.leaf) for entry in self.entries[:size])

    def write_file(self, path: Path) -> Path:
        """Write a ledger file, as a node leaves it: tiles up to the newest checkpoint."""
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB)")
            db.execute(
                "CREATE TABLE entry (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, envelope BLOB NOT NULL,"
                " receipt BLOB NOT NULL, sender TEXT, id TEXT)"
            )
            db.execute("CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB)")
            db.execute(
                "CREATE TABLE tile (level INTEGER, idx INTEGER, width INTEGER, data BLOB,"
                " PRIMARY KEY (level, idx))"
            )
            db.executemany("INSERT INTO meta VALUES (?, ?)", [("format", b"1"), ("genesis", self.genesis)])
            db.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (index, entry.leaf, entry.envelope, entry.receipt, entry.sender, entry.id)
                    for index, entry in enumerate(self.entries)
                ],
            )
            db.executemany("INSERT INTO checkpoint VALUES (?, ?)", self.checkpoints)
            db.executemany(
                "INSERT INTO tile VALUES (?, ?, ?, ?)",
                [
                    (tile.level, tile.index, tile.width, tile.data)
                    for tile in self.tiles(self.checkpoints[-1][0] if self.checkpoints else 0)
                ],
            )
        db.close()
        return path

    def write_export(self, folder: Path) -> Path:
        """Write an export up to the newest checkpoint."""
        size, note = self.checkpoints[-1]
        files = {"checkpoint": note, "genesis.json": self.genesis}
        for tile in self.tiles(size):
            files[tile_path(level=tile.level, index=tile.index, width=tile.width)] = tile.data
        for first in range(0, size, TILE_WIDTH):
            entries = self.entries[first : min(first + TILE_WIDTH, size)]
            bundle = entries_path(index=first // TILE_WIDTH, width=len(entries))
            files[bundle] = encode_bundle([entry.leaf for entry in entries])
            files[bundle.replace("tile/entries", "payload")] = b"".join(
                struct.pack(">I", len(part)) + part
                for entry in entries
                for part in (entry.envelope, entry.receipt)
            )
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    # Inside.

    def _begin(self, time: int):
        height = self.state.get(("clock",)).height + 1
        overlay, batch, timers = begin_batch(
            self.state, KINDS, height=height, time=time, index=len(self.entries)
        )
        self._waited = 0
        if timers is not None:
            self._append(EntryKind.TIMERS, height, time, b"", encode_receipt(timers))
        return overlay, batch

    def _apply(self, data: bytes, overlay, batch) -> Outcome:
        try:
            authentic = authenticate(data)
            receipt = encode_receipt(apply(overlay, authentic, batch))
        except Rejection as refused:
            if refused.code is Code.DUPLICATE:
                return Outcome(self.entries[refused.facts["index"]].receipt, None, repeated=True)
            return Outcome(None, refused)
        sender, identifier = authentic.transaction.sender, authentic.transaction.id
        self._append(EntryKind.TRANSACTION, batch.height, batch.time, data, receipt)
        self.entries[-1].sender, self.entries[-1].id = sender, identifier
        return Outcome(receipt, None)

    def _append(
        self,
        kind: EntryKind,
        height: int,
        time: int,
        envelope: bytes,
        receipt: bytes,
        *,
        state_root: bytes | None = None,
    ) -> None:
        leaf = encode_leaf(
            index=len(self.entries),
            height=height,
            time_us=time,
            kind=kind,
            envelope_hash=sha256(envelope),
            receipt_hash=sha256(receipt) if state_root is None else state_root,
        )
        self.entries.append(Entry(leaf, envelope, receipt))

    def _write(self, writes: dict) -> None:
        self.state.write(writes)
        self._dirty.update(writes)
