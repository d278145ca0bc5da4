"""Stripes of a file: each block is read by one rank, and the bits do not depend on the ranks."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from handnn import train_file
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

from handnn.files.errors import TableError  # noqa: E402
from handnn.files.learning import in_stripes  # noqa: E402
from handnn.files.learning.collecting import collect_facts  # noqa: E402
from handnn.files.learning.hold_out import HeldOut  # noqa: E402
from handnn.files.learning.settings import TrainingSettings  # noqa: E402
from handnn.files.learning.stripes import Stripes  # noqa: E402
from handnn.files.reading.block import ALL, Deal  # noqa: E402
from handnn.files.reading.csv_file import CsvFile  # noqa: E402
from handnn.files.reading.row_groups import row_group_sizes  # noqa: E402
from handnn.files.reading.source import Source, open_table  # noqa: E402

FORMS = ["csv", "quoted", "jsonl", "parquet", "one row group"]


def write(path, columns, form):
    """Write a table in one of the forms, and return the path."""
    frame = pl.DataFrame(columns)
    if form == "csv":
        path.write_text(as_csv(columns))
    elif form == "quoted":
        frame.write_csv(path, quote_style="always")
        path.write_text(path.read_text().replace("\n", "\n\n", 40))
    elif form == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_parquet(path, row_group_size=70 if form == "parquet" else 10**6)
    return path


@pytest.fixture(params=FORMS)
def path(request, tmp_path):
    return write(tmp_path / "table", {"number": list(range(1000)), **flats(1000)}, request.param)


@pytest.mark.parametrize("n", [1, 3, 16])
def test_every_block_is_read_by_one_rank(path, n):
    with open_table(path) as source:
        alone = list(source.blocks(900, deal=Deal(n, range(n))))
        dealt = [
            block
            for first in range(n)
            for block in source.blocks(900, deal=Deal(n, range(first, first + 1)))
        ]
    assert [block.turn for block in alone] == sorted(block.turn for block in dealt)
    assert [block.number for block in sorted(alone, key=lambda one: one.row)] == [
        *range(len(alone))
    ]
    for one, other in zip(alone, sorted(dealt, key=lambda block: block.turn), strict=True):
        assert one.frame.equals(other.frame) and one.row == other.row
        assert np.array_equal(one.places, other.places)
    rows = sorted(int(cell) for block in alone for cell in block.frame["number"])
    assert rows == list(range(1000))
    assert all(int(block.frame["number"][0]) == block.row for block in alone)


def test_a_rank_parses_only_its_own_blocks(path, monkeypatch):
    parsed = []
    real = CsvFile._parse_plain
    monkeypatch.setattr(CsvFile, "_parse_plain", lambda *given: parsed.append(1) or real(*given))
    with open_table(path) as source:
        n_blocks = len(list(source.blocks(900, deal=Deal(4, range(1, 3)))))
    assert len(parsed) in (0, n_blocks)  # other formats give 0


def test_a_stripe_has_whole_row_groups(tmp_path):
    path = write(tmp_path / "table", {"number": list(range(1000))}, "parquet")
    assert row_group_sizes(str(path)) == [70] * 14 + [20]
    with open_table(path) as source:
        for block in source.blocks(30, deal=Deal(3, range(3))):
            group = np.unique(block.frame["number"].to_numpy() // 70)
            assert len(group) == 1 and group[0] % 3 == block.turn[1]


def test_damaged_footers_have_no_row_groups(tmp_path):
    whole = write(tmp_path / "table", flats(200), "parquet").read_bytes()
    n_bytes = int.from_bytes(whole[-8:-4], "little")
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged"
    for _ in range(300):
        data = bytearray(whole)
        place = int(rng.integers(len(data) - 8 - n_bytes, len(data)))
        data[place] = int(rng.integers(256))
        path.write_bytes(data[: place + 1] + whole[-8:] if rng.random() < 0.3 else data)
        row_group_sizes(str(path))  # neither another error nor an endless loop
    path.write_bytes(b"PAR1")
    assert row_group_sizes(str(path)) == []


def facts_of(path, n, size):
    """Return facts from n stripes, whose blocks have about `size` characters or cells."""
    settings, stripes = TrainingSettings(("price",)), Stripes(n)
    with open_table(path) as source:
        blocks = source.blocks(size, deal=stripes.deal)
        held_out = HeldOut("price", 1e-9, 0)
        return collect_facts(source, blocks, source.names, settings, held_out, stripes=stripes)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_merged_facts_are_those_of_all_rows(form, tmp_path):
    columns = {"number": list(range(1, 1001)), **flats(1000)}
    columns["some"] = [None if row % 7 == 3 or row < 200 else row / 8 for row in range(1000)]
    columns["late"] = [row + (row > 990) for row in range(1000)]
    columns["unit"] = [f"{row} {'kg' if row % 3 else 't'}" for row in range(1000)]
    path = write(tmp_path / "table", columns, form)
    whole, merged = facts_of(path, 1, 10**9), facts_of(path, 5, 500)
    assert merged["number"].is_running and not merged["late"].is_running
    for name, fact in whole.items():
        ours, theirs = vars(merged[name]), vars(fact)
        for key in theirs.keys() - {"training", "start"}:
            assert ours[key] == theirs[key], (name, key)
        ours, theirs = vars(ours["training"]), vars(theirs["training"])
        assert ours["n_gaps"] == theirs["n_gaps"] and ours["labels"] == theirs["labels"]
        assert sorted(ours["sample"]) == sorted(theirs["sample"])
        found = [vars(part["moments"]) for part in (ours, theirs)]
        assert found[0] == pytest.approx(found[1], rel=1e-10)


SHORT = {"epochs": 2, "networks": 1, "hidden": (8,), "batch_size": 64}


def small_blocks(patch):
    """Make blocks and buffers small; return a list that receives the turn of each block."""
    read, real = [], Source.blocks

    def blocks(source, size=900, names=None, deal=ALL):
        for block in real(source, size, names, deal):
            read.append(block.turn)
            yield block

    patch(Source, "blocks", blocks)
    patch(in_stripes, "STREAM_BUFFER", 300)
    return read


RANKS = textwrap.dedent(
    """
    import sys
    from mpi4py import MPI
    from handnn import train_file
    from tests.files.test_stripes import SHORT, small_blocks

    comm = MPI.COMM_WORLD
    read = small_blocks(setattr)
    for path in sys.argv[1:]:
        read.clear()
        path = path.replace("RANK", str(comm.rank))
        try:
            model = train_file(path, "price", comm=comm, shards=4, stream=True, **SHORT)
        except (ValueError, RuntimeError) as error:
            print(f"{comm.rank} {type(error).__name__} {error}\\n", end="", flush=True)
            continue
        if comm.rank == 0:
            model.save(path + ".model")
        print(f"{comm.rank} {sorted({stripe for _, stripe in read})}\\n", end="", flush=True)
    """
)


def test_ranks_read_their_own_stripes(tmp_path, run_ranks, monkeypatch):
    paths = [write(tmp_path / form, flats(900), form) for form in ("csv", "parquet")]
    done = run_ranks(3, "-c", RANKS, *map(str, paths))
    assert sorted(done.stdout.splitlines()) == sorted(2 * ["0 [0]", "1 [1]", "2 [2, 3]"]), (
        done.stderr
    )
    small_blocks(monkeypatch.setattr)
    for path in paths:
        model = train_file(path, "price", shards=4, stream=True, **SHORT)
        model.save(tmp_path / "alone")
        assert (tmp_path / "alone").read_bytes() == (tmp_path / f"{path.name}.model").read_bytes()


def test_errors_of_a_file_reach_all_ranks(tmp_path, run_ranks):
    columns = flats(900)
    broken, *others = [tmp_path / name for name in ("broken", "0.csv", "1.csv")]
    lines = as_csv(columns).splitlines(keepends=True)
    lines[500] = "1,2,3,4,5,6,7\n"
    broken.write_text("".join(lines))
    for rank, path in enumerate(others):
        write(path, {name: cells[rank:] for name, cells in columns.items()}, "csv")
    done = run_ranks(2, "-c", RANKS, str(broken), str(tmp_path / "RANK.csv"))
    found = sorted(line.split(" ", 2) for line in done.stdout.splitlines())
    assert len(found) == 4, done.stdout + done.stderr
    texts = {(rank, kind): text for rank, kind, text in found}
    for rank in "01":
        assert (
            "train_file: the file of rank 1 differs from that of rank 0"
            in texts[rank, "ValueError"]
        )
    (at_fault,) = (rank for rank in "01" if (rank, "TableError") in texts)
    told = texts[str(1 - int(at_fault)), "RankError"]
    assert f"rank {at_fault} on" in told and "line 501" in told


STOPPED = textwrap.dedent(
    """
    import os, signal, sys
    from mpi4py import MPI
    from handnn import train_file
    from handnn.files.learning.in_stripes import RowStream
    from tests.files.test_stripes import SHORT, small_blocks

    comm = MPI.COMM_WORLD
    small_blocks(setattr)
    real, calls = RowStream.validation_loss, []

    def validation_loss(*given):
        calls.append(1)
        if comm.rank == 1 and len(calls) == 2:  # between two fits
            os.kill(os.getpid(), sent)
        return real(*given)

    RowStream.validation_loss = validation_loss
    for stream in (False, True):
        for sent in (signal.SIGTERM, signal.SIGINT):
            calls.clear()
            options = {**SHORT, "epochs": 10**6, "stream": stream, "comm": comm, "deadline": 30}
            try:
                train_file(sys.argv[1], "price", shards=4, **options)
            except KeyboardInterrupt:
                print(f"{comm.rank} stopped after {len(calls)} epochs\\n", end="", flush=True)
    """
)


def test_a_signal_between_two_fits_stops_all_ranks(tmp_path, run_ranks):
    path = write(tmp_path / "table", flats(300), "csv")
    done = run_ranks(2, "-c", STOPPED, str(path), timeout=60)
    expected = [f"{rank} stopped after 2 epochs" for rank in (0, 1)]
    assert sorted(done.stdout.splitlines()) == sorted(4 * expected), done.stderr


def test_a_file_that_one_rank_cannot_open_is_reported_at_once(tmp_path, run_ranks):
    write(tmp_path / "0.csv", flats(300), "csv")
    done = run_ranks(2, "-c", RANKS, str(tmp_path / "RANK.csv"), timeout=30)
    assert "FileNotFoundError" in done.stderr
    assert "0 RankError rank 1 on" in done.stdout and "FileNotFoundError" in done.stdout


def test_more_rows_held_out_than_there_are(tmp_path):
    columns = {"x": list(range(11)), "y": [row / 2 for row in range(11)]}
    path = write(tmp_path / "table", columns, "csv")
    options = {"hold_out": 0.9, "use": "x", "shards": 3, **SHORT}
    messages = set()
    for seed in range(10):
        for stream in (False, True):
            try:
                train_file(path, "y", seed=seed, stream=stream, **options)
            except TableError as error:
                messages.add(str(error).partition(":")[0])
    assert "no rows are left to train on" in messages
