"""Downloads over https, verified before they are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from handnn.datasets.idx import GZIP_OVERHEAD, IdxFile, unpack
from handnn.storage import replace_file

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = 30.0
"""Seconds without data after which the next mirror is tried."""

CHUNK = 2**16


def download_idx(folder: Path, file: IdxFile) -> Path:
    """Download the gzipped `file` into `folder` and return its path.

    Raises ValueError if the checksum is wrong, OSError if no mirror sends the file or it cannot be
    written. The folder is then unchanged.
    """
    place = folder / f"{file.name}.gz"
    packed = _fetch(place.name, file.size + GZIP_OVERHEAD)
    try:
        found = hashlib.sha256(unpack(packed, file.size)).hexdigest()
    except ValueError as error:
        raise ValueError(
            f"load_mnist: the download of {place.name} is not valid: {error}"
        ) from None
    if found != file.sha256:
        raise ValueError(
            f"load_mnist: the download of {place.name} must have the SHA-256 checksum "
            f"{file.sha256} when unpacked, but has {found}; it was discarded"
        )
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(place, packed)
    return place


def _fetch(name: str, limit: int) -> bytes:
    """Return the contents of `name` from the first mirror that sends all of it.

    Raises OSError with the failure of each mirror if none does.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError

    opener = _opener()
    failures = []
    for mirror in MIRRORS:
        try:
            with opener.open(mirror + name, timeout=TIMEOUT) as response:
                return _receive(response, name, limit)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()
            failures.append(f"{mirror}: {error}")
    raise OSError(f"load_mnist: {name} could not be downloaded; {'; '.join(failures)}")


def _opener() -> OpenerDirector:
    """Return an opener that accepts only https addresses, also after a redirect."""
    from urllib import request

    proxies = {scheme: proxy for scheme, proxy in request.getproxies().items() if scheme == "https"}
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(proxies),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _receive(response: HTTPResponse, name: str, limit: int) -> bytes:
    """Return the body of a response; raise OSError if it is incomplete or exceeds `limit` bytes."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    data = bytearray()
    # disable=None hides the bar unless standard error is a terminal
    with tqdm(desc=name, total=expected, unit="B", unit_scale=True, disable=None) as bar:
        while chunk := response.read(CHUNK):
            data += chunk
            bar.update(len(chunk))
            if len(data) > limit:
                raise OSError(f"sends more than {limit} bytes")
    if expected is not None and len(data) != expected:
        raise OSError(f"announced {expected} bytes and sent {len(data)}")
    return bytes(data)
