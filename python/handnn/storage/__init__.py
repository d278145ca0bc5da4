"""Saved networks: safetensors files with the arrays and the descriptions of bricks.

The module `atomic` replaces files, `file` reads and writes safetensors files, `header` parses their
headers, `bricks` describes bricks and builds them again, `packing` moves long lists of descriptions
into arrays, `compact` keeps them there, and `names` maps the names of their arrays to PyTorch's.
"""

from __future__ import annotations

from handnn.storage.atomic import place_of, replace_file, replacing
from handnn.storage.bricks import (
    BrickArrays,
    FileArrays,
    check_names,
    contents,
    describe,
    describe_all,
    packed,
    read,
    read_all,
    read_architecture,
    read_bricks,
    read_description,
    save,
    write,
)
from handnn.storage.compact import Compact, Numbers
from handnn.storage.file import FormatError, TensorFile, as_path, opened, write_arrays
from handnn.storage.header import MAX_ARRAYS, check_cost, from_json
from handnn.storage.messages import brief

__all__ = [
    "MAX_ARRAYS",
    "BrickArrays",
    "Compact",
    "FileArrays",
    "FormatError",
    "Numbers",
    "TensorFile",
    "as_path",
    "brief",
    "check_cost",
    "check_names",
    "contents",
    "describe",
    "describe_all",
    "from_json",
    "opened",
    "packed",
    "place_of",
    "read",
    "read_all",
    "read_architecture",
    "read_bricks",
    "read_description",
    "replace_file",
    "replacing",
    "save",
    "write",
    "write_arrays",
]
