"""Benchmarks: each measures one value and, in the same run, the machine's own limit for it.

A rate alone says how fast the machine was. Beside the limit it says how much of the machine was used, which
is what can be compared between machines and over time.
"""
