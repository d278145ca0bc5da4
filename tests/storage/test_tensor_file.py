"""TensorFile reads the same data as the safetensors library, and rejects all files it rejects."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from handnn import FormatError
from handnn.storage import opened
from handnn.storage.entries import Entry
from handnn.storage.header import MAX_LENGTH, parse_header
from tests.bounds import assert_same_bits
from tests.storage.files import header_and_data, write

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(np.nan),
    "c": np.zeros((0, 3)),
    "d": np.arange(4, dtype=np.int64),
    "größe": np.array([[1e-310, -0.0, np.inf]]),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "arrays.safetensors"
    save_file(ARRAYS, path, {"note": "ü"})
    return path


def test_arrays_and_metadata_are_those_that_were_written(path):
    with opened(path, "is damaged") as file:
        assert file.metadata == {"note": "ü"}
        assert set(file.keys()) == set(ARRAYS)
        for name in set(ARRAYS) - {"d"}:
            array = file.read(name)
            assert_same_bits(array, ARRAYS[name])
            assert array.flags.writeable and array.flags.aligned and array.dtype.isnative


@pytest.mark.parametrize(
    ("name", "words"), [("d", "is I64, not F32 or F64"), ("e", "no array 'e'")]
)
def test_rejects_an_array_of_another_dtype_and_a_missing_one(path, name, words):
    with pytest.raises(FormatError, match=words), opened(path, "is damaged") as file:
        file.read(name)


def changed(header, **entry):
    header["a"].update(entry)
    return header


WRONG = {
    "an overlap": lambda h: changed(h, data_offsets=[8, 32]),
    "a range that runs backwards": lambda h: changed(h, data_offsets=[24, 0]),
    "a negative offset": lambda h: changed(h, data_offsets=[-24, 0]),
    "offsets that are not integers": lambda h: changed(h, data_offsets=[0.0, 24.0]),
    "one offset": lambda h: changed(h, data_offsets=[0]),
    "a negative shape": lambda h: changed(h, shape=[-2, -3]),
    "a bool in a shape": lambda h: changed(h, shape=[True, 6]),
    "another size": lambda h: changed(h, shape=[2, 4]),
    "a huge shape": lambda h: changed(h, shape=[2**62, 2**62]),
    "too many dimensions": lambda h: changed(h, shape=[*[1] * 64, 6]),
    "an unknown dtype": lambda h: changed(h, dtype="F128"),
    "a dtype that is a list": lambda h: changed(h, dtype=["F32"]),
    "no dtype": lambda h: h["a"].pop("dtype") and h,
    "an entry that is a list": lambda h: {**h, "a": [1]},
    "a hole": lambda h: {name: entry for name, entry in h.items() if name != "a"},
    "metadata of numbers": lambda h: {**h, "__metadata__": {"note": 3}},
    "metadata that is a list": lambda h: {**h, "__metadata__": ["note"]},
    "white space first": lambda h: b" " + json.dumps(h).encode(),
    "an array of objects": lambda h: json.dumps([h]).encode(),
    "UTF-16": lambda h: json.dumps(h).encode("utf-16"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_rejects_invalid_headers(path, kind):
    write(path, WRONG[kind](header_and_data(path)[0]), header_and_data(path)[1])
    with pytest.raises(FormatError, match="is damaged"), opened(path, "is damaged"):
        pass


def test_arrays_may_be_listed_in_any_order():
    dtypes = {"c": ("F32", 12, 16), "a": ("U8", 0, 4), "d": ("F32", 16, 20), "b": ("F64", 4, 12)}
    entries = {name: Entry(dtype, (1,), *span) for name, (dtype, *span) in dtypes.items()}
    entries["a"] = entries["a"]._replace(shape=(4, 1))
    described = {
        name: {"dtype": of.dtype, "shape": of.shape, "data_offsets": [of.start, of.end]}
        for name, of in entries.items()
    }
    _, found = parse_header(json.dumps(described))
    assert list(found) == sorted(entries)
    assert dict(found) == entries


@pytest.mark.parametrize("character", ["a", "é", '"', "\U0001f600"])
def test_a_name_has_up_to_2048_characters_in_any_spelling(character):
    entry, name = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, character * MAX_LENGTH
    for is_ascii in (False, True):
        text = json.dumps({name: entry}, ensure_ascii=is_ascii)
        assert list(parse_header(text)[1]) == [name]
        for more in ("b", 10 * name):
            text = json.dumps({name + more: entry}, ensure_ascii=is_ascii)
            with pytest.raises(ValueError, match="more than 2048 characters"):
                parse_header(text)


def test_a_header_without_memory_for_it_is_a_memory_error(path, monkeypatch):
    def no_memory(*arguments):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr("handnn.storage.file.mmap.mmap", no_memory)
    with pytest.raises(MemoryError), opened(path, "is damaged"):
        pass


def test_the_library_reads_the_same_from_every_accepted_file(path):
    """A thousand files with one to three bytes of the header replaced."""
    whole, rng, accepted = path.read_bytes(), np.random.default_rng(0), 0
    length = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(1000):
        raw = bytearray(whole)
        for place in rng.integers(length, size=rng.integers(1, 4)).tolist():
            raw[place] = rng.choice(list(b'0123456789"{}[],: aF\\\x00\xff'))
        path.write_bytes(raw)
        try:
            with opened(path, "is damaged") as file:
                names = set(file.keys())
                found = {name: file.read(name) for name in names & {"a", "b", "größe"}}
        except FormatError:
            continue
        accepted += 1
        try:
            with safe_open(path, framework="np") as theirs:
                assert set(theirs.keys()) == names
                for name, array in found.items():
                    assert_same_bits(array, theirs.get_tensor(name))
        except SafetensorError as error:  # handnn's is more lenient
            raise AssertionError(bytes(raw[:length])) from error
    assert accepted > 10


def test_rejects_a_file_that_shrinks_while_it_is_read(path):
    """A library that maps the file would end the process with SIGBUS."""
    save_file({"large": np.zeros(2**20)}, path)

    def read():
        with opened(path, "is damaged") as file:
            path.write_bytes(path.read_bytes()[:5000])
            file.read("large")

    with pytest.raises(FormatError, match="ends within its array large"):
        read()


@pytest.mark.parametrize("piece", [1, 3, 7, 64, 2**17])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (1, 9), (9, 1), (0, 4), (4, 0), (6,)])
def test_reads_transposes_in_pieces(path, monkeypatch, shape, piece):
    monkeypatch.setattr("handnn.storage.file.PIECE", piece)
    size = np.prod(shape)
    save_file({"a": np.arange(size, dtype="f4").reshape(shape), "b": np.zeros(3, "f4")}, path)
    with opened(path, "is damaged") as file:
        found = file.read_transposed("a")
    assert found.flags.c_contiguous and found.dtype == np.float32
    assert_same_bits(found, np.arange(size, dtype="f4").reshape(shape).T)


@pytest.mark.parametrize("shape", [(), (5,), (0,), (2, 3), (3, 0), (0, 3)])
def test_reads_the_rows_of_an_array_as_lists(path, shape):
    values = np.random.default_rng(0).normal(size=shape)
    save_file({"a": np.asarray(values), "b": np.zeros(2, "f4")}, path)
    with opened(path, "is damaged") as file:
        assert [list(row) for row in file.read_lists("a")] == np.atleast_2d(values).tolist()
        with pytest.raises(ValueError, match="its array b is F32, not F64"):
            file.read_lists("b")
