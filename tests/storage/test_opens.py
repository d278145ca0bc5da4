"""Every save writes one file once, and every load opens one file once."""

from __future__ import annotations

import builtins
import os

import numpy as np
import pytest

import handnn
from handnn import SGD, Ensemble, MSELoss, Trainer, mlp
from handnn.files.model import FileModel, ModelNotes
from handnn.tables import TableModel
from tests.exchange.table_models import of_case

NOTES = ModelNotes("y", "number", ".", ("-",), {"rows": 3})


@pytest.fixture
def calls(monkeypatch):
    """Record every file that Python opens, and every rename."""
    found = []
    plain_open, replace = builtins.open, os.replace

    def noting_open(file, mode="r", *arguments, **settings):
        found.append((os.path.basename(file), mode))
        return plain_open(file, mode, *arguments, **settings)

    def noting_replace(source, target):
        found.append((os.path.basename(target), "replace"))
        replace(source, target)

    monkeypatch.setattr(builtins, "open", noting_open)
    monkeypatch.setattr(os, "replace", noting_replace)
    return found


def trainer():
    return Trainer(mlp([2, 1], rng=0), MSELoss(), SGD(0.1))


KINDS = {
    "network": (lambda path: mlp([2, 3, 1], rng=0).save(path), handnn.load),
    "network, torch": (lambda path: mlp([2, 1], rng=0).save(path, names="torch"), handnn.load),
    "ensemble": (lambda path: Ensemble([mlp([2, 1]), mlp([2, 1])]).save(path), Ensemble.load),
    "table": (lambda path: of_case("regression", "float32").save(path), TableModel.load),
    "file": (
        lambda path: FileModel(of_case("regression", "float32"), NOTES).save(path),
        FileModel.load,
    ),
    "weights": (
        lambda path: mlp([2, 1]).save(path),
        lambda path: handnn.load_weights(mlp([2, 1]), path),
    ),
    "checkpoint": (
        lambda path: trainer().fit(np.ones((3, 2)), np.ones(3), 1, 3, checkpoint=path),
        Trainer.resume,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_save_writes_once_and_load_opens_once(kind, tmp_path, calls):
    save, load = KINDS[kind]
    path = tmp_path / "model"
    save(path)
    load(path)  # so that later opens are not imports
    calls.clear()
    save(path)
    (_, mode), renamed = calls
    assert mode == "xb" and renamed == ("model", "replace")
    calls.clear()
    load(path)
    assert calls == [("model", "rb")]
