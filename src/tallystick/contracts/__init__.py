"""Contracts: one mechanism a file, each to be read beside its source. None imports another."""
