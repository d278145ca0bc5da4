"""Training on streamed files: facts from one pass, the split of the rows, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest

import handnn
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

from handnn.files.learning.columns_of_facts import columns_of, target_of  # noqa: E402
from handnn.files.learning.facts import MAX_SAMPLE, ColumnFacts, TrainingFacts  # noqa: E402
from handnn.files.learning.hold_out import HeldOut  # noqa: E402
from handnn.files.learning.in_stripes import RowStream  # noqa: E402
from handnn.files.learning.settings import TrainingSettings  # noqa: E402
from handnn.files.learning.survey import survey, typed_rows  # noqa: E402
from handnn.files.reading.cells import CellFormat, FileCells  # noqa: E402
from handnn.files.reading.source import open_table  # noqa: E402


@pytest.fixture
def surveyed():
    """Surveys a file for streaming, and closes it at the end."""
    with ExitStack() as stack:

        def run(path, settings):
            return survey(stack.enter_context(open_table(path)), settings, in_stripes=True)

        yield run


def training_rows(path, target, share=0.2):
    """Return a mask of the rows of a small file that are certainly not held out."""
    with open_table(path) as source:
        (block,) = source.blocks()
    return HeldOut(target, share, 0).training(0, block, len(block.places))


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_facts_do_not_depend_on_the_blocks(size):
    rng = np.random.default_rng(0)
    values = rng.normal(1e6, 3, 500).round(4)
    cells = [None if rng.random() < 0.2 else str(value) for value in values]
    is_training = rng.random(500) < 0.7
    facts = ColumnFacts("a")
    for first in range(0, 500, size):
        part = pl.Series("a", cells[first : first + size], pl.String)
        chosen = pl.Series(is_training[first : first + size])
        cells_of_part = FileCells(part, CellFormat())
        facts.add(cells_of_part, np.arange(first, first + len(part)), is_training=chosen)
    there = np.array([float(cell) for cell in cells if cell is not None])
    assert facts.n_numbers == len(there) and facts.n_gaps == 500 - len(there)
    assert facts.first_gap == cells.index(None)
    assert (facts.minimum, facts.maximum) == (there.min(), there.max())
    kept = [float(cell) for cell, is_one in zip(cells, is_training, strict=True) if is_one and cell]
    training = facts.training
    assert (training.moments.n, training.n_gaps) == (len(kept), is_training.sum() - len(kept))
    assert training.moments.mean == pytest.approx(np.mean(kept), rel=1e-14)
    assert np.sqrt(training.moments.square / len(kept)) == pytest.approx(np.std(kept), rel=1e-9)
    np.testing.assert_array_equal(training.sample, kept)


def test_the_sample_stays_small_and_even():
    training = TrainingFacts()
    for first in range(0, 10 * MAX_SAMPLE, 9_999):
        training.add(np.arange(first, first + 9_999, dtype=np.float64))
    assert MAX_SAMPLE // 2 <= len(training.sample) <= MAX_SAMPLE
    assert set(np.diff(training.sample)) == {training.step}


@pytest.mark.parametrize("scale", ["quantile", True])
@pytest.mark.parametrize("target", ["price", "town"])
def test_columns_and_target_equal_those_learned_in_memory(
    table, surveyed, target, scale, monkeypatch
):
    """Both use the rows that have a target and are not held out."""
    monkeypatch.setattr(
        "handnn.files.learning.columns_of_facts.default_scale", lambda columns: scale
    )
    columns = flats(300)
    columns[target][7:30:3] = [None] * 8
    settings = TrainingSettings((target,), hold_out=0.3, drop_gaps=True)
    path = table(as_csv(columns))
    found = surveyed(path, settings)
    (block,) = found.source.blocks()
    frame, _ = typed_rows(found, block)
    is_training = training_rows(path, target, 0.3)
    frame = frame.filter(is_training[block.frame[target].is_not_null().to_numpy()])
    assert 150 < len(frame) < 250
    expected = handnn.Columns.learn(frame.drop(target), kinds=found.kinds, scale=scale)
    got = columns_of(found, None)
    assert got.feature_names_in == expected.feature_names_in
    for ours, theirs in zip(got.columns, expected.columns, strict=True):
        if ours.kind == "category":
            assert ours == theirs
            continue
        assert (ours.median, ours.has_gaps) == (theirs.median, theirs.has_gaps)
        assert (ours.knots, ours.levels) == (theirs.knots, theirs.levels)
        got_numbers = [ours.mean, ours.scale]
        np.testing.assert_allclose(got_numbers, [theirs.mean, theirs.scale], rtol=1e-10, atol=1e-14)
    one, other = target_of(found), handnn.Target.learn(frame[target])
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
        (["True", "False"] * 20, "auto", ["False", "True"]),
        (["01", "02"] * 20, "auto", ["01", "02"]),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_targets_of_every_kind(table, surveyed, tmp_path, cells, task, expected, form):
    columns = {"x": list(range(len(cells))), "y": cells}
    path = table(as_csv(columns))
    if form == "parquet":
        path = tmp_path / "t.parquet"
        pl.DataFrame(columns).write_parquet(path)
    settings = TrainingSettings(("y",), task=task)
    target = target_of(surveyed(path, settings))
    classes = None if target.classes is None else target.classes.tolist()
    assert classes == expected


def test_every_row_has_one_role(table, surveyed):
    columns = flats(500)
    columns["area"] = list(map(float, range(500)))
    settings = TrainingSettings(("price",))
    found = surveyed(table(as_csv(columns)), settings)
    learned = columns_of(found, None)
    stream = RowStream(found, settings, learned, target_of(found))
    area = learned.columns[0]

    def areas(x):
        return np.interp(x[:, 0] * area.scale + area.mean, area.levels, area.knots).round().tolist()

    trained = [value for x, _ in stream.buffers(keeps=True) for value in areas(x)]
    again = [value for x, _ in stream.buffers(keeps=False) for value in areas(x)]
    watched = [value for x, _ in stream._validation for value in areas(x)]
    test = stream.split().test
    scored = test.x["area"].to_list()
    assert again == trained
    assert sorted(trained + watched + scored) == list(range(500))
    assert 50 < len(scored) < 150 and 20 < len(watched) < 80
    assert [columns["area"][place - 2] for place in test.places] == scored


def test_held_out_rows_do_not_affect_the_model(table, tmp_path, handnn_command):
    columns = flats(400)
    path, out = table(as_csv(columns)), tmp_path / "m"
    arguments = ["train", path, "--target", "price", "--stream", "--epochs", 1, "--out", out]
    assert handnn_command(*arguments).code == 0
    held = np.flatnonzero(~training_rows(path, "price")).tolist()
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
def test_rejects_columns_with_values_only_in_held_out_rows(table, tmp_path, handnn_command, kind):
    columns = flats(100)
    path = table(as_csv(columns))
    held = np.flatnonzero(~training_rows(path, "price")).tolist()
    texts = ["1", "2"] if kind == "number" else ["a", "b"]
    columns["odd"] = [texts[row % 2] if row in held else None for row in range(100)]
    table(as_csv(columns))
    arguments = ["train", path, "--target", "price", "--stream", "--out", tmp_path / "m"]
    result = handnn_command(*arguments, "--quiet")
    assert (result.code, result.out) == (1, "")
    assert (
        "column 'odd' has no value in the training rows; use --ignore odd to leave it out"
        in result.err
    )


def test_the_held_out_share_decreases_and_excludes_training_rows(table):
    with open_table(table(as_csv(flats(100)))) as source:
        (block,) = source.blocks()
    held_out = HeldOut("price", 0.5, 3)
    draws = held_out.draws(4, block)
    final = draws < held_out.share_of(1_000_000)
    for known in (100, 200_000, 1_000_000):
        training = held_out.training(4, block, known)
        assert not (training & final).any()
    assert held_out.share_of(100) == 0.5 and held_out.share_of(1_000_000) == 0.05


def test_streaming_scores_like_training_in_memory(handnn_command, table, tmp_path):
    data, out = table(as_csv(flats(2_000))), tmp_path / "m"
    arguments = ["train", data, "--target", "price", "--epochs", 20, "--networks", 1, "--out", out]
    scores = []
    for stream in ("--stream", "--no-stream"):
        printed = json.loads(handnn_command(*arguments, stream, "--json").out)
        scores.append(printed["scores"]["rmse"])
    assert scores[0] < 1.5 * scores[1]


MEASURE = """
import sys
from handnn.cli import main
code = main(sys.argv[1:])
# Not ru_maxrss, which starts with the peak of the parent process.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, int(peak) // 1024, file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """In memory, a file four times as large would need 500 MB more."""
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
