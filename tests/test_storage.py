"""Saved networks come back bit for bit; every other file is a FormatError and nothing worse."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as to_safetensors

import handnn
from handnn import Affine, FormatError, Network, ReLU, Sigmoid, mlp
from tests.bounds import assert_same_bits
from tests.own_bricks import Halve


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.safetensors"


@pytest.fixture
def saved(path):
    mlp([2, 3, 1], rng=0).save(path)
    return path


def header_and_data(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def write(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def with_architecture(path, change):
    """Rewrite the file's own description of its bricks."""
    header, data = header_and_data(path)
    architecture = json.loads(header["__metadata__"]["handnn"])
    changed = change(architecture)
    header["__metadata__"]["handnn"] = json.dumps(architecture if changed is None else changed)
    write(path, header, data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back_bit_for_bit(path, dtype):
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


def test_arrays_in_fortran_order_come_back_as_they_look(path):
    w = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    layer = Affine(np.ones((2, 3)), np.zeros(3))
    layer.w = w
    Network([layer]).save(path)
    assert handnn.load(path).params["0.w"].tolist() == w.tolist()


def test_a_path_may_be_a_string(tmp_path):
    path = str(tmp_path / "network.safetensors")
    mlp([2, 1], rng=0).save(path)
    assert len(handnn.load(path).layers) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a whole path has 260 letters there")
def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("a" * 255)
    mlp([2, 1], rng=0).save(path)
    assert len(handnn.load(path).layers) == 1


def test_the_file_is_safetensors_with_the_architecture_in_its_metadata(saved):
    header, data = header_and_data(saved)
    architecture = json.loads(header.pop("__metadata__")["handnn"])
    assert architecture["bricks"] == [
        {"brick": "Affine", "in": 2, "out": 3},
        {"brick": "ReLU"},
        {"brick": "Affine", "in": 3, "out": 1},
    ]
    assert set(header) == {"0.w", "0.b", "2.w", "2.b"}
    assert len(data) == 4 * 13


def test_own_bricks_cannot_be_saved(path):
    with pytest.raises(TypeError, match="Halve"):
        Network([Affine.random(2, 3), Halve()]).save(path)
    assert not list(path.parent.iterdir())


class MyReLU(ReLU):
    """A brick of one's own that descends from one of ours."""


class Impostor(Halve):
    pass


Impostor.__name__ = "ReLU"


@pytest.mark.parametrize("kind", [MyReLU, Impostor])
def test_neither_can_what_only_looks_like_ours(path, kind):
    with pytest.raises(TypeError):
        Network([Affine.random(2, 3), kind()]).save(path)
    assert not path.exists()


def test_a_file_that_is_not_there_is_an_oserror(path):
    with pytest.raises(FileNotFoundError):
        handnn.load(path)


def test_a_folder_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        handnn.load(tmp_path)


def test_format_error_is_a_value_error_that_names_the_file(path):
    path.write_bytes(b"hello")
    assert issubclass(FormatError, ValueError)
    with pytest.raises(FormatError, match=r"network\.safetensors"):
        handnn.load(path)


FOREIGN = {
    "empty": b"",
    "text": b"a,b,c\n1,2,3\n" * 40,
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "zip": b"PK\x03\x04" + bytes(100),
    "pickle": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "numpy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n",
    "header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "header of 2^64 - 1": struct.pack("<Q", 2**64 - 1) + b"{}",
    "header of 90 MB": struct.pack("<Q", 90_000_000) + b"{}",
    "header of nothing": struct.pack("<Q", 0),
    "no object": struct.pack("<Q", 2) + b"[]",
    "no text": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    "nested": struct.pack("<Q", 200_000) + b"[" * 200_000,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_a_format_error(path, name):
    path.write_bytes(FOREIGN[name])
    with pytest.raises(FormatError):
        handnn.load(path)


def test_a_foreign_safetensors_file_is_a_format_error(path):
    arrays = {"0.w": np.ones((2, 3), np.float32), "0.b": np.ones(3, np.float32)}
    for metadata in (None, {}, {"format": "pt"}, {"handnn": ""}, {"handnn": "[]"}):
        path.write_bytes(to_safetensors(arrays, metadata))
        with pytest.raises(FormatError):
            handnn.load(path)


def test_every_truncation_is_a_format_error(saved):
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            handnn.load(saved)


def test_anything_after_the_end_is_a_format_error(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(FormatError):
        handnn.load(saved)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_damaged_byte_gives_a_network_of_that_shape_or_a_format_error(saved, flip):
    whole = bytearray(saved.read_bytes())
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= flip
        saved.write_bytes(damaged)
        try:
            network = handnn.load(saved)
        except FormatError:
            refused += 1
        else:
            assert [type(layer) for layer in network.layers] == [Affine, ReLU, Affine]
            assert network.predict(np.ones((1, 2), np.float32)).shape == (1, 1)
    assert refused > len(whole) / 4


def brick(position, **changes):
    def change(architecture):
        architecture["bricks"][position].update(changes)

    return change


def drop(position, key):
    def change(architecture):
        del architecture["bricks"][position][key]

    return change


def entry(key, value):
    def change(architecture):
        architecture[key] = value

    return change


WRONG_ARCHITECTURES = {
    "wider": brick(0, out=4),
    "narrower": brick(0, **{"in": 1}),
    "negative": brick(0, out=-3),
    "zero": brick(0, out=0),
    "huge": brick(0, out=10**18),
    "beyond 64 bits": brick(0, out=10**40),
    "a float": brick(0, out=3.5),
    "a string": brick(0, out="3"),
    "a list": brick(0, out=[3]),
    "null": brick(0, out=None),
    "no width": drop(0, "out"),
    "no name": drop(1, "brick"),
    "unknown brick": brick(1, brick="Swoosh"),
    "a brick by its module": brick(1, brick="os.system"),
    "a private word": brick(1, brick="__class__"),
    "a name that is no string": brick(1, brick=["ReLU"]),
    "a name that is an object": brick(1, brick={"a": 1}),
    "an extra word": brick(1, slope=0.1),
    "a brick too few": lambda a: a["bricks"].pop() and None,
    "a brick too many": lambda a: a["bricks"].append({"brick": "Affine", "in": 1, "out": 1}),
    "bricks in another order": lambda a: a["bricks"].reverse(),
    "no bricks": entry("bricks", []),
    "bricks that are no list": entry("bricks", {"0": {"brick": "ReLU"}}),
    "bricks that are null": entry("bricks", None),
    "a brick that is a string": entry("bricks", ["ReLU"]),
    "nothing": lambda a: {},
    "a list of all": lambda a: [a],
    "a number": lambda a: 7,
}


@pytest.mark.parametrize("name", WRONG_ARCHITECTURES)
def test_a_wrong_architecture_is_a_format_error(saved, name):
    with_architecture(saved, WRONG_ARCHITECTURES[name])
    with pytest.raises(FormatError):
        handnn.load(saved)


def test_an_architecture_nested_beyond_reason_is_a_format_error(saved):
    header, data = header_and_data(saved)
    header["__metadata__"]["handnn"] = "[" * 200_000
    write(saved, header, data)
    with pytest.raises(FormatError):
        handnn.load(saved)


def test_a_later_format_says_so(saved):
    header, _ = header_and_data(saved)
    architecture = json.loads(header["__metadata__"]["handnn"])
    (version,) = [key for key, value in architecture.items() if value == 1]
    with_architecture(saved, entry(version, 999))
    with pytest.raises(FormatError, match="999"):
        handnn.load(saved)


def saved_arrays(path, **changes):
    """The arrays of a good file, some replaced (or, with None, left out), under its metadata."""
    header, _ = header_and_data(path)
    arrays = {name: array.copy() for name, array in handnn.load(path).params.items()}
    arrays.update({name.replace("_", "."): array for name, array in changes.items()})
    arrays = {name: array for name, array in arrays.items() if array is not None}
    path.write_bytes(to_safetensors(arrays, header["__metadata__"]))


WRONG_ARRAYS = {
    "transposed": {"0_w": np.ones((3, 2), np.float32)},
    "flat": {"0_w": np.ones(6, np.float32)},
    "bias too long": {"0_b": np.ones(4, np.float32)},
    "bias 2-D": {"0_b": np.ones((1, 3), np.float32)},
    "missing": {"0_b": None},
    "extra": {"7_w": np.ones((1, 1), np.float32)},
    "integers": {"0_w": np.ones((2, 3), np.int32)},
    "half": {"0_w": np.ones((2, 3), np.float16)},
    "bools": {"0_w": np.ones((2, 3), bool)},
    "float64 among float32": {"0_w": np.ones((2, 3), np.float64)},
    "one brick of float64": {"0_w": np.ones((2, 3)), "0_b": np.ones(3)},
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_arrays_that_do_not_fit_are_a_format_error(saved, name):
    saved_arrays(saved, **WRONG_ARRAYS[name])
    with pytest.raises(FormatError):
        handnn.load(saved)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64", "U64"])
def test_dtypes_numpy_does_not_have_are_a_format_error(path, dtype):
    size = {"BF16": 2, "F8_E4M3": 1, "C64": 8, "U64": 8}[dtype]
    description = {"format": 1, "bricks": [{"brick": "Affine", "in": 1, "out": 1}]}
    header = {
        "__metadata__": {"handnn": json.dumps(description)},
        "0.w": {"dtype": dtype, "shape": [1, 1], "data_offsets": [0, size]},
        "0.b": {"dtype": dtype, "shape": [1], "data_offsets": [size, 2 * size]},
    }
    write(path, header, bytes(2 * size))
    with pytest.raises(FormatError):
        handnn.load(path)


def test_a_save_that_fails_leaves_the_old_file(saved, monkeypatch):
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
            "left something behind"
        )


def test_a_save_that_is_interrupted_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mlp([5, 5], rng=1).save(saved)
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_a_save_is_written_through_before_it_takes_the_name(saved, monkeypatch):
    """The file is synced, then renamed, then its folder is synced (where folders can be)."""
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
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is writable for root"
)
def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError):
            mlp([2, 1], rng=0).save(tmp_path / "network.safetensors")
    finally:
        tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        mlp([2, 1], rng=0).save(tmp_path / "missing" / "network.safetensors")


def test_saving_over_a_file_of_the_same_name_replaces_it(saved):
    mlp([5, 5], rng=1).save(saved)
    assert handnn.load(saved).params["0.w"].shape == (5, 5)


def test_loading_imports_no_module_that_is_named_in_the_file(saved, tmp_path):
    (tmp_path / "trap.py").write_text("print('executed')")
    with_architecture(saved, brick(1, brick="trap"))
    script = "import sys, handnn\ntry:\n    handnn.load(sys.argv[1])\nexcept ValueError:\n    pass"
    result = subprocess.run(
        [sys.executable, "-c", script, saved],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "executed" not in result.stdout


def test_an_error_of_saving_names_the_callers_path(tmp_path):
    path = tmp_path / "missing" / "network.safetensors"
    with pytest.raises(OSError) as caught:
        mlp([2, 1], rng=0).save(path)
    assert caught.value.filename == str(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
def test_what_is_no_regular_file_is_left_alone(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(OSError, match="left alone"):
            mlp([2, 1], rng=0).save(path)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]
