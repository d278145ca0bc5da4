"""load_mnist: paths, damaged files, and the real data."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import struct
import tracemalloc

import numpy as np
import pytest

from handnn.datasets import Mnist, load_mnist, mnist
from handnn.datasets.idx import read_idx
from tests.datasets.digits import NAMES, SMALL, assert_is_small, idx, images, labels

REAL = os.environ.get("HANDNN_MNIST")
needs_real_files = pytest.mark.skipif(
    not REAL, reason="HANDNN_MNIST does not name a folder with the files of MNIST"
)


# Finding the files


def test_reads_the_given_folder(folder, monkeypatch):
    monkeypatch.setenv("HANDNN_MNIST", "elsewhere")
    assert_is_small(load_mnist(folder))
    assert_is_small(load_mnist(str(folder)))


def test_reads_the_folder_in_the_environment_variable(folder, monkeypatch):
    monkeypatch.setenv("HANDNN_MNIST", str(folder))
    assert_is_small(load_mnist())


def test_reads_unpacked_files_and_prefers_gzipped_ones(folder):
    (folder / f"{NAMES[0]}.gz").unlink()
    (folder / NAMES[0]).write_bytes(idx(SMALL[NAMES[0]]))
    (folder / NAMES[1]).write_bytes(b"never read")
    assert_is_small(load_mnist(folder))


def test_expands_a_tilde(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert_is_small(load_mnist(f"~/{folder.name}"))


@pytest.mark.parametrize("value", [None, ""])
def test_missing_folder_argument_is_explained(small, monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("HANDNN_MNIST", value)
    for wanted in (False, True):
        with pytest.raises(FileNotFoundError, match=r"load_mnist\(path\).*HANDNN_MNIST"):
            load_mnist(download=wanted)


@pytest.mark.parametrize("name", NAMES)
def test_missing_file_and_folder_are_named(folder, name):
    (folder / f"{name}.gz").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(folder)
    for words in (f"{folder} has no {name}.gz (", "HANDNN_MNIST", "download=True"):
        assert words in str(caught.value)


def test_all_missing_files_are_named(small, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(tmp_path / "nowhere")
    assert ", ".join(f"{name}.gz" for name in NAMES) in str(caught.value)


# Contents


def assert_rejected(folder, name, contents, message, packed=True):
    (folder / f"{name}.gz").unlink()
    path = folder / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(contents) if packed else contents)
    with pytest.raises(ValueError) as caught:
        load_mnist(folder)
    assert str(caught.value) == f"{path}: {message}"


WRONG = [
    ("magic", 0, idx(images(12), 0x801),
     "its magic number must be 0x00000803, but is 0x00000801"),
    ("no IDX", 1, b"<html>not found</html>",
     "its magic number must be 0x00000801, but is 0x3c68746d"),
    ("images for labels", 3, idx(images(5)),
     "its magic number must be 0x00000801, but is 0x00000803"),
    ("too few images", 0, idx(images(11)), "its shape must be (12, 3, 2), but is (11, 3, 2)"),
    ("other images", 2, idx(np.zeros((5, 2, 3), np.uint8)),
     "its shape must be (5, 3, 2), but is (5, 2, 3)"),
    ("fewer labels than images", 1, idx(labels(11)), "its shape must be (12,), but is (11,)"),
    ("huge", 3, struct.pack(">2I", 0x801, 2**32 - 1),
     "its shape must be (5,), but is (4294967295,)"),
    ("nothing", 0, b"", "has 0 bytes, but an IDX header has 16"),
    ("no whole header", 1, idx(labels(12))[:7], "has 7 bytes, but an IDX header has 8"),
    ("cut short", 0, idx(images(12))[:-1], "must have 88 bytes unpacked, but has 87"),
    ("overlong", 3, idx(labels(5)) + b"0", "must have 13 bytes unpacked, but has more"),
    ("label", 1, idx(np.array([1, 10, *[11] * 10], np.uint8)), "label 1 must be 0 to 9, but is 10"),
]  # fmt: skip


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
@pytest.mark.parametrize(
    ("which", "contents", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong_contents_are_reported(folder, which, contents, message, packed):
    assert_rejected(folder, NAMES[which], contents, message, packed)


def test_rejects_gzip_data_truncated_anywhere(tmp_path):
    array = images(4)
    whole = gzip.compress(idx(array))
    path = tmp_path / "some.gz"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"some\.gz: truncated gzip data: \d+ of 40 bytes"):
            read_idx(path, array.shape)


def test_damaged_byte_is_detected_or_harmless(tmp_path):
    array = images(4)
    whole = gzip.compress(idx(array))
    path = tmp_path / "some.gz"
    harmless = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(read_idx(path, array.shape), array)
            harmless += 1
        except ValueError as error:
            assert "some.gz: " in str(error)
    assert harmless <= 10  # the bytes of gzip's header


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (idx(images(4)), r"some\.gz: damaged gzip data \(.*header"),
        (
            gzip.compress(idx(images(4))) + b"more",
            r"some\.gz: data after the end",
        ),
    ],
    ids=["not gzip", "trailing data"],
)
def test_rejects_anything_but_one_gzip_stream(tmp_path, contents, message):
    path = tmp_path / "some.gz"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=message):
        read_idx(path, (4, 3, 2))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
def test_memory_is_bounded_by_the_expected_size(tmp_path, packed):
    contents = idx(images(4)) + bytes(50_000_000)
    path = tmp_path / ("bomb.gz" if packed else "bomb")
    path.write_bytes(gzip.compress(contents) if packed else contents)
    del contents
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="must have 40 bytes unpacked, but has more"):
            read_idx(path, (4, 3, 2))
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_reads_uncompressed_gzip_data(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (300, 28, 28), np.uint8)
    path = tmp_path / "stored.gz"
    path.write_bytes(gzip.compress(idx(array), compresslevel=0))
    np.testing.assert_array_equal(read_idx(path, array.shape), array)


def test_result_has_a_short_repr_and_is_frozen(folder):
    data = load_mnist(folder)
    assert repr(data) == "Mnist(12 training and 5 test digits of 6 pixels)"
    assert isinstance(data, Mnist)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.x_train = None
    data.x_train[:] = 7
    assert_is_small(load_mnist(folder))


# The real files

MD5_OF_THE_PUBLISHED_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@needs_real_files
def test_checksums_match_the_published_files():
    for file in mnist.FILES:
        path = mnist._find(mnist._folder(None), file)
        contents = path.read_bytes()
        if path.suffix == ".gz":
            contents = gzip.decompress(contents)
        md5 = hashlib.md5(contents, usedforsecurity=False).hexdigest()
        assert md5 == MD5_OF_THE_PUBLISHED_FILES[file.name]
        assert hashlib.sha256(contents).hexdigest() == file.sha256
        assert len(contents) == file.size


@needs_real_files
def test_real_digits():
    data = load_mnist()
    assert repr(data) == "Mnist(60000 training and 10000 test digits of 784 pixels)"
    assert (data.x_train.shape, data.x_test.shape) == ((60000, 784), (10000, 784))
    assert data.x_train.dtype == data.x_test.dtype == np.float32
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.y_train).tolist() == counts
    # The mean and standard deviation that are commonly used to scale MNIST.
    assert data.x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert data.x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    # The first image is a 5; its first ink is in row 5, from column 12 on.
    image = data.x_train[0].reshape(28, 28)
    assert not image[:5].any()
    np.testing.assert_array_equal(image[5, 11:16] * 255, [0, 3, 18, 18, 18])
