"""Streaming: the statistics of a file in one pass, and the memory that a training takes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import handnn
from tests.files.tables import as_csv, rooms

pl = pytest.importorskip("polars")

from handnn.files.learning.facts import SAMPLED, Facts, Learnt  # noqa: E402
from handnn.files.learning.hold_out import HeldOut  # noqa: E402
from handnn.files.learning.settings import Settings  # noqa: E402
from handnn.files.learning.streaming import Stream, columns_of, target_of  # noqa: E402
from handnn.files.learning.survey import frame_of, plan  # noqa: E402
from handnn.files.reading.source import Dialect  # noqa: E402


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_facts_do_not_depend_on_the_blocks(size):
    rng = np.random.default_rng(0)
    values = rng.normal(1e6, 3, 500).round(4)
    cells = [None if rng.random() < 0.2 else str(value) for value in values]
    is_learnt = rng.random(500) < 0.7
    facts = Facts("a")
    for first in range(0, 500, size):
        part = pl.Series("a", cells[first : first + size], pl.String)
        chosen = pl.Series(is_learnt[first : first + size])
        facts.add(part, np.arange(first, first + len(part)), ".", is_learnt=chosen)
    there = np.array([float(cell) for cell in cells if cell is not None])
    assert facts.n_numbers == len(there) and facts.n_gaps == 500 - len(there)
    assert facts.first_gap == cells.index(None)
    assert (facts.least, facts.most) == (there.min(), there.max())
    kept = [float(cell) for cell, is_one in zip(cells, is_learnt, strict=True) if is_one and cell]
    learnt = facts.learnt
    assert (learnt.n_numbers, learnt.n_gaps) == (len(kept), is_learnt.sum() - len(kept))
    assert learnt.mean == pytest.approx(np.mean(kept), rel=1e-14)
    assert np.sqrt(learnt.square / len(kept)) == pytest.approx(np.std(kept), rel=1e-9)
    np.testing.assert_array_equal(learnt.sample, kept)


def test_the_sample_stays_small_and_even():
    learnt = Learnt()
    for first in range(0, 10 * SAMPLED, 9_999):
        learnt.add(np.arange(first, first + 9_999, dtype=np.float64))
    assert SAMPLED // 2 <= len(learnt.sample) <= SAMPLED
    assert set(np.diff(learnt.sample)) == {learnt.step}


@pytest.mark.parametrize("scale", ["quantile", True])
@pytest.mark.parametrize("target", ["price", "town"])
def test_columns_and_target_are_those_that_are_learnt_in_memory(table, target, scale, monkeypatch):
    """Of the rows that are not held out, and that have a target."""
    monkeypatch.setattr("handnn.tables.recipe.scale", lambda columns: scale)
    columns = rooms(300)
    columns[target][7:30:3] = [None] * 8
    settings = Settings(target, share=0.3, drop_gaps=True)
    planned = plan(str(table(as_csv(columns))), settings, Dialect(), streams=True)
    (block,) = planned.source.blocks()
    is_learnt = HeldOut(target, 0.3, 0).learnt(0, block, 300)
    frame, _ = frame_of(planned, settings)
    frame = frame.filter(is_learnt[block.frame[target].is_not_null().to_numpy()])
    assert 150 < len(frame) < 250
    expected = handnn.Columns.learn(frame.drop(target), kinds=planned.kinds, scale=scale)
    got = columns_of(planned)
    assert got.feature_names_in == expected.feature_names_in
    for ours, theirs in zip(got.columns, expected.columns, strict=True):
        if ours.kind == "category":
            assert ours == theirs
            continue
        assert (ours.median, ours.has_gaps) == (theirs.median, theirs.has_gaps)
        assert (ours.knots, ours.levels) == (theirs.knots, theirs.levels)
        got_numbers = [ours.mean, ours.scale]
        np.testing.assert_allclose(got_numbers, [theirs.mean, theirs.scale], rtol=1e-10, atol=1e-14)
    one, other = target_of(planned, settings), handnn.Target.learn(frame[target])
    assert one.task == other.task
    if target == "price":
        np.testing.assert_allclose([one.mean, one.scale], [other.mean, other.scale], rtol=1e-12)
    else:
        assert one.classes.tolist() == other.classes.tolist()


@pytest.mark.parametrize(
    ("cells", "task", "expected"),
    [
        ([0, 1] * 20, "auto", [0, 1]),
        ([3, 5, 9, 5] * 10, "auto", [3, 5, 9]),
        (list(range(40)), "auto", None),
        ([0.5, 1.5] * 20, "auto", None),
        ([0.5, 1.5] * 20, "binary", [0.5, 1.5]),
        (["True", "False"] * 20, "auto", ["false", "true"]),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_targets_of_every_kind(table, tmp_path, cells, task, expected, form):
    columns = {"x": list(range(len(cells))), "y": cells}
    path = table(as_csv(columns))
    if form == "parquet":
        path = tmp_path / "t.parquet"
        pl.DataFrame(columns).write_parquet(path)
    settings = Settings("y", task=task)
    target = target_of(plan(str(path), settings, Dialect(), streams=True), settings)
    classes = None if target.classes is None else target.classes.tolist()
    assert classes == expected


def test_every_row_is_trained_on_or_held_out_once(table):
    columns = rooms(500)
    columns["area"] = list(map(float, range(500)))
    settings = Settings("price")
    planned = plan(str(table(as_csv(columns))), settings, Dialect(), streams=True)
    learnt = columns_of(planned)
    stream = Stream(planned, settings, learnt, target_of(planned, settings), 500)
    area = learnt.columns[0]

    def areas(x):
        return np.interp(x[:, 0] * area.scale + area.mean, area.levels, area.knots).round().tolist()

    trained = [value for x, _ in stream.buffers(keeps=True) for value in areas(x)]
    again = [value for x, _ in stream.buffers(keeps=False) for value in areas(x)]
    watched = [value for x, _ in stream._validation for value in areas(x)]
    scored = stream.split().x_test["area"].to_list()
    assert again == trained
    assert sorted(trained + watched + scored) == list(range(500))
    assert 50 < len(scored) < 150 and 20 < len(watched) < 80
    assert [columns["area"][place - 2] for place in stream.split().test_places] == scored


def test_nothing_of_held_out_rows_reaches_the_model(table, tmp_path, handnn_command):
    columns = rooms(400)
    path, out = table(as_csv(columns)), tmp_path / "m"
    arguments = ["train", path, "--target", "price", "--stream", "--epochs", 1, "--out", out]
    assert handnn_command(*arguments).code == 0
    settings = Settings("price")
    planned = plan(str(path), settings, Dialect(), streams=True)
    (block,) = planned.source.blocks()
    held = np.flatnonzero(~HeldOut("price", 0.2, 0).learnt(0, block, 400)).tolist()
    assert 40 < len(held) < 120
    before = handnn.TableModel.load(out)
    for row in held:
        columns["area"][row] = 1e6
        columns["floor"][row] = None
        columns["town"][row] = "Paris"
        columns["price"][row] = -1e9
    table(as_csv(columns))
    assert handnn_command(*arguments).code == 0
    after = handnn.TableModel.load(out)
    assert after.columns.to_dict() == before.columns.to_dict()
    assert after.target.to_dict() == before.target.to_dict()
    for one, other in zip(before.networks, after.networks, strict=True):
        for name, array in one.params.items():
            np.testing.assert_array_equal(other.params[name], array)


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_column_that_only_held_out_rows_have(table, tmp_path, handnn_command, kind):
    columns = rooms(100)
    path = table(as_csv(columns))
    (block,) = plan(str(path), Settings("price"), Dialect()).source.blocks()
    held = np.flatnonzero(~HeldOut("price", 0.2, 0).learnt(0, block, 100)).tolist()
    texts = ["1", "2"] if kind == "number" else ["a", "b"]
    columns["odd"] = [texts[row % 2] if row in held else None for row in range(100)]
    table(as_csv(columns))
    arguments = ["train", path, "--target", "price", "--stream", "--out", tmp_path / "m"]
    result = handnn_command(*arguments, "--quiet")
    assert (result.code, result.out) == (1, "")
    assert "column 'odd' has no value in the rows that are not held out" in result.err


def test_the_share_held_out_falls_with_more_rows_and_never_takes_learnt_ones(table):
    (block,) = plan(str(table(as_csv(rooms(100)))), Settings("price"), Dialect()).source.blocks()
    held_out = HeldOut("price", 0.5, 3)
    drawn = held_out.drawn(4, block)
    final = drawn < held_out.share_of(1_000_000)
    for known in (100, 200_000, 1_000_000):
        learnt = held_out.learnt(4, block, known)
        assert not (learnt & final).any()
    assert held_out.share_of(100) == 0.5 and held_out.share_of(1_000_000) == 0.05


def test_streaming_learns_the_same_things(handnn_command, table, tmp_path):
    data, out = table(as_csv(rooms(2_000))), tmp_path / "m"
    arguments = ["train", data, "--target", "price", "--epochs", 20, "--networks", 1, "--out", out]
    scores = []
    for stream in ("--stream", "--no-stream"):
        told = json.loads(handnn_command(*arguments, stream, "--json").out)
        scores.append(told["scores"]["rmse"])
    assert scores[0] < 1.5 * scores[1]


MEASURE = """
import sys
from handnn.cli import main
code = main(sys.argv[1:])
# Not ru_maxrss, which begins with what the process had that started this one.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, int(peak) // 1024, file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """A file and one four times as large; kept, the larger would need 500 MB more."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100_000, 12)).round(6)
    frame = pl.DataFrame({f"x{k}": x[:, k] for k in range(12)} | {"y": x.sum(axis=1).round(4)})
    text = frame.write_csv()
    body = text.partition("\n")[2]
    peaks = []
    for times in (1, 4):
        path = tmp_path / "large.csv"
        path.write_text(text + body * (times - 1))
        arguments = ["train", path, "--target", "y", "--stream", "--epochs", "1", "--hidden", "8"]
        arguments += ["--out", tmp_path / "m", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *map(str, arguments)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        code, peak = map(int, done.stderr.split())
        assert code == 0
        peaks.append(peak)
    assert peaks[1] < 600
    assert peaks[1] - peaks[0] < 100
