"""The header of to_c: its comment, its switches, its names, and its main."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import handnn
from handnn import mlp
from tests.exchange import networks
from tests.exchange.c_programs import (
    BUILDS,
    needs_fma,
)

GCC = BUILDS["gcc"]
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run_main(text, folder, *options, build=GCC):
    """Compile a header with its main and run it."""
    (folder / "model.h").write_text(text, encoding="ascii")
    build.compile(folder / "model.h", folder / "main", "-DMODEL_MAIN", *options)
    done = build.run(folder / "main")
    return done.returncode, done.stdout.decode()


def defined(text, name):
    (value,) = re.findall(rf"^#define MODEL_{name} (.+)$", text, re.MULTILINE)
    return value


@needs_fma
@both_dtypes
@pytest.mark.parametrize("key", ["gcc", "g++", "clang", "arm64"])
def test_main_checks_the_rows_and_prints_time_and_memory(key, dtype, tmp_path):
    build = BUILDS[key]
    real = {"float32": "float", "float64": "double"}[dtype]
    text = handnn.to_c(mlp([13, 64, 64, 1], rng=0, dtype=dtype))
    status, printed = run_main(text, tmp_path, build=build)
    assert status == 0, printed
    lines = printed.splitlines()
    size = np.dtype(dtype).itemsize
    assert lines[:3] == [
        f"model: 13 -> 1, {real}",
        "largest error of 8 rows: 0 ulp",
        f"constants: {size * (13 * 64 + 64 + 64 * 64 + 64 + 64 + 1)} bytes, "
        f"scratch: {size * 128} bytes",
    ]
    assert float(re.search(r"^microseconds a row: (\S+)$", printed, re.MULTILINE)[1]) > 0
    has_counter = build.emulator == "" and os.uname().machine == "x86_64"
    assert ("cycles a row" in printed) == has_counter


@needs_fma
def test_main_fails_if_a_prediction_differs(tmp_path):
    network = mlp([3, 2], rng=0)
    x = np.ones((2, 3), "float32")
    text = handnn.to_c(network, x=x)
    first = np.float32(network.predict(x)[0, 0])
    mantissa = re.escape(re.sub(r"0+p", "p", float(first).hex()))
    after = re.sub(r"0+p", "p", float(np.nextafter(first, np.float32(9))).hex())
    wrong, count = re.subn(rf"(model_test_y[^;]*?){mantissa}", rf"\g<1>{after}", text)
    assert count == 1
    status, printed = run_main(wrong, tmp_path)
    assert status == 1 and "largest error of 2 rows: 1 ulp" in printed and "FAILED" in printed
    assert run_main(wrong, tmp_path, "-DMODEL_ALLOWED_ULPS=1")[0] == 0
    wrong, count = re.subn(rf"(model_test_y[^;]*?){mantissa}f", r"\g<1>NAN", text)
    status, printed = run_main(wrong, tmp_path)
    assert count == 1 and status == 1 and "inf ulp" in printed
    assert run_main(text, tmp_path)[0] == 0


def test_switches(tmp_path):
    text = handnn.to_c(networks.tabular("float32"))
    status, printed = run_main(text, tmp_path, "-DMODEL_NO_TESTS")
    assert status == 0 and "ulp" not in printed
    status, printed = run_main(text, tmp_path, "-DMODEL_NO_FMA")
    error = float(re.search(r"largest error of 8 rows: (\S+) ulp", printed)[1])
    assert status == 0 and error < 1000
    if handnn.cpu_info()["fma"]:
        assert run_main(text, tmp_path, "-DMODEL_STATIC", "-DMODEL_ARRAY=const")[0] == 0


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("size"), reason="GNU size is not installed"
)
def test_scratch_is_on_the_stack_or_static(tmp_path):
    text = handnn.to_c(mlp([2, 300, 300, 1], rng=0))
    sizes = {}
    for switch in ("-DMODEL_STATIC", "-DMODEL_OTHER"):
        (tmp_path / "model.h").write_text(text, encoding="ascii")
        source = tmp_path / "use.c"
        lines = ["void use(const float *x, float *y);"]
        lines.append("void use(const float *x, float *y) { model_predict(x, y); }")
        source.write_text("\n".join(['#include "model.h"', *lines, ""]), encoding="ascii")
        GCC.compile(source, tmp_path / "use.o", "-c", switch)
        printed = subprocess.run(["size", tmp_path / "use.o"], capture_output=True, text=True)
        sizes[switch] = int(printed.stdout.splitlines()[1].split()[2])
    assert sizes["-DMODEL_OTHER"] == 0
    assert sizes["-DMODEL_STATIC"] >= int(defined(text, "SCRATCH_BYTES")) == 4 * 600


@pytest.mark.parametrize("key", ["gcc", "g++", "clang"])
def test_unused_functions_give_no_warning(key, tmp_path):
    """Include one model that is never called, and another one twice."""
    build = BUILDS[key]
    for name in ("first", "second"):
        network = networks.tabular("float32")
        (tmp_path / f"{name}.h").write_text(handnn.to_c(network, name=name), encoding="ascii")
    source = tmp_path / "use.c"
    includes = '#include "first.h"\n#include "first.h"\n#include "second.h"\n'
    call = "float x[FIRST_INPUTS] = {0}, y[FIRST_OUTPUTS]; first_predict(x, y); return y[0] > 2;"
    source.write_text(f"{includes}int main(void) {{ {call} }}\n", encoding="ascii")
    build.compile(source, tmp_path / "use")
    assert build.run(tmp_path / "use").returncode == 0


def test_contents_of_the_header(tmp_path):
    network = networks.tabular("float64")
    path = tmp_path / "model.h"
    text = handnn.to_c(network, path, name="price_2")
    assert path.read_bytes() == text.encode("ascii")
    assert max(map(len, handnn.to_c(network).splitlines())) <= 100
    assert not re.search(r"\b(model|MODEL)_", text) and not re.search(r"\$|\breal\b", text)
    assert "price_2: Network(Embedding 6->4 column=2" in text and handnn.__version__ in text
    assert set(re.findall(r"#include <(.+)>", text)) == {
        "float.h", "math.h", "stddef.h", "stdint.h", "stdio.h", "time.h"
    }  # fmt: skip
    assert not re.search(r"\b(malloc|calloc|free|fopen)\b", text)


def test_contains_only_used_functions():
    text = handnn.to_c(mlp([2, 3, 1]))
    found = re.findall(r"^static inline \w+ (\w+)", text, re.MULTILINE)
    assert set(found) - {"model_soft_fma"} == {
        "model_affine", "model_relu", "model_predict", "model_ulps", "model_check"
    }  # fmt: skip


def test_does_not_change_the_network():
    network = networks.tabular("float32")
    before = {name: array.copy() for name, array in network.params.items()}
    handnn.to_c(network)
    assert all(layer.training for layer in network.layers if hasattr(layer, "training"))
    assert all((network.params[name] == array).all() for name, array in before.items())


@pytest.mark.parametrize("name", ["model_x", "MODEL_X", "MODEL", "real", "R", "x", "int", "Fma2"])
def test_accepts_any_identifier_as_name(name, tmp_path):
    """This includes names that the templates use for something else."""
    text = handnn.to_c(networks.tabular("float32"), name=name, scale_out=(1, 2))
    assert f"void {name}_predict(const float *x, float *y) {{" in text and f"/* {name}: " in text
    (tmp_path / "model.h").write_text(text, encoding="ascii")
    GCC.compile(tmp_path / "model.h", tmp_path / "main", f"-D{name.upper()}_MAIN")
    done = GCC.run(tmp_path / "main")
    assert done.returncode == 0 and done.stdout.startswith(f"{name}: 9 -> 5, float".encode())


@pytest.mark.parametrize("name", ["", "2model", "my model", "modèle", "a-b", "_model", None, 3])
def test_rejects_names_that_are_not_identifiers(name):
    with pytest.raises(ValueError, match="^to_c: name must be a C identifier, but is "):
        handnn.to_c(mlp([2, 1]), name=name)
