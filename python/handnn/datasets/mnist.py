"""MNIST: 70,000 handwritten digits, read from the four published files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handnn.datasets.download import download_idx
from handnn.datasets.idx import IdxFile, read_idx
from handnn.storage import as_path

VARIABLE = "HANDNN_MNIST"

FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


@dataclass(frozen=True, eq=False)
class Mnist:
    """Images of handwritten digits and their labels.

    Attributes:
        x_train: pixels from 0 (paper) to 1 (ink) in row-major order, float32 (60000, 784).
        y_train: digits from 0 to 9, int64 (60000,).
        x_test: images by other writers, float32 (10000, 784).
        y_test: their digits, int64 (10000,).

    Examples:
        >>> from handnn.datasets import Mnist
        >>> images, labels = np.zeros((3, 784), np.float32), np.array([5, 0, 4])
        >>> Mnist(images, labels, images[:1], labels[:1])
        Mnist(3 training and 1 test digits of 784 pixels)
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]

    def __repr__(self) -> str:
        """Return the sizes as text."""
        train, pixels = self.x_train.shape
        return f"Mnist({train} training and {len(self.x_test)} test digits of {pixels} pixels)"


def load_mnist(path: str | os.PathLike[str] | None = None, *, download: bool = False) -> Mnist:
    """Return the 60,000 training and 10,000 test digits of MNIST.

    path: the folder with the four files train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,
    t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, or the same unpacked, without .gz. The
    default is the folder in the environment variable HANDNN_MNIST.
    download: download missing files (11 MB) into the folder, over https from a public mirror. A
    file appears there only when it is complete and its checksum is correct.

    Pixels are divided by 255. Each call reads the files and returns new arrays.

    Raises FileNotFoundError if a file is missing or no folder is given; ValueError if a file has a
    wrong magic number, shape or size, is damaged, or has a label above 9, or if the SHA-256
    checksum of a download is wrong; OSError if a file cannot be read or written, or no mirror can
    be reached.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", 1998;
    described in Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
    document recognition", Proceedings of the IEEE 86(11), 2278-2324, 1998.

    Examples:
        >>> from handnn.datasets import load_mnist
        >>> load_mnist()  # doctest: +SKIP
        Mnist(60000 training and 10000 test digits of 784 pixels)
    """
    folder = _folder(path)
    places = {file: _find(folder, file) for file in FILES}
    if download:
        for file, place in places.items():
            places[file] = place or download_idx(folder, file)
    found = [place for place in places.values() if place]
    if len(found) < len(FILES):
        missing = ", ".join(f"{file.name}.gz" for file, place in places.items() if not place)
        raise FileNotFoundError(
            f"load_mnist: {folder} has no {missing} (gzipped or unpacked); copy the files of MNIST "
            f"there, pass another folder as load_mnist(path) or in the environment variable "
            f"{VARIABLE}, or download them with load_mnist(path, download=True)"
        )
    arrays = [read_idx(place, file.shape) for place, file in zip(found, FILES, strict=True)]
    x_train, y_train, x_test, y_test = arrays
    _check_labels(found[1], y_train)
    _check_labels(found[3], y_test)
    return Mnist(
        x_train=_as_rows(x_train),
        y_train=y_train.astype(np.int64),
        x_test=_as_rows(x_test),
        y_test=y_test.astype(np.int64),
    )


def _folder(path: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the files: `path`, else that of the environment variable."""
    named = os.environ.get(VARIABLE, "") if path is None else as_path(path, "load_mnist: path")
    if not named:
        raise FileNotFoundError(
            "load_mnist: no folder is given; pass the folder with the four MNIST files as "
            f"load_mnist(path), or set the environment variable {VARIABLE}"
        )
    return Path(named).expanduser()


def _find(folder: Path, file: IdxFile) -> Path | None:
    """Return the path of the file, gzipped or not, or None."""
    for place in (folder / f"{file.name}.gz", folder / file.name):
        if place.exists():
            return place
    return None


def _check_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise ValueError(f"{path}: label {wrong[0]} must be 0 to 9, but is {labels[wrong[0]]}")


def _as_rows(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return one row of pixels between 0 and 1 per image."""
    pixels: NDArray[np.float32] = np.divide(images, np.float32(255), dtype=np.float32)
    return pixels.reshape(len(images), -1)
