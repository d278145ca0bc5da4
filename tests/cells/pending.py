"""Cases that files do not read as docs/cells.md says yet, by door and kind of column.

An entry that files read rightly fails `test_file_doors.py` until it is removed.
"""

from __future__ import annotations

PENDING: dict[tuple[str, str], set[str]] = {
    ("csv", "date"): {'"19844"', "19844.5"},
    ("polars Categorical", "date"): {'"19844"'},
    ("polars Float64", "category"): {"inf"},
    ("polars Float64", "date"): {"19844.5"},
    ("polars String", "date"): {'"19844"'},
}
