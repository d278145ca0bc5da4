"""Downloads of data: over https alone, checked before they are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handnn.datasets.idx import GZIP_OVERHEAD, IdxFile, unpack
from handnn.storage import replace_file

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = 30.0
"""Seconds to wait for a mirror's next bytes."""

CHUNK = 2**16


def download_idx(folder: Path, file: IdxFile) -> Path:
    """Fetch `file`, packed, into `folder`, and return where it is now.

    Raises ValueError when what came has another checksum, OSError when nothing came or it cannot be
    written; nothing is left in the folder then.
    """
    place = folder / f"{file.name}.gz"
    packed = _fetch(place.name, file.size + GZIP_OVERHEAD)
    try:
        found = hashlib.sha256(unpack(packed, file.size)).hexdigest()
    except ValueError as error:
        raise ValueError(f"load_mnist: the download of {place.name} is {error}") from None
    if found != file.sha256:
        raise ValueError(
            f"load_mnist: the download of {place.name} must have the SHA-256 checksum "
            f"{file.sha256} unpacked, but has {found}; it was not kept"
        )
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(place, packed)
    return place


def _fetch(name: str, limit: int) -> bytes:
    """Return the file `name` from the first mirror that sends it whole.

    Raises OSError, with what went wrong at each mirror, when none does.
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
    """Return what opens https addresses and no others, wherever a mirror redirects to."""
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


def _receive(response: Any, name: str, limit: int) -> bytes:
    """Return the body of a response; raise OSError when it is cut short or above `limit` bytes."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    data = bytearray()
    # disable=None: no bar where standard error is no terminal
    with tqdm(desc=name, total=expected, unit="B", unit_scale=True, disable=None) as bar:
        while chunk := response.read(CHUNK):
            data += chunk
            bar.update(len(chunk))
            if len(data) > limit:
                raise OSError(f"sends more than {limit} bytes")
    if expected is not None and len(data) != expected:
        raise OSError(f"announced {expected} bytes and sent {len(data)}")
    return bytes(data)
