"""Damaged and forged files of a TableModel raise FormatError, and nothing else."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as to_safetensors

from handnn import FormatError, TableModel
from tests.storage.files import header_and_data, with_architecture
from tests.storage.test_damage import FOREIGN


@pytest.fixture(params=["model", "classifier"])
def saved(request, tmp_path):
    path = tmp_path / "model.safetensors"
    request.getfixturevalue(request.param).save(path)
    return path


@pytest.mark.parametrize("name", FOREIGN)
def test_rejects_foreign_files(tmp_path, name):
    path = tmp_path / "model.safetensors"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(FormatError, match=r"model\.safetensors is not a model of a table"):
        TableModel.load(path)


def test_rejects_every_truncation(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 3):
        saved.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            TableModel.load(saved)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0xFF])
def test_a_damaged_byte_keeps_the_shapes_or_is_rejected(saved, flip):
    sizes = TableModel.load(saved)
    whole = saved.read_bytes()
    refused = 0
    for place in range(len(whole)):
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        try:
            model = TableModel.load(saved)
        except FormatError:
            refused += 1
        else:
            assert model.columns.n_in == sizes.columns.n_in
            assert model.target.n_out == sizes.target.n_out
            assert len(model.networks) == len(sizes.networks)
    assert refused > len(whole) / 5


def put(*keys, value):
    """Return a function that replaces the value at these keys of a description."""

    def change(architecture):
        inner = architecture
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


WRONG = {
    "no networks": put("networks", value=[]),
    "networks of null": put("networks", value=None),
    "a network of text": put("networks", 0, value="x"),
    "a network of no bricks": put("networks", 0, value=[]),
    "a brick of text": put("networks", 0, 0, value="Affine"),
    "an unknown brick": put("networks", 0, 0, "brick", value="os.system"),
    "a network too many": lambda a: a["networks"].append(a["networks"][0]),
    "a network too few": lambda a: a["networks"].pop() and None,
    "no columns": put("columns", value=None),
    "columns of a list": put("columns", value=[]),
    "no names": put("columns", "names", value=["a"]),
    "a column too few": lambda a: a["columns"]["columns"].pop() and None,
    "a column too many": lambda a: a["columns"]["columns"].append(a["columns"]["columns"][0]),
    "a label more": lambda a: a["columns"]["columns"][2].update(labels=["A", "B", "C"]),
    "no gaps any more": lambda a: a["columns"]["columns"][1].update(has_gaps=False),
    "the other categories": lambda a: a["columns"].update(
        categories="one-hot" if a["columns"]["categories"] == "embedding" else "embedding"
    ),
    "no target": put("target", value={}),
    "two outputs": put(
        "target",
        value={
            "task": "multilabel", "n_out": 2, "is_flat": False,
            "classes": None, "mean": None, "scale": None,
        },
    ),
    "outputs beyond memory": lambda a: a.update(
        target={**dict.fromkeys(("classes", "mean", "scale")), "task": "multilabel",
                "n_out": 10**18, "is_flat": False}
    ),
    "another model": put("model", value="tree"),
    "a model of a list": put("model", value=["table"]),
    "another format": put("format", value=999),
    "nothing": lambda a: {},
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_rejects_invalid_descriptions(saved, name):
    with_architecture(saved, WRONG[name])
    with pytest.raises(FormatError, match=r"model\.safetensors is not a model of a table"):
        TableModel.load(saved)


def with_arrays(path, change):
    header, _ = header_and_data(path)
    arrays = arrays_of(path.read_bytes())
    change(arrays)
    path.write_bytes(to_safetensors(arrays, header["__metadata__"]))


WRONG_ARRAYS = {
    "one missing": lambda arrays: arrays.pop(max(arrays)),
    "one more": lambda arrays: arrays.update({"0.9.w": np.ones((1, 1), np.float32)}),
    "one of no network": lambda arrays: arrays.update({"7.0.w": np.ones((1, 1), np.float32)}),
    "one without a number": lambda arrays: arrays.update(w=np.ones((1, 1), np.float32)),
    "of ints": lambda arrays: arrays.update({max(arrays): np.ones(3, np.int64)}),
    "of another shape": lambda arrays: arrays.update({max(arrays): np.ones((9, 9), np.float32)}),
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_rejects_arrays_that_do_not_fit(saved, name):
    with_arrays(saved, WRONG_ARRAYS[name])
    with pytest.raises(FormatError):
        TableModel.load(saved)


def test_unchanged_file_is_valid(saved):
    before = saved.read_bytes()
    with_architecture(saved, copy.deepcopy)
    with_arrays(saved, len)
    assert len(TableModel.load(saved).columns.columns) == 4
    assert saved.stat().st_size == pytest.approx(len(before), abs=64)
