"""Hostile headers, packed lists, and arrays that are not kept as they are in the file.

Prints the memory that loading each of them takes.

A process of its own starts with little free memory, which would hide what a load takes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import struct
import sys

import numpy as np

import handnn
from handnn.storage import TensorFile, write_arrays

SIZE = 2**21
ASTRAL = "\U0001f600"
"""Makes every character of its text take four bytes."""

NESTED = "[" * 900 + "]" * 900
TINY = ["[]", "{}", '{"":0}', '"ab"', "1e1", "999", NESTED]
ARRAY = '"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


def filled(unit, begin="", end="", n_bytes=SIZE):
    """Return `begin`, as many units as fit, and `end`; a unit may have the place for a number."""
    parts, length = [], len(begin + end)
    while length < n_bytes:
        parts.append(unit % len(parts) if "%" in unit else unit)
        length += len(parts[-1]) + 1
    return begin + ",".join(parts[:-1]) + end


def described(text, more=""):
    """Return a header whose metadata holds this description."""
    return f'{{"__metadata__":{{"handnn":{json.dumps(text)}{more}}}}}'


def description(unit, n_bytes, begin, end):
    """Return the description of a model with these units, which takes `n_bytes` when escaped."""
    n = n_bytes * len(unit) // len(json.dumps(unit)[1:-1]) - 200
    return described(filled(unit, f'{{"format":1,{begin}', f"{end}}}", n))


def headers():
    """Return headers by name: the whole header, its arrays, or its description is hostile."""
    found = {}
    for unit in TINY:
        found[f"an array described by {unit[:6]}"] = filled(unit, '{"a":[', "]}")
        for n in (SIZE, SIZE // 4, SIZE // 8, SIZE // 16):
            name = f"{n} bytes of {unit[:6]}"
            found[name] = description(unit, n, '"model":"table","x":[', "]")
    for n in (SIZE, SIZE // 3, SIZE // 5):
        for unit in ("{}", '{"brick":"ReLU"}'):
            found[f"{n} bytes of bricks {unit}"] = description(unit, n, '"bricks":[', "]")
        begin = '"model":"ensemble","activation":null,"networks":['
        found[f"{n} bytes of networks"] = description('[{"brick":"ReLU"}]', n, begin, "]")
    arrays = filled(ARRAY, "", "", 2**15 * 52)
    found["many arrays"] = filled(ARRAY, "{", "}")
    found["32768 arrays"] = f"{{{arrays}}}"
    found["32768 arrays and four bytes a character"] = (
        f'{{"__metadata__":{{"":"{ASTRAL}"}},{arrays}}}'
    )
    array = '"%x":{"dtype":"U8","shape":[@],"data_offsets":[0,0]}'
    shapes = filled(array.replace("@", "0," * 63 + "0"), n_bytes=SIZE - 99)
    large = filled(array.replace("@", "0,99999999"), n_bytes=SIZE - 99)
    found["long shapes"] = f"{{{shapes}}}"
    found["long shapes and four bytes a character"] = (
        f'{{"__metadata__":{{"":"{ASTRAL}"}},{shapes}}}'
    )
    found["large shapes and four bytes a character"] = (
        f'{{"__metadata__":{{"":"{ASTRAL}"}},{large}}}'
    )
    found["a long name"] = f'{{"{ASTRAL}{"a" * (SIZE - 80)}":0}}'
    found["a long text"] = described("", f',"":"{ASTRAL}{"a" * (SIZE - 80)}"')
    found["long names"] = filled(
        f'"%x{"a" * 2000}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', "{", "}"
    )
    found["many texts"] = filled('"%x":""', '{"__metadata__":{', "}}")
    found["distinct names"] = filled('"%x":0', "{", "}")
    for n in (SIZE - 200, SIZE - 2 * 10**5):
        inner = '{"format":1,"bricks":[{"brick":"Residual","x":"\\ud83d\\ude00' + "a" * n + '"}]}'
        found[f"a description with a string of {n} characters"] = described(inner)
    return found


def packed(n):
    """Return hostile packed lists of `n` entries, and their arrays, by name."""
    nulls, lengths = np.zeros(n, np.uint8), np.ones(n, np.int64)
    null = {"type": "null", "values": "packed.0"}
    more = {
        name: {"type": "null", "values": f"packed.{place + 1}"} for place, name in enumerate("abc")
    }
    flat = {"type": "list", "lengths": "packed.1", "entries": null}
    return {
        "packed nulls": (null, [nulls]),
        "packed bools": ({"type": "bool", "values": "packed.0"}, [nulls]),
        "packed lists": (flat, [nulls, lengths]),
        "lists in packed lists": (
            {**flat, "lengths": "packed.2", "entries": flat},
            [nulls, lengths, lengths],
        ),
        "packed objects": ({"type": "object", "count": null, "entries": {}}, [nulls]),
        "packed objects of three": (
            {"type": "object", "count": null, "entries": more},
            [nulls] * 4,
        ),
    }


def save_transposed(path):
    """Save a network whose largest array is transposed in the file."""
    w = np.ones((2000, 3000), np.float32)
    handnn.Network([handnn.Affine(w, w[0])]).save(path, names="torch")


def save_long_history(path, n_epochs=10**6):
    """Save a checkpoint with losses, times and two metrics of `n_epochs`."""
    x, metrics = np.ones((8, 2), np.float32), ["mae", "rmse"]
    trainer = handnn.Trainer(handnn.mlp([2, 1], rng=0), handnn.MSELoss(), handnn.SGD(0.1), rng=0)
    options = {"validation": 0.5, "metrics": metrics, "checkpoint": path}
    trainer.fit(x, x[:, 0], epochs=1, batch_size=4, **options)
    with open(path, "rb") as file:
        saved = TensorFile(file)
        arrays = {key: saved.read(key) for key in saved.keys()}  # noqa: SIM118
    for name in ("train_loss", "seconds", "validation_loss", "metrics"):
        arrays[f"history.{name}"] = np.repeat(arrays[f"history.{name}"], n_epochs, axis=-1)
    write_arrays(path, arrays, saved.metadata)


def save_two_descriptions(path, n_bricks, n_numbers):
    """Save a checkpoint of many bricks, with many numbers in the description of the training."""
    save_long_history(path, 1)
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    texts = header["__metadata__"]
    bricks, end = texts["handnn"].rsplit("]", 1)
    texts["handnn"] = bricks + ',{"brick":"ReLU"}' * n_bricks + "]" + end
    texts["training"] = f'{{"x":[{"999," * n_numbers}0],{texts["training"][1:]}'
    with open(path, "wb") as file:
        raw = json.dumps(header).encode()
        file.write(struct.pack("<Q", len(raw)) + raw + data)


def growth_mib(load, path):
    """Return by how much the resident memory of a process that loads a file grows at most.

    Free memory of this process is given back before, because it would hide what a load takes.
    """
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        gc.collect()
        with contextlib.suppress(AttributeError):  # a function of glibc
            ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak is that from here on
        before = memory("VmRSS")
        with contextlib.suppress(handnn.FormatError):
            load(path)
        os.write(write, str(memory("VmHWM") - before).encode())
        os._exit(0)
    os.close(write)
    grown = float(os.read(read, 100))
    os.close(read)
    assert os.waitpid(pid, 0)[1] == 0
    return grown


def memory(name):
    """Return an entry of /proc/self/status in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


def main(path):
    """Load a file with each header."""
    handnn.mlp([1, 1], rng=0).save(path)
    loads = [handnn.load, handnn.Ensemble.load, handnn.TableModel.load]
    for load in loads:  # their modules are imported
        with contextlib.suppress(handnn.FormatError):
            load(path)
    found = {}
    for name, text in headers().items():
        raw = text.encode()
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(raw)) + raw)
        load = loads[('\\"ensemble' in text) + 2 * ('\\"table' in text)]
        found[name] = [os.path.getsize(path) / 2**20, growth_mib(load, path)]
    for n in (2**15, 2**16, 2**17, 2**21):
        for name, (described, arrays) in packed(n).items():
            text = json.dumps({"format": 1, "model": "table", "x": {"packed": described}})
            named = {f"packed.{place}": array for place, array in enumerate(arrays)}
            write_arrays(path, named, {"handnn": text})
            mib = os.path.getsize(path) / 2**20
            found[f"{n} {name}"] = [mib, growth_mib(handnn.TableModel.load, path)]
    for save, load in [
        (save_transposed, handnn.load),
        (save_long_history, handnn.Trainer.resume),
    ]:
        save(path)
        load(path)
        found[save.__name__] = [os.path.getsize(path) / 2**20, growth_mib(load, path)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
