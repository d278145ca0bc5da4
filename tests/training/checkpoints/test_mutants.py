"""Damaged models and checkpoints load or raise FormatError, within a limit on memory.

Two thousand mutants; a hundred thousand with HANDNN_SLOW_TESTS=1. A separate process with limited
memory reads them.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn import EarlyStopping, FormatError, Trainer, schedules
from handnn.training.checkpoints.components import SCHEDULE_NAMES
from tests.engine.fits import run_python
from tests.slow import SLOW
from tests.storage.files import header_and_data, write
from tests.training.checkpoints.fits import options, rows, trainer

MUTANTS = 100_000 if SLOW else 2_000
SPARE = 64 * 2**20  # bytes of memory for reading, in addition to the size of the file

ODD = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64 - 1, 10**40, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), "", "os.system", "__class__", "PCG64", "Adam", "\x00", [], {}),
    *([[]], [["auc", "auc"]], {"name": "SGD"}, {"settings": {}}, "x" * 300),
]


def flip(rng, raw):
    for _ in range(rng.integers(1, 9)):
        raw[rng.integers(len(raw))] ^= 1 << int(rng.integers(8))
    return raw


def cut(rng, raw):
    return raw[: rng.integers(len(raw))]


def lengthen(rng, raw):
    return raw + rng.bytes(int(rng.integers(1, 100)))


def splice(rng, raw):
    start, other = rng.integers(len(raw), size=2)
    length = int(rng.integers(1, 60))
    raw[start : start + length] = raw[other : other + length]
    return raw


def long_header(rng, raw):
    length = int(rng.choice([0, 1, 2, 7, len(raw), 2**20, 2**21, 2**31, 2**40, 2**63, 2**64 - 1]))
    raw[:8] = struct.pack("<Q", length)
    return raw


def parts(raw):
    (length,) = struct.unpack("<Q", raw[:8])
    return bytes(raw[8 : 8 + length]), bytes(raw[8 + length :])


def joined(header, data):
    return struct.pack("<Q", len(header)) + header + data


def huge_size(rng, raw):
    """Replace a number in the header: a shape, an offset or a size."""
    header, data = parts(raw)
    found = list(re.finditer(rb"\d+", header))
    which = found[rng.integers(len(found))]
    number = str(rng.choice([0, 3, 2**31, 2**32 + 1, 2**62, 2**63, 2**64, 10**30])).encode()
    return joined(header[: which.start()] + number + header[which.end() :], data)


def duplicate(rng, raw):
    """Duplicate a key of the header, or of the JSON in it."""
    header, data = parts(raw)
    quote = rb"\\*\"" if rng.random() < 0.5 else rb"\""
    pairs = rb"(" + quote + rb"[\w.]+" + quote + rb": ?(?:[\d.]+|\{[^{}]*\}|\[[^][]*\]))(,)"
    found = list(re.finditer(pairs, header))
    if not found:
        return flip(rng, raw)
    one, other = (found[k] for k in rng.integers(len(found), size=2))
    text = one[1] + b"," if rng.random() < 0.5 else one[1].split(b":")[0] + b": 7,"
    return joined(header[: other.start()] + text + header[other.start() :], data)


def nan_weights(rng, raw):
    header, data = parts(raw)
    data = bytearray(data)
    start = 4 * int(rng.integers(len(data) // 4))
    length = int(rng.integers(4, 200))
    data[start : start + length] = (b"\xff" * length)[: len(data) - start]
    return joined(header, bytes(data))


def other_value(rng, raw):
    """Put an unexpected value into the JSON of the metadata."""
    header, data = parts(raw)
    header = json.loads(header)
    entry = rng.choice(sorted(header["__metadata__"]))
    described = json.loads(header["__metadata__"][entry])
    place = described
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[rng.integers(len(keys))]
        inner = place[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            place = inner
            continue
        if rng.random() < 0.2:
            del place[key]
        elif rng.random() < 0.2 and isinstance(place, dict):
            place[str(rng.choice(["lr", "rng", "slope", "name"]))] = inner
        else:
            place[key] = ODD[rng.integers(len(ODD))]
        break
    header["__metadata__"][entry] = json.dumps(described)
    return joined(json.dumps(header).encode(), data)


MUTATIONS = [
    *(flip, cut, lengthen, splice, long_header, huge_size, duplicate, nan_weights),
    *(other_value, other_value, other_value),
]


def mutant(rng, files):
    """Return one of the files with one or two mutations, or with the header of another."""
    raw = bytearray(files[rng.integers(len(files))])
    if rng.random() < 0.05:
        header, _ = parts(files[rng.integers(len(files))])
        return joined(header, parts(raw)[1])
    for _ in range(1 + (rng.random() < 0.2)):
        try:
            change = MUTATIONS[rng.integers(len(MUTATIONS))]
            raw = bytearray(change(rng, raw))
        except (ValueError, KeyError, IndexError, struct.error, UnicodeDecodeError, TypeError):
            pass  # the second mutation found nothing to change
        if len(raw) < 16:
            break
    return raw


def originals(folder):
    """Return a model, and checkpoints from the start, the middle and the end of trainings."""
    model, path = folder / "model", folder / "training"
    one = trainer()
    one.network.save(model)
    files = [model.read_bytes()]
    for engine, more in (
        ("compiled", {"early_stopping": None, "validation": None}),
        ("bricks", {}),
        ("compiled", {"epochs": 3, "validation": rows(30, seed=1)}),
    ):
        one = trainer(engine)
        one.fit(*rows(), **options(**more), checkpoint=path)
        files.append(path.read_bytes())
    return files


def main(count, seed):
    import resource

    rng = np.random.default_rng(seed)
    found = {"loaded": 0, "refused": 0, "trained": 0, "wrong": []}
    with tempfile.TemporaryDirectory() as name:
        files = originals(Path(name))
        path = Path(name, "mutant")
        for raw in files:  # import lazy modules and start the threads before memory is limited
            path.write_bytes(raw)
            read(path)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + SPARE + max(map(len, files))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        events = []
        sys.addaudithook(lambda event, _: events.append(event))
        before = set(sys.modules)
        for turn in range(count):
            raw = mutant(rng, files)
            path.write_bytes(raw)
            events.clear()
            try:
                one = read(path)
            except FormatError:
                found["refused"] += 1
            except BaseException as error:
                found["wrong"].append([turn, repr(error)[:200]])
            else:
                found["loaded"] += 1
                if isinstance(one, Trainer) and rng.random() < 0.05:
                    train(one, Path(name, "written"), found, turn)
            ran = {"exec", "compile", "os.system", "subprocess.Popen", "pickle.find_class"}
            if ran & set(events) or set(sys.modules) - before:
                found["wrong"].append(
                    [turn, str([*(ran & set(events)), set(sys.modules) - before])]
                )
    print(json.dumps(found))


def read(path):
    """Read a file as a network or as a checkpoint."""
    try:
        return handnn.load(path)
    except FormatError:
        return Trainer.resume(path)


def train(one, path, found, turn):
    """Train what was read, or count its error as wrong if it is unexpected."""
    try:
        with np.errstate(all="ignore"):
            one.fit(*rows(), epochs=min(len(one.history) + 1, 20), checkpoint=path)
        found["trained"] += 1
    except (TypeError, ValueError, ArithmeticError):
        pass
    except BaseException as error:
        found["wrong"].append([turn, f"fit: {error!r}"[:200]])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer takes all memory there is")
def test_mutants():
    """With this seed, enough mutants load and enough are rejected."""
    result = run_python(
        *("-m", "tests.training.checkpoints.test_mutants", str(MUTANTS), "7"),
        timeout=120 + MUTANTS // 100,
        HANDNN_NUM_THREADS="1",
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout)
    assert found["wrong"] == []
    assert found["loaded"] + found["refused"] == MUTANTS
    assert min(found["loaded"], found["refused"]) > MUTANTS / 20 and found["trained"] > 0


def test_mutations_change_files(tmp_path):
    """Each mutation changes a file, and the original files load."""
    rng = np.random.default_rng(0)
    path = tmp_path / "file"
    for number, raw in enumerate(originals(tmp_path)):
        path.write_bytes(raw)
        assert isinstance(read(path), handnn.Network if number == 0 else Trainer)
        for change in MUTATIONS:
            assert any(bytes(change(rng, bytearray(raw))) != raw for _ in range(20)), change


def test_all_schedules_can_be_read():
    classes = {found for found in vars(schedules).values() if isinstance(found, type)}
    ours = {found for found in classes if issubclass(found, schedules.Schedule)}
    assert ours - {schedules.Schedule} == set(SCHEDULE_NAMES.values())


def changed(path, change):
    header, data = header_and_data(path)
    training = json.loads(header["__metadata__"]["training"])
    change(training)
    header["__metadata__"]["training"] = json.dumps(training)
    write(path, header, data)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(format=2),
        lambda t: t["loss"].update(name="os.system"),
        lambda t: t["optimizer"].update(name="LBFGS"),
        lambda t: t["optimizer"]["settings"].update(lr=-1),
        lambda t: t["optimizer"]["settings"].update(secret=1),
        lambda t: t["optimizer"]["settings"].update(lr_scales={"9.w": 1}),
        lambda t: t["optimizer"].update(steps=2**53),
        lambda t: t["optimizer"]["schedule"].update(name="Schedule"),
        lambda t: t["optimizer"]["schedule"]["settings"]["then"]["state"].update(factor_now=-1.0),
        lambda t: t["rng"].update(bit_generator="MT19937"),
        lambda t: t["rng"]["state"].update(state=2**128),
        lambda t: t["rng_before"].update(has_uint32=2),
        lambda t: t["dropout"].update({"3": -1}),
        lambda t: t["dropout"].update({"1": 0}),
        lambda t: t["fit"].update(batch_size=0.5),
        lambda t: t["fit"].update(shuffle=1),
        lambda t: t["fit"].update(metrics=[["a", "eval"]]),
        lambda t: t["fit"].update(metrics=[]),
        lambda t: t.update(every=-1),
        lambda t: t.update(total=float("nan")),
        lambda t: t.update(early_stopping=None),
        lambda t: t["early_stopping"]["settings"].update(patience=0),
        lambda t: t.pop("step"),
    ],
)
def test_rejects_invalid_descriptions(tmp_path, change):
    path = tmp_path / "file"
    stopping = EarlyStopping(3)
    trainer().fit(*rows(), **options(epochs=2, early_stopping=stopping), checkpoint=path)
    Trainer.resume(path)
    changed(path, change)
    with pytest.raises(FormatError, match="is not a checkpoint written by handnn"):
        Trainer.resume(path)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
