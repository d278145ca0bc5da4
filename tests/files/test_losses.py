"""Losses of a regression, and several targets: files, predictions, scores, reports and exports."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

import handnn
from handnn.files import FileModel, TableError
from handnn.files.report.report_page import report_page
from handnn.files.report.row_losses import main_metric

pl = pytest.importorskip("polars")

QUICK = {"epochs": 40, "networks": 2, "hidden": [16]}
WORDS = ["--epochs", 40, "--networks", 2, "--hidden", 16, "--quiet"]


def columns(n=400, seed=3):
    """Two inputs; numbers with noise, counts, and yes-or-no values that depend on them."""
    rng = np.random.default_rng(seed)
    a, town = rng.normal(size=n).round(3), rng.choice(["Ulm", "Kiel"], n)
    is_ulm = town == "Ulm"
    return {
        "a": a.tolist(),
        "town": town.tolist(),
        "near": (5 * a + is_ulm + rng.normal(size=n)).round(2).tolist(),
        "far, wide": (1000 - 300 * a + rng.normal(0, 60, n)).round(1).tolist(),
        "count": rng.poisson(np.exp(0.7 * a + is_ulm)).tolist(),
        "warm": [str(value) for value in (a > 0.1).tolist()],
        "south": is_ulm.astype(int).tolist(),
    }


UNUSED = {name: sorted({*columns(1)} - {"a", "town", name}) for name in columns(1)}


@pytest.fixture
def path(table):
    return table(pl.DataFrame(columns()).write_csv())


def held_out(model):
    rows = model.training.held_out
    return model.predict(rows.x), np.asarray(rows.y, float)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("level", [0.2, 0.9])
def test_a_quantile(path, level, stream):
    model = handnn.train_file(
        path, "near", loss=f"quantile:{level}", ignore=UNUSED["near"], stream=stream, **QUICK
    )
    answers, measured = held_out(model)
    assert abs((measured <= answers).mean() - level) < 0.15
    error = measured - answers
    pinball = np.where(error > 0, level * error, (level - 1) * error).mean()
    assert model.scores["pinball_loss"] == pytest.approx(pinball)
    assert model.scores["share_below"] == (measured <= answers).mean()
    constant = model.baselines[f"the {level} quantile"]
    assert model.scores["pinball_loss"] < 0.6 * constant["pinball_loss"]
    assert "pinball loss" in model.verdict and "pinball" in report_page(model, "")


@pytest.mark.parametrize("stream", [False, True])
def test_counts(path, stream):
    """With this loss, a few distinct integers, which would be classes otherwise, are counts."""
    model = handnn.train_file(
        path, "count", loss="poisson", ignore=UNUSED["count"], stream=stream, **QUICK
    )
    answers, measured = held_out(model)
    assert (answers > 0).all() and len(set(answers)) > 40
    logarithms = np.log(np.where(measured > 0, measured, 1) / answers)
    deviance = 2 * (measured * logarithms - measured + answers).mean()
    assert model.scores["deviance"] == pytest.approx(deviance)
    assert deviance < 0.7 * model.baselines["the mean"]["deviance"]
    assert "deviance" in model.verdict and "Poisson" in report_page(model, "")


def test_several_numbers(path, tmp_path):
    """One of them has a comma in its name, and a much larger scale."""
    model = handnn.train_file(path, ["near", "far, wide"], ignore="count,warm,south", **QUICK)
    answers, measured = held_out(model)
    assert answers.shape == measured.shape == (80, 2)
    expected = {}
    for place, name in enumerate(["near", "far, wide"]):
        error = measured[:, place] - answers[:, place]
        expected[f"rmse of {name}"] = np.sqrt((error**2).mean())
        expected[f"mae of {name}"] = abs(error).mean()
        expected[f"r2 of {name}"] = (
            1 - (error**2).sum() / ((measured[:, place] - measured[:, place].mean()) ** 2).sum()
        )
    scaled = np.sqrt((((measured - answers) / model.target.scale) ** 2).mean())
    assert model.scores == pytest.approx({"scaled_rmse": scaled, **expected})
    assert min(expected["r2 of near"], expected["r2 of far, wide"]) > 0.8
    page = report_page(model, "")
    assert "Predicting near, far, wide from" in page and "<h3>far, wide</h3>" in page
    model.save(tmp_path / "m")
    loaded = FileModel.load(tmp_path / "m")
    assert loaded.notes.target_names == ("near", "far, wide")
    assert (loaded.predict(model.training.held_out.x) == answers).all()


def test_several_targets_of_the_command(handnn_command, path, tmp_path):
    words = ["train", path, "--target", "near,count", "--ignore", "far, wide", *WORDS]
    done = handnn_command(*words, "--ignore", "warm,south", "--out", tmp_path / "m")
    assert done.code == 0 and "r2 of count" in done.out and not done.err
    done = handnn_command("predict", tmp_path / "m", path, "--quiet", "--out", tmp_path / "p.csv")
    assert done.code == 0
    found = pl.read_csv(tmp_path / "p.csv")
    assert found.columns == ["prediction of near", "prediction of count"]
    table = {name: columns()[name] for name in ("a", "town")}
    np.testing.assert_array_equal(FileModel.load(tmp_path / "m").predict(table), found.to_numpy())
    scores = handnn_command("evaluate", tmp_path / "m", path, "--quiet")
    assert scores.code == 0 and "mae of near" in scores.out
    assert "predicts 'near', 'count'" in handnn_command("inspect", tmp_path / "m").out


def test_yes_or_no_targets(handnn_command, path, tmp_path):
    """Booleans and whole numbers 0 and 1 are several yes-or-no targets."""
    words = ["--ignore", "count,near", "--ignore", "far, wide", *WORDS, "--out", tmp_path / "m"]
    done = handnn_command("train", path, "--target", "warm,south", *words)
    assert done.code == 0 and "accuracy of warm" in done.out
    model = FileModel.load(tmp_path / "m")
    assert model.target.task == "multilabel" and model.scores["accuracy of south"] > 0.95
    done = handnn_command("predict", tmp_path / "m", path, "--probabilities", "--quiet")
    assert done.out.startswith("prediction of warm,prediction of south,p(warm),p(south)\n")
    assert handnn_command("evaluate", tmp_path / "m", path, "--quiet").code == 0


def test_blocks_are_scored_like_all_rows(path, tmp_path):
    from handnn.files.report.block_scores import BlockScores
    from handnn.files.report.table_scores import answers_of, measured_values, score

    frame = pl.DataFrame(columns())
    for target, loss in [("near,count", "squared"), ("near", "quantile:0.3"), ("count", "poisson")]:
        model = handnn.train_file(path, target, loss=loss, ignore="warm,south", **QUICK)
        names = target.split(",")
        y = frame.select(names) if len(names) > 1 else frame[target]
        measured, answers = (
            measured_values(model.target, y),
            answers_of(model, frame[[*model.kinds]]),
        )
        whole = score(model.target, measured, answers, names)
        found = BlockScores(model.target, names)
        for part in np.array_split(np.arange(400), 3):
            found.add(measured[part], answers[part])
        assert list(found.scores()) == list(whole) and main_metric(model.target) in whole
        assert found.scores() == pytest.approx(whole)


@pytest.mark.parametrize(
    ("target", "loss", "expected"),
    [
        ("near", "poisson", "has a value of -"),
        ("town", "quantile:0.5", "are not numbers"),
        ("near,town", "squared", "are not numbers"),
        ("near,nears", "squared", "did you mean 'near'"),
        ("near", "quantile:1", "must be 'squared'"),
    ],
)
def test_targets_that_do_not_fit(path, target, loss, expected):
    with pytest.raises(ValueError, match=expected):
        handnn.train_file(path, target, loss=loss, **QUICK)


def test_losses_of_classes_and_streams_of_several_targets(path):
    with pytest.raises(ValueError, match="needs a regression"):
        handnn.train_file(path, "town", task="multiclass", loss="poisson")
    with pytest.raises(TableError, match="use stream=False to keep"):
        handnn.train_file(path, "near,count", stream=True)
    with pytest.raises(TableError, match="no classes to be weighted"):
        handnn.train_file(path, "near,count", class_weight="balanced", **QUICK)


@pytest.mark.parametrize("loss", ["poisson", "quantile:0.9"])
def test_exports_of_losses(path, tmp_path, loss):
    """The C program has the bits of predict; ONNX and PyTorch are close."""
    model = handnn.train_file(path, "count", loss=loss, ignore=UNUSED["count"], **QUICK)
    rows = {"a": [-1.5, 0.0, 2.5], "town": ["Kiel", "Ulm", "Bonn"]}
    answers = model.predict(rows)
    compiler = shutil.which("cc")
    if compiler:
        from handnn.files.export import EXPORTERS

        source = tmp_path / "m.c"
        source.write_bytes(EXPORTERS["c"](model, "model", "m.c"))
        words = [compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", source, "-lm", "-o"]
        subprocess.run([*words, tmp_path / "m"], check=True)
        assert subprocess.run([tmp_path / "m", "--check"], capture_output=True).returncode == 0
        text = "a,town\n-1.5,Kiel\n0,Ulm\n2.5,Bonn\n"
        done = subprocess.run([tmp_path / "m"], input=text, capture_output=True, text=True)
        assert [float(line) for line in done.stdout.split()] == answers.tolist()
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(handnn.to_onnx(model).SerializeToString())
    given = {"x": np.array(rows["a"])[:, None], "text": np.array(rows["town"], object)[:, None]}
    np.testing.assert_allclose(session.run(None, given)[0][:, 0], answers, rtol=1e-5)
    torch = pytest.importorskip("torch")
    codes = torch.tensor([[-1.5, 0.0], [0.0, 1.0], [2.5, 3.0]], dtype=torch.float64)
    found = handnn.to_torch(model)(codes).detach().numpy()[:, 0]
    np.testing.assert_allclose(found, answers, rtol=1e-5)
