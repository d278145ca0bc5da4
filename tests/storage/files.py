"""Safetensors files read and written byte by byte, without handnn."""

from __future__ import annotations

import json
import struct


def header_and_data(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def write(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def with_architecture(path, change):
    """Change the description of the bricks in a file."""
    header, data = header_and_data(path)
    architecture = json.loads(header["__metadata__"]["handnn"])
    changed = change(architecture)
    header["__metadata__"]["handnn"] = json.dumps(architecture if changed is None else changed)
    write(path, header, data)
