"""Random requests to a running laboratory: an answer or one line, without a crash or a hang.

HANDNN_FUZZ_PLAY is their number, HANDNN_FUZZ_SEED the seed.
"""

from __future__ import annotations

import collections
import copy
import gzip
import json
import os
import sys
from contextlib import closing
from http.client import HTTPConnection
from time import perf_counter

import numpy as np
import pytest

import handnn
from tests.fuzz.model_files import NUMBERS, ODD
from tests.play.conftest import Served

resource = pytest.importorskip("resource", reason="a module of Unix")

N_REQUESTS = int(os.environ.get("HANDNN_FUZZ_PLAY", "300"))
SEED = int(os.environ.get("HANDNN_FUZZ_SEED", "0"))
MAX_MIB = 64
MAX_SECONDS = 20

ASKED = {
    "load": {"state": {}, "adapt": True},
    "play": {"speed": 100},
    "pause": {},
    "step": {"steps": 3, "epoch": False},
    "back": {"steps": 2},
    "edit": {"name": "0.w", "index": [0, 1], "value": 0.5},
    "unit": {"place": 0, "unit": 1},
    "inside": {},
    "script": {},
    "hello": {},
    "frames": {"after": -1, "seconds": 0},
    "download/c": {},
    "download/safetensors": {},
}
"""A valid request of each kind, but for the state."""

NAMES = [
    "a.csv",
    "b.csv.gz",
    "n.safetensors",
    "../../x",
    "%00",
    "%ED%A0%80",
    "t.parquet",
    "a" * 300,
]


class Requests:
    """Draws requests; `state` is a valid state of the laboratory."""

    def __init__(self, state, seed, folder):
        self.rng = np.random.default_rng(seed)
        self.asked = {**ASKED, "load": {"state": state, "adapt": True}}
        network = folder / "n.safetensors"
        handnn.mlp([2, 3, 1], rng=0).save(network)
        rows = "\n".join(f"{n % 7},{n % 3},{'xyz'[n % 3]}" for n in range(40))
        table = f"a,b,c\n{rows}\n".encode()
        self.files = [table, gzip.compress(table), network.read_bytes(), b"PAR1" + table + b"PAR1"]

    def pick(self, values):
        return values[self.rng.integers(len(values))]

    def draw(self):
        """Return the path, the body and more headers of a request."""
        if self.rng.integers(6) == 0:
            body = self.pick(self.files)
            for _ in range(self.rng.integers(3)):
                body = self.cut(body)
            return "upload", body, {"X-Handnn-Name": self.pick(NAMES)}
        name = self.pick([*self.asked, "load", "load", "nothing", "download/x", "download/%2e%2e"])
        document = copy.deepcopy(self.asked.get(name, {}))
        if name == "load" and self.rng.integers(3) == 0:
            document["state"]["data"] = {"name": "file", "file": self.pick(NAMES), "target": "c"}
        for _ in range(self.rng.integers(3)):
            self.change(document)
        body = json.dumps(document).encode("utf-8", "surrogatepass")
        return name, self.cut(body) if self.rng.integers(8) == 0 else body, {}

    def change(self, value):
        """Change, drop or add one entry, somewhere within a JSON value."""
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            if not keys:
                return
            key = self.pick(keys)
            if isinstance(value[key], dict | list) and value[key] and self.rng.integers(3):
                value = value[key]
                continue
            break
        how = self.rng.integers(4)
        if how == 0:
            del value[key]
        elif how == 1 and isinstance(value, list):
            value.append(copy.deepcopy(value[key]))
        elif how == 2 and isinstance(value, dict):
            value[self.pick(["", "\ud800", "name", "step", "units"])] = self.pick(ODD)
        else:
            value[key] = self.pick([*ODD, *NUMBERS, 10**400])

    def cut(self, data):
        """Change a byte, cut the end off, or repeat a part."""
        changed = bytearray(data)
        place = int(self.rng.integers(len(changed))) if changed else 0
        how = self.rng.integers(3)
        if how == 0 and changed:
            changed[place] ^= 1 << int(self.rng.integers(8))
        elif how == 1:
            del changed[place:]
        else:
            changed[place:place] = changed[:place] * int(self.rng.integers(50))
        return bytes(changed)


def ask(served, name, body, headers):
    """Return the status and the text of an answer, of a stream of frames only the status."""
    address = ("127.0.0.1", served.server.port)
    with closing(HTTPConnection(*address, timeout=60)) as connection:
        connection.request("POST", f"/api/{name}", body, {**served.own, **headers})
        response = connection.getresponse()
        is_stream = name == "frames" and response.status == 200
        return response.status, b"" if is_stream else response.read()


def peak_mib():
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@pytest.fixture
def served():
    pytest.importorskip("uvicorn")
    server = pytest.importorskip("handnn.play.server").Server()
    found = Served(server)
    yield found
    found.close()


def test_random_requests(served, tmp_path):
    state = json.loads(ask(served, "hello", b"{}", {})[1])["state"]
    requests = Requests(state, SEED, tmp_path)
    counts, slowest, before = collections.Counter(), 0.0, 0.0
    for number in range(N_REQUESTS):
        if number == min(100, N_REQUESTS // 2):  # warm-up
            before = peak_mib()
        name, body, headers = requests.draw()
        start = perf_counter()
        status, answer = ask(served, name, body, headers)
        slowest = max(slowest, perf_counter() - start)
        counts[status] += 1
        what = (number, name, body[:300], status, answer[:300])
        assert status in (200, 400, 404, 413), what
        if status != 200:
            error = json.loads(answer)["error"]
            assert error and len(error) < 1000 and error.isprintable(), what
    grown = peak_mib() - before
    print(
        f"laboratory: {N_REQUESTS} requests, seed {SEED}: {dict(counts)}; "
        f"memory +{grown:.1f} MiB, slowest {1e3 * slowest:.0f} ms"
    )
    assert ask(served, "hello", b"{}", {})[0] == 200
    assert counts[200] > N_REQUESTS // 5 and counts[400] > N_REQUESTS // 20
    assert slowest < MAX_SECONDS and grown < MAX_MIB
