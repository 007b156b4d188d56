"""Go's checksum-database client reads our log: the same formats, implemented by other people."""

import os
import shutil
import subprocess

import pytest

from tallystick.log.checkpoint import Checkpoint, sign_checkpoint
from tallystick.log.note import Algorithm, SigningKey
from tallystick.log.tiles import TileWriter, tile_path
from tallystick.log.tree import Frontier, leaf_hash

PROGRAM = r"""
package main

import (
    "fmt"
    "os"
    "path/filepath"
    "strings"

    "golang.org/x/mod/sumdb/note"
    "golang.org/x/mod/sumdb/tlog"
)

type folder string

func (dir folder) Height() int { return 8 }

func (dir folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
    var all [][]byte
    for _, tile := range tiles {
        // x/mod writes tile/8/<L>/...; tlog-tiles leaves the height out.
        name := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
        data, err := os.ReadFile(filepath.Join(string(dir), name))
        if err != nil {
            return nil, err
        }
        all = append(all, data)
    }
    return all, nil
}

func (dir folder) SaveTiles([]tlog.Tile, [][]byte) {}

func check(err error) {
    if err != nil {
        fmt.Println("REFUSED", err)
        os.Exit(1)
    }
}

func head(dir, name, vkey string) tlog.Tree {
    data, err := os.ReadFile(filepath.Join(dir, name))
    check(err)
    verifier, err := note.NewVerifier(vkey)
    check(err)
    opened, err := note.Open(data, note.VerifierList(verifier))
    check(err)
    lines := strings.Split(opened.Text, "\n")
    hash, err := tlog.ParseHash(lines[2])
    check(err)
    var size int64
    fmt.Sscan(lines[1], &size)
    return tlog.Tree{N: size, Hash: hash}
}

func main() {
    dir, vkey := os.Args[1], os.Args[2]
    older, newer := head(dir, "checkpoint.older", vkey), head(dir, "checkpoint", vkey)
    reader := tlog.TileHashReader(newer, folder(dir))
    for index := int64(0); index < newer.N; index += 37 {
        proof, err := tlog.ProveRecord(newer.N, index, reader)
        check(err)
        leaf := tlog.RecordHash([]byte(fmt.Sprintf("entry %d", index)))
        check(tlog.CheckRecord(proof, newer.N, newer.Hash, index, leaf))
    }
    proof, err := tlog.ProveTree(newer.N, older.N, reader)
    check(err)
    check(tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash))
    fmt.Println("VERIFIED", older.N, newer.N)
}
"""


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def go_reader(tmp_path_factory):
    """Build the Go program; skip where Go or its module cannot be had."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("Go is not installed")
    source = tmp_path_factory.mktemp("go")
    (source / "main.go").write_text(PROGRAM, encoding="utf-8")
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    for line in ("mod init example.com/reader", "get golang.org/x/mod@v0.22.0", "build -o reader"):
        command = line.split()
        ran = run([go, *command], cwd=source, env=environment)
        if ran.returncode:
            assert command[0] != "build", ran.stderr
            pytest.skip(f"golang.org/x/mod cannot be fetched: {ran.stderr[-200:]}")
    return source / "reader"


def write_log(folder, signer):
    frontier, writer = Frontier(), TileWriter()
    for name, size in (("checkpoint.older", 300), ("checkpoint", 1000)):
        leaves = [leaf_hash(b"entry %d" % number) for number in range(writer.tree_size, size)]
        frontier.extend(leaves)
        for tile in writer.append(leaves):
            path = folder / tile_path(level=tile.level, index=tile.index, width=tile.width)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tile.data)
        head = Checkpoint(origin=signer.name, tree_size=size, root=frontier.root())
        (folder / name).write_bytes(sign_checkpoint(head, signer))


def test_go_verifies_our_checkpoints_tiles_and_proofs(go_reader, tmp_path):
    signer = SigningKey(name="example.com/log", algorithm=Algorithm.ED25519, seed=b"L" * 32)
    write_log(tmp_path, signer)
    command = [go_reader, tmp_path, signer.verifier.vkey]
    ran = run(command)
    assert (ran.stdout, ran.returncode) == ("VERIFIED 300 1000\n", 0)
    tile = tmp_path / "tile/0/000"
    tile.write_bytes(b"X" + tile.read_bytes()[1:])
    ran = run(command)
    assert ran.stdout.startswith("REFUSED")
    assert ran.returncode == 1
