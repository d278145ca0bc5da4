"""Damaged, foreign and forged files raise FormatError and nothing else."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save as to_safetensors

import handnn
from handnn import Affine, FormatError, ReLU
from handnn.storage import write_arrays
from tests.storage.files import header_and_data, with_architecture, write


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
def test_rejects_foreign_files(path, name):
    path.write_bytes(FOREIGN[name])
    with pytest.raises(FormatError):
        handnn.load(path)


def test_rejects_foreign_safetensors_files(path):
    arrays = {"0.w": np.ones((2, 3), np.float32), "0.b": np.ones(3, np.float32)}
    for metadata in (None, {}, {"format": "pt"}, {"handnn": ""}, {"handnn": "[]"}):
        path.write_bytes(to_safetensors(arrays, metadata))
        with pytest.raises(FormatError):
            handnn.load(path)


def test_rejects_every_truncated_file(saved):
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            handnn.load(saved)


def test_rejects_bytes_after_the_end(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(FormatError):
        handnn.load(saved)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_rejects_every_damaged_byte_or_loads_a_network_of_that_shape(saved, flip):
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
    "a name that is not a string": brick(1, brick=["ReLU"]),
    "a name that is an object": brick(1, brick={"a": 1}),
    "an extra word": brick(1, slope=0.1),
    "a brick too few": lambda a: a["bricks"].pop() and None,
    "a brick too many": lambda a: a["bricks"].append({"brick": "Affine", "in": 1, "out": 1}),
    "bricks in another order": lambda a: a["bricks"].reverse(),
    "no bricks": entry("bricks", []),
    "bricks that are not a list": entry("bricks", {"0": {"brick": "ReLU"}}),
    "bricks that are null": entry("bricks", None),
    "a brick that is a string": entry("bricks", ["ReLU"]),
    "nothing": lambda a: {},
    "a list of all": lambda a: [a],
    "a number": lambda a: 7,
}


@pytest.mark.parametrize("name", WRONG_ARCHITECTURES)
def test_rejects_a_wrong_architecture(saved, name):
    with_architecture(saved, WRONG_ARCHITECTURES[name])
    with pytest.raises(FormatError):
        handnn.load(saved)


def test_rejects_a_deeply_nested_architecture(saved):
    header, data = header_and_data(saved)
    header["__metadata__"]["handnn"] = "[" * 200_000
    write(saved, header, data)
    with pytest.raises(FormatError):
        handnn.load(saved)


def test_rejects_a_later_format_by_its_number(saved):
    header, _ = header_and_data(saved)
    architecture = json.loads(header["__metadata__"]["handnn"])
    (version,) = [key for key, value in architecture.items() if value == 1]
    with_architecture(saved, entry(version, 999))
    with pytest.raises(FormatError, match="999"):
        handnn.load(saved)


def saved_arrays(path, **changes):
    """Rewrite a valid file with some arrays replaced, or left out with None."""
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
def test_rejects_arrays_that_do_not_fit(saved, name):
    saved_arrays(saved, **WRONG_ARRAYS[name])
    with pytest.raises(FormatError):
        handnn.load(saved)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64", "U64"])
def test_rejects_dtypes_that_numpy_does_not_have(path, dtype):
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


def test_load_imports_no_module_named_in_the_file(saved, tmp_path):
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


def test_rejects_an_embedding_of_the_vectors_of_another_one(path):
    w = np.ones((2, 2), np.float32)
    bricks = [{"brick": "Embedding", "column": 0}, {"brick": "Embedding", "column": 1}]
    arrays = {"0.w": w, "1.w": w, "2.w": np.ones((3, 1), np.float32), "2.b": np.ones(1, "f4")}
    text = json.dumps({"format": 1, "bricks": [*bricks, {"brick": "Affine", "in": 3, "out": 1}]})
    write_arrays(path, arrays, {"handnn": text})
    with pytest.raises(FormatError, match="would read its codes from the vectors"):
        handnn.load(path)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "1" * 400])
def test_rejects_numbers_that_float64_does_not_have(saved, number):
    header, data = header_and_data(saved)
    description = header["__metadata__"]["handnn"]
    header["__metadata__"]["handnn"] = f'{{"comment": [{number}], {description[1:]}'
    write(saved, header, data)
    with pytest.raises(handnn.FormatError, match=f"the number {number[:50]}, which float64"):
        handnn.load(saved)


@pytest.mark.parametrize("word", ["\ud800", "\x1b[31m", "a\nb"])
def test_messages_escape_what_cannot_be_printed(saved, word):
    def change(architecture):
        architecture["model"] = word

    with_architecture(saved, change)
    with pytest.raises(FormatError) as error:
        handnn.load(saved)
    assert str(error.value).isprintable()
