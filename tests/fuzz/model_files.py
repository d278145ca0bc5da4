"""Hostile model files: valid files of every kind, with one or several structured mutations."""

from __future__ import annotations

import json
import struct

import numpy as np

import handnn

NUMBERS = [0, -1, 1, 2, 3, 7, 2**31, 2**53, 2**63 - 1, 2**63, 10**30, 0.5, -0.0, 1e308]
ODD = [*NUMBERS, float("nan"), float("inf"), None, True, "", "0", "Affine", "\ud800", [], {}, [[]]]
NAMES = ["", ".", "0", "0.w", "0.b", "1.w", "-1.w", "0.0.w", "é", "__metadata__", "\0", "9" * 99]
DTYPES = ["F32", "F64", "F16", "BF16", "I64", "U8", "BOOL", "C64", "F128", ""]


def networks():
    """Return small networks that hold every kind of brick between them."""
    f4 = np.float32
    rng = np.random.default_rng(0)
    embeddings = [handnn.Embedding.random(3, 2, column=0, rng=rng) for _ in range(2)]
    norm = handnn.LayerNorm(np.ones(4, f4), np.zeros(4, f4))
    batch = handnn.BatchNorm(np.ones(4, f4), np.zeros(4, f4))
    inner = handnn.Residual([handnn.Affine.random(4, 4, rng=rng), handnn.Tanh()])
    return [
        handnn.mlp([2, 3, 1], rng=0, dtype="float64"),
        handnn.Network([*embeddings, handnn.Affine.random(6, 4, rng=rng), norm, handnn.Softmax()]),
        handnn.Network([handnn.Affine.random(2, 4, rng=rng), batch, inner, handnn.Dropout(0.5)]),
        handnn.Network([handnn.LeakyReLU(), handnn.ELU(), handnn.Affine.random(2, 1, rng=rng)]),
    ]


def parts_of(raw):
    """Return the header and the data of a file."""
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


class Mutator:
    """Draw mutated copies of files; `seed` decides all of them."""

    def __init__(self, originals, seed):
        self.originals = [parts_of(raw) for raw in originals]
        self.rng = np.random.default_rng(seed)

    def draw(self):
        """Return the bytes of one file."""
        header, data = self.originals[self.rng.integers(len(self.originals))]
        header = json.loads(json.dumps(header))
        entry = header.get("__metadata__", {}).get("handnn")
        for _ in range(self.rng.integers(1, 4)):
            kind = self.rng.integers(4)
            if kind == 0 and entry is not None:
                described = json.loads(entry)
                self._change(described)
                entry = json.dumps(described)
                header["__metadata__"]["handnn"] = entry
            elif kind == 1:
                self._change_array(header)
            elif kind == 2:
                data = self._change_bytes(data)
            elif self.rng.integers(3) == 0:
                self._change(header)
                entry = None
        text = json.dumps(header).encode("utf-8", "surrogatepass")
        if self.rng.integers(20) == 0:
            text = self._change_bytes(text)
        length = len(text) if self.rng.integers(30) else self._pick(NUMBERS[:8])
        return struct.pack("<Q", max(0, length)) + text + data

    def _pick(self, values):
        return values[self.rng.integers(len(values))]

    def _change(self, value):
        """Change, drop, add or repeat one entry, somewhere within a JSON value."""
        while True:
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            if not keys:
                return
            key = self._pick(keys)
            inner = value[key]
            if isinstance(inner, dict | list) and inner and self.rng.integers(4):
                value = inner
                continue
            break
        how = self.rng.integers(5)
        if how == 0:
            del value[key]
        elif how == 1 and isinstance(value, list):
            value.insert(key, json.loads(json.dumps(inner)))
        elif how == 2 and isinstance(value, dict):
            value[self._pick(NAMES)] = inner
        elif how == 3 and isinstance(inner, int) and not isinstance(inner, bool):
            value[key] = inner + self._pick([-1, 1, 2, 10])
        else:
            value[key] = self._pick(ODD)

    def _change_array(self, header):
        names = [name for name in header if name != "__metadata__"]
        if not names:
            return
        entry = header[self._pick(names)]
        if not isinstance(entry, dict) or not {"shape", "data_offsets"} <= set(entry):
            return
        how = self.rng.integers(4)
        if how == 0:
            entry["dtype"] = self._pick(DTYPES)
        elif how == 1 and isinstance(entry["shape"], list):
            entry["shape"] = entry["shape"][::-1]
        elif how == 2 and isinstance(entry["shape"], list):
            entry["shape"] = [*entry["shape"], self._pick(NUMBERS)]
        else:
            entry["data_offsets"] = [self._pick(NUMBERS), self._pick(NUMBERS)]

    def _change_bytes(self, data):
        if not data:
            return data
        changed = bytearray(data)
        place = int(self.rng.integers(len(changed)))
        how = self.rng.integers(3)
        if how == 0:
            changed[place] ^= 1 << int(self.rng.integers(8))
        elif how == 1:
            del changed[place:]
        else:
            changed[place:place] = bytes(8)
        return bytes(changed)
