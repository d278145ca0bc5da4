"""`handnn demo`: its scores, files, output and errors."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest

import handnn
import handnn.cli.demo
from handnn import engine
from handnn.cli.demo import concrete
from handnn.cli.demo.concrete_scores import baselines, score
from handnn.datasets import load_concrete
from tests.slow import SLOW

PNG = b"\x89PNG\r\n\x1a\n"


def test_reaches_its_score_with_any_seed():
    data = load_concrete()
    r2 = []
    for seed in range(5 if SLOW else 2):
        model, _, held_out = concrete.train_on_concrete(seed, epochs=300)
        predicted = model.predict(data.x[held_out])[:, 0]
        r2.append(score("network", data.y[held_out], predicted).r2)
        _, least_squares = baselines(data, held_out)
        assert 0.5 < least_squares.r2 < 0.65
    assert r2[0] >= 0.90
    assert np.mean(r2) >= 0.89


def test_writes_model_and_picture_and_prints_scores_and_code(handnn_command, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "folder"
    code, out, err = handnn_command("demo", "--epochs", 2, "--out", folder)
    assert (code, err) == (0, "")
    for words in ("the mean", "least squares", "this network", "RMSE", "R²", "CC BY 4.0"):
        assert words in out
    assert "def train_on_concrete(" in out
    assert sorted(os.listdir(folder)) == ["concrete.png", "concrete.safetensors"]
    assert (folder / "concrete.png").read_bytes().startswith(PNG)
    model = handnn.load(folder / "concrete.safetensors")
    assert model.predict([[540, 0, 0, 162, 2.5, 1040, 676, 28]]).shape == (1, 1)


def test_quiet_prints_only_the_scores(handnn_command, tmp_path):
    code, out, err = handnn_command("demo", "--epochs", 1, "--out", tmp_path, "--quiet")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 4


def test_the_printed_code_gives_the_same_model(handnn_command, tmp_path, capsys):
    args = ["demo", "--seed", 3, "--epochs", 3, "--out", tmp_path, "--json"]
    code, out, err = handnn_command(*args)
    result = json.loads(out)
    printed = err.split("The same in Python:\n\n")[1]
    assert (code, printed) == (0, result["code"])
    saved = (tmp_path / "concrete.safetensors").read_bytes()
    (tmp_path / "concrete.safetensors").unlink()

    exec(compile(printed, "demo", "exec"), {})
    network = result["scores"][-1]
    assert capsys.readouterr().out == f"RMSE {network['rmse']:.2f} MPa, R² {network['r2']:.3f}\n"
    assert (tmp_path / "concrete.safetensors").read_bytes() == saved


def test_json_is_one_object_without_messages_when_quiet(handnn_command, tmp_path):
    code, out, err = handnn_command("demo", "--epochs", 1, "--out", tmp_path, "--json", "--quiet")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert result["rows"] == {"trained": 824, "held_out": 206}
    assert [entry["name"] for entry in result["scores"]] == [
        "the mean", "least squares", "this network",
    ]  # fmt: skip
    assert os.path.exists(result["model"])


def test_saves_the_model_that_was_scored(handnn_command, tmp_path):
    _, out, _ = handnn_command("demo", "--epochs", 2, "--out", tmp_path, "--json")
    result = json.loads(out)
    _, _, held_out = concrete.train_on_concrete(seed=0, epochs=2)
    data = load_concrete()
    predicted = handnn.load(result["model"]).predict(data.x[held_out])[:, 0]
    assert score("", data.y[held_out], predicted).rmse == result["scores"][-1]["rmse"]


def test_held_out_rows_do_not_affect_the_model(monkeypatch):
    _, _, held_out = concrete.train_on_concrete(seed=0, epochs=1)
    data = load_concrete()
    data.y[held_out] = 1e6
    data.x[held_out] = -1e6
    before, _, _ = concrete.train_on_concrete(seed=0, epochs=1)
    monkeypatch.setattr(concrete, "load_concrete", lambda: data)
    after, _, _ = concrete.train_on_concrete(seed=0, epochs=1)
    for name, array in before.params.items():
        np.testing.assert_array_equal(after.params[name], array)


def test_missing_matplotlib_raises_a_helpful_error(handnn_command, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "handnn.cli.demo.figure", raising=False)
    monkeypatch.delattr(handnn.cli.demo, "figure", raising=False)
    code, out, _ = handnn_command("demo", "--epochs", 1, "--out", tmp_path)
    assert code == 0
    assert "pip install matplotlib" in out
    assert os.listdir(tmp_path) == ["concrete.safetensors"]


@pytest.fixture
def no_training(monkeypatch):
    def train(*args):
        pytest.fail("training began before the folder was checked")

    monkeypatch.setattr(concrete, "train_on_concrete", train)


@pytest.mark.parametrize("name", ["concrete.png", "concrete.safetensors"])
def test_replaces_no_file_unasked(handnn_command, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("precious")
    code, _, err = handnn_command("demo", "--epochs", 1)
    assert (code, err) == (1, f"handnn: {name} exists; use --force to replace it, or --out\n")
    assert (tmp_path / name).read_text() == "precious"
    assert handnn_command("demo", "--epochs", 1, "--force").code == 0
    assert handnn_command("demo", "--epochs", 1, "--out", ".").code == 0


def test_checks_before_training_that_the_folder_can_be_created(
    handnn_command, tmp_path, no_training
):
    (tmp_path / "file").write_text("")
    code, _, err = handnn_command("demo", "--out", tmp_path / "file" / "folder")
    assert code == 1
    assert err.startswith(f"handnn: cannot write {tmp_path / 'file' / 'folder'}")
    assert err.count("\n") == 1


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_checks_before_training_that_the_folder_is_writable(handnn_command, tmp_path, no_training):
    tmp_path.chmod(0o500)
    code, _, err = handnn_command("demo", "--out", tmp_path)
    tmp_path.chmod(0o700)
    assert code == 1
    assert "choose another folder with --out" in err


def test_checks_before_training_that_the_files_are_not_folders(
    handnn_command, tmp_path, no_training
):
    (tmp_path / "concrete.png").mkdir()
    code, _, err = handnn_command("demo", "--out", tmp_path)
    assert code == 1
    assert "it is a folder" in err


def test_a_full_disk_is_a_one_line_error(handnn_command, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = handnn_command("demo", "--epochs", 1, "--out", tmp_path)
    assert (code, os.listdir(tmp_path)) == (1, [])
    assert "No space left on device" in err
    assert err.count("\n") == 1


def test_interrupting_the_training_leaves_no_file(handnn_command, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "train", interrupt)
    code, _, err = handnn_command("demo", "--out", tmp_path)
    assert (code, err.strip()) == (130, "interrupted")
    assert os.listdir(tmp_path) == []


def test_interrupting_the_saving_keeps_the_old_model(handnn_command, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    (tmp_path / "concrete.safetensors").write_text("the old one")
    monkeypatch.setattr(os, "replace", interrupt)
    code, _, _ = handnn_command("demo", "--epochs", 1, "--out", tmp_path)
    assert code == 130
    assert os.listdir(tmp_path) == ["concrete.safetensors"]
    assert (tmp_path / "concrete.safetensors").read_text() == "the old one"
