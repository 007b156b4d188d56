"""Tallystick: a programmable asset ledger that keeps credit and computation apart, and proves both.

This package's root holds the version and nothing else; each room is imported by its own name, so that the
import table in `tests/tidy/import_table.py` can tell who depends on what.
"""

__version__ = "0.1.0.dev0"
