"""Hostile tables: mutated CSV, gzip and Parquet files, and checks of the command on them.

`python -m tests.fuzz.table_files SEED COUNT FOLDER` runs commands on COUNT files in one process, so
that the caller survives a crash of the process; the current file is in FOLDER.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import random
import sys
import traceback
import warnings
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

CELLS = [
    "", " ", "NA", "nan", "inf", "-inf", "1e999", "1e100", "-1e308", "9" * 400, "1,5", "1.5.2024",
    "$5", "15%", "true", "0x1F", '"', '""', '"a', 'b"', "\n", "\r", "\0", "\ufeff", "\u202e", "東",
    "=1+1", "*", "^x$", "'", "\x1b[31m", "2024-05-01", "9999-12-31T23:59:59Z", "0001-01-01",
    "2024-02-30", "x" * 140_000, "\ud800", "-", "+", ".", "1_000", "１", "-0", "{}", "\t", ",", ";",
]  # fmt: skip
"""Cells that corrupt a table."""

N_ROWS = 40

MESSAGES_END = ("Traceback", "panicked", "RuntimeWarning", "memory allocation")
"""Strings that the output of the command must not contain."""


def tables() -> dict[str, dict[str, list[object]]]:
    """Return tables with the columns a, b, c, d and the target y, and one with other columns."""
    rng = random.Random(0)
    a = [round(rng.gauss(0, 3), 3) for _ in range(N_ROWS)]
    days = [date(2024, 1, 1) + timedelta(n * 9) for n in range(N_ROWS)]
    base: dict[str, list[object]] = {
        "a": list(a),
        "b": [None if n % 7 == 0 else n % 5 for n in range(N_ROWS)],
        "c": ["Ulm, Bonn" if n % 3 else 'Kiel "x"' for n in range(N_ROWS)],
        "d": list(days),
        "y": [round(3 * x + n % 5, 2) for n, x in enumerate(a)],
    }
    return {"number": base, "label": {**base, "y": ["yes" if x > 0 else "no" for x in a]}}


def as_csv(table: dict[str, list[object]], delimiter: str = ",") -> str:
    """Return a table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return out.getvalue()


def originals() -> dict[str, list[bytes]]:
    """Return valid files by the kind of their target, and a suffix for their format."""
    import polars as pl

    found: dict[str, list[bytes]] = {}
    for kind, table in tables().items():
        text = as_csv(table)
        texts = [text, text.replace("\n", "\r\n"), as_csv(table, ";"), as_csv(table, "\t")]
        files = [one.encode() for one in texts]
        files += [text.encode("utf-16"), text.encode("utf-8-sig"), text.encode("utf-32")]
        found[f"{kind} csv"] = files
        rows = zip(*table.values(), strict=True)
        lines = [json.dumps(dict(zip(table, row, strict=True)), default=str) for row in rows]
        found[f"{kind} json"] = ["\n".join(lines).encode()]
        found[f"{kind} gz"] = [gzip.compress(one, 6, mtime=0) for one in files[:2]]
        frame = pl.DataFrame(table).with_columns(
            e=pl.Series([Decimal(n) / 4 for n in range(N_ROWS)], dtype=pl.Decimal(20, 2)),
            f=pl.Series([datetime(2024, 1, 1, n % 24) for n in range(N_ROWS)]),
            g=pl.Series([n % 2 == 0 for n in range(N_ROWS)]),
            h=pl.Series([[n] * (n % 3) for n in range(N_ROWS)]),
            i=pl.Series([{"u": n, "v": str(n)} for n in range(N_ROWS)]),
            k=pl.Series(["u", "v"] * (N_ROWS // 2), dtype=pl.Categorical),
            m=pl.Series(range(N_ROWS), dtype=pl.UInt64) + 2**63,
        )
        small = frame.select("a", "b", "c", "d", "y")
        parquet = []
        for one, options in [
            (small, {"compression": "uncompressed"}),
            (small, {"compression": "snappy", "row_group_size": 10}),
            (frame, {"compression": "zstd", "statistics": False}),
            (frame, {"compression": "gzip", "data_page_size": 64}),
            (small, {"compression": "lz4"}),
            (frame, {"compression": "uncompressed"}),
        ]:
            out = io.BytesIO()
            one.write_parquet(out, **options)  # type: ignore[arg-type]
            parquet.append(out.getvalue())
        found[f"{kind} parquet"] = parquet
    return found


class Mutator:
    """Draws mutated files; the seed decides all of them."""

    def __init__(self, files: dict[str, list[bytes]], seed: int) -> None:
        self._files = files
        self._rng = random.Random(seed)

    def draw(self) -> tuple[str, bytes]:
        """Return the kind of the target and the bytes of a file."""
        rng = self._rng
        suffix = rng.choice(["csv", "csv", "csv", "gz", "json", "parquet", "parquet"])
        kind = rng.choice(["number", "label"])
        name = f"{kind} {suffix}"
        data = rng.choice(self._files[name])
        n_changes = 1 + min(int(rng.expovariate(1.2)), 9)
        if suffix == "gz" and rng.random() < 0.6:
            data = gzip.compress(self._changed_text(gzip.decompress(data), n_changes), 1, mtime=0)
            n_changes = rng.choice([0, 0, 1])
        if suffix == "csv" and rng.random() < 0.8:
            return kind, self._changed_text(data, n_changes)
        is_footer = suffix == "parquet" and rng.random() < 0.6
        for _ in range(n_changes):
            data = self._changed(data, is_footer)
        return kind, data

    def _changed_text(self, data: bytes, n_changes: int) -> bytes:
        """Return text with some cells, rows or columns changed."""
        encoding = "utf-8"
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            encoding = "utf-32" if data[2:4] == b"\0\0" else "utf-16"
        rng = self._rng
        text = data.decode(encoding)
        delimiter = next(c for c in "\t;," if c in text)
        is_parsed = rng.random() < 0.7  # otherwise commas within quotes would also separate cells
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter)) if is_parsed else (
            [line.split(delimiter) for line in text.split("\n")]
        )  # fmt: skip
        for _ in range(n_changes):
            row = rng.choice(rows) if rng.random() < 0.8 else rows[0]
            place = rng.randrange(len(row)) if row else 0
            how = rng.randrange(8)
            if how < 3 and row:
                row[place] = rng.choice(CELLS)
            elif how == 3 and row:
                column, cell = place, rng.choice(CELLS)
                for other in rows[rng.choice([0, 1]) :]:
                    if column < len(other):
                        other[column] = cell
            elif how == 4 and row:
                del row[place]
            elif how == 5:
                row.insert(place, rng.choice(CELLS))
            elif how == 6:
                rows.insert(rng.randrange(len(rows)), list(row))
            else:
                del rows[rng.randrange(len(rows)) :]
                rows = rows or [[]]
        text = "\n".join(delimiter.join(row) for row in rows)
        if is_parsed:
            out = io.StringIO()
            csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
            text = out.getvalue()
        return text.encode(encoding, "surrogatepass")

    def _changed(self, data: bytes, is_footer: bool) -> bytes:
        """Return bytes with one change, of a Parquet file in its last part with `is_footer`."""
        rng = self._rng
        changed = bytearray(data)
        first = len(changed) * 6 // 10 if is_footer else 0
        if len(changed) <= first + 1:
            return data
        place = rng.randrange(first, len(changed))
        length = min(len(changed) - place, 1 + int(rng.expovariate(0.2)))
        how = rng.randrange(9)
        if how < 2:
            changed[place] ^= 1 << rng.randrange(8)
        elif how == 2:
            changed[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif how == 3:
            del changed[place : place + length]
        elif how == 4:
            changed[place:place] = changed[place : place + length]
        elif how == 5:
            changed[place : place + length] = rng.randbytes(length)
        elif how == 6:
            changed[place:place] = b"\xff" * rng.choice([1, 4, 8]) + b"\x01"
        elif how == 7:
            other = rng.randrange(len(changed))
            changed[place : place + length] = changed[other : other + length]
        elif rng.random() < 0.2:
            del changed[place:]
        return bytes(changed)


QUICK = ["--networks", "1", "--epochs", "1", "--hidden", "2", "--quiet"]


def words_of(number: int, path: Path, model: Path, out: Path) -> list[str]:
    """Return the words of a command on a table."""
    rows = str(path)
    commands = [
        ["predict", str(model), rows, "--out", str(out)],
        ["predict", str(model), rows, "--keep", "--probabilities"],
        ["evaluate", str(model), rows],
        ["train", rows, "--target", "y", *QUICK, "--out", str(out)],
        ["predict", str(model), rows, "--json", "--keep"],
        ["evaluate", str(model), rows, "--json", "--decimal", ","],
        ["train", rows, "--target", "y", *QUICK, "--stream", "--out", str(out)],
        ["inspect", rows],
        ["train", rows, "--target", "c", "--category", "b", *QUICK, "--out", str(out)],
        ["predict", str(model), rows, "--out", str(out.with_suffix(".parquet")), "--keep"],
        ["train", rows, "--target", "y", *QUICK, "--out", str(out), "--report", f"{out}.html"],
        ["train", rows, "--target", "a,y", "--loss", "quantile:0.9", *QUICK, "--out", str(out)],
        ["train", rows, "--target", "b", "--loss", "poisson", *QUICK, "--out", str(out)],
    ]
    return commands[number % len(commands)]


def fault_of(code: object, shown: str, errors: str) -> str:
    """Return a description of what is wrong with the result of a command, or ""."""
    if code not in (0, 1, 2):
        return f"exit code {code}"
    for word in MESSAGES_END:
        if word in errors or word in shown:
            return f"the output has {word!r}: {errors[-500:]}"
    if code and not errors.strip():
        return "no message"
    if code and len(errors.strip().splitlines()) > 1 + errors.count("note:"):
        return f"not one paragraph: {errors[:500]}"
    return ""


def run_one(words: list[str]) -> tuple[object, str]:
    """Run a command in this process; return its exit code, and a description of faults or ""."""
    from handnn.cli import main

    shown, errors = io.StringIO(), io.StringIO()
    with open(2, "rb+", closefd=False, buffering=0) as low:
        low.truncate(0)
        low.seek(0)
        try:
            with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(errors):
                code: object = main(words)
        except BaseException:  # includes SystemExit
            return None, traceback.format_exc()
        low.seek(0)
        raw = low.read().decode("utf-8", "replace")
    return code, fault_of(code, shown.getvalue(), errors.getvalue() + raw)


def work(seed: int, count: int, folder: Path) -> None:
    """Run commands on `count` files; print a line for each fault, and the exit codes."""
    from handnn.cli import main

    warnings.simplefilter("error")
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
    models = {}
    files = originals()
    for kind in tables():
        models[kind] = folder / f"{kind}.safetensors"
        (folder / "whole.csv").write_bytes(files[f"{kind} csv"][0])
        words = ["train", str(folder / "whole.csv"), "--target", "y", *QUICK]
        with contextlib.redirect_stdout(io.StringIO()):
            assert main([*words, "--out", str(models[kind])]) == 0
    errors = open(folder / "stderr", "wb+")  # noqa: SIM115 - open until the process ends
    os.dup2(errors.fileno(), 2)
    mutator = Mutator(files, seed)
    codes = {0: 0, 1: 0, 2: 0}
    for number in range(count):
        kind, data = mutator.draw()
        path = folder / "table"
        path.write_bytes(data)
        words = words_of(number, path, models[kind], folder / "out")
        (folder / "words").write_text(f"{number} {' '.join(words)}")
        code, fault = run_one(words)
        if fault:
            kept = folder / f"failed-{seed}-{number}"
            kept.write_bytes(data)
            print(f"FAULT {kept} {' '.join(words)}: {fault}", flush=True)
        elif isinstance(code, int):
            codes[code] += 1
    print(f"CODES {codes[0]} {codes[1]} {codes[2]}", flush=True)


if __name__ == "__main__":
    work(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
