"""Network.save and handnn.load: bits, metadata, atomic writes, and errors of the file system."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn import Affine, Network, ReLU, Sigmoid, mlp
from tests.bounds import assert_same_bits
from tests.own_bricks import Halve
from tests.storage.files import header_and_data


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_load_returns_the_bits_that_were_saved(path, dtype):
    network = Network(
        [
            Affine.random(4, 7, rng=0, dtype=dtype),
            Sigmoid(),
            Affine.random(7, 5, rng=1, dtype=dtype),
            ReLU(),
            ReLU(),
            Affine.random(5, 1, rng=2, dtype=dtype),
        ]
    )
    special = [np.nan, np.inf, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal]
    network.params["2.b"][:] = np.array(special, dtype)
    network.save(path)
    loaded = handnn.load(path)
    assert repr(loaded) == repr(network)
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in network.layers]
    for name, array in network.params.items():
        assert_same_bits(loaded.params[name], array, name)
    x = np.random.default_rng(3).normal(size=(6, 4)).astype(dtype)
    network.params["2.b"][:] = loaded.params["2.b"][:] = 0
    assert_same_bits(loaded.predict(x), network.predict(x))


def test_a_loaded_network_can_be_trained(saved):
    trainer = handnn.Trainer(handnn.load(saved), handnn.MSELoss(), handnn.SGD(0.1))
    before = trainer.network.params["0.w"].copy()
    trainer.train_step(np.ones((4, 2)), np.zeros((4, 1)))
    assert not np.array_equal(trainer.network.params["0.w"], before)


def test_saves_arrays_in_fortran_order(path):
    w = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    layer = Affine(np.ones((2, 3)), np.zeros(3))
    layer.w = w
    Network([layer]).save(path)
    assert handnn.load(path).params["0.w"].tolist() == w.tolist()


def test_accepts_a_path_as_a_string(tmp_path):
    path = str(tmp_path / "network.safetensors")
    mlp([2, 1], rng=0).save(path)
    assert len(handnn.load(path).layers) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="paths are limited to 260 letters")
def test_accepts_a_name_of_maximal_length(tmp_path):
    path = tmp_path / ("a" * 255)
    mlp([2, 1], rng=0).save(path)
    assert len(handnn.load(path).layers) == 1


def test_metadata_describes_the_bricks(saved):
    header, data = header_and_data(saved)
    architecture = json.loads(header.pop("__metadata__")["handnn"])
    assert architecture["bricks"] == [
        {"brick": "Affine", "in": 2, "out": 3},
        {"brick": "ReLU"},
        {"brick": "Affine", "in": 3, "out": 1},
    ]
    assert set(header) == {"0.w", "0.b", "2.w", "2.b"}
    assert len(data) == 4 * 13


def test_rejects_own_bricks(path):
    with pytest.raises(TypeError, match="Halve"):
        Network([Affine.random(2, 3), Halve()]).save(path)
    assert not list(path.parent.iterdir())


class MyReLU(ReLU):
    """A subclass of one of handnn's bricks."""


class Impostor(Halve):
    pass


Impostor.__name__ = "ReLU"


@pytest.mark.parametrize("kind", [MyReLU, Impostor])
def test_rejects_classes_that_are_not_handnns_bricks(path, kind):
    with pytest.raises(TypeError):
        Network([Affine.random(2, 3), kind()]).save(path)
    assert not path.exists()


def test_load_of_a_missing_file_raises_file_not_found(path):
    with pytest.raises(FileNotFoundError):
        handnn.load(path)


def test_load_of_a_folder_raises_oserror(tmp_path):
    with pytest.raises(OSError):
        handnn.load(tmp_path)


def test_a_failed_save_keeps_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*arguments, **options):
        raise OSError("on purpose")

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="on purpose"):
                mlp([5, 5], rng=1).save(saved)
        assert saved.read_bytes() == before
        assert [file.name for file in saved.parent.iterdir()] == [saved.name], (
            "left a temporary file"
        )


def test_an_interrupted_save_keeps_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mlp([5, 5], rng=1).save(saved)
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_save_syncs_before_it_renames(saved, monkeypatch):
    """The file is synced, then renamed; then its folder is synced where the system allows it."""
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        kind = "folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file"
        done.append(kind)
        fsync(descriptor)

    def note_replace(source, target):
        done.append("replace")
        assert Path(source).parent == Path(target).parent, "a rename across folders is a copy"
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    mlp([5, 5], rng=1).save(saved)
    assert done[:2] == ["file", "replace"]
    if sys.platform == "linux":
        assert done == ["file", "replace", "folder"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_save_into_a_read_only_folder_raises_oserror(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError):
            mlp([2, 1], rng=0).save(tmp_path / "network.safetensors")
    finally:
        tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


def test_save_into_a_missing_folder_raises_oserror(tmp_path):
    with pytest.raises(OSError):
        mlp([2, 1], rng=0).save(tmp_path / "missing" / "network.safetensors")


def test_save_replaces_an_existing_file(saved):
    mlp([5, 5], rng=1).save(saved)
    assert handnn.load(saved).params["0.w"].shape == (5, 5)


def test_an_error_names_the_path_that_was_given(tmp_path):
    path = tmp_path / "missing" / "network.safetensors"
    with pytest.raises(OSError) as caught:
        mlp([2, 1], rng=0).save(path)
    assert caught.value.filename == str(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_rejects_paths_that_are_not_regular_files(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(OSError, match="left unchanged"):
            mlp([2, 1], rng=0).save(path)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
def test_names_that_no_file_can_have_are_reported(name):
    for call in (mlp([2, 1], rng=0).save, handnn.load, handnn.Trainer.resume):
        with pytest.raises(ValueError, match=r"path is '.*', which cannot be the name of a file$"):
            call(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_load_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(handnn.FormatError, match="pipe is not a network .* a pipe or a device"):
        handnn.load(tmp_path / "pipe")


@pytest.mark.skipif(os.name == "nt", reason="the system has no such names")
def test_messages_escape_the_names_of_files(tmp_path):
    (tmp_path / "a\x1b[31m\nb").write_bytes(bytes(9))
    with pytest.raises(handnn.FormatError, match=r"a\\x1b\[31m\\nb is not a network"):
        handnn.load(tmp_path / "a\x1b[31m\nb")
