"""What a header of to_c says of itself, its switches, the steps before a network, and refusals."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import handnn
from handnn import Affine, Dropout, Embedding, Network, ReLU, Residual, Sigmoid, mlp
from handnn.exchange.c import Fill, Interpolate, OneHot, Scale
from tests.exchange import networks
from tests.exchange.c_programs import (
    BUILDS,
    assert_same_numbers,
    compile_all,
    needs_fma,
    predict,
)
from tests.own_bricks import Halve

GCC = BUILDS["gcc"]
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run_main(text, folder, *options, build=GCC):
    """Compile the header itself, with its main, and run it."""
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
def test_its_main_proves_it_and_prints_what_it_takes(key, dtype, tmp_path):
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
def test_its_main_fails_where_a_prediction_differs(tmp_path):
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


def test_its_switches(tmp_path):
    text = handnn.to_c(networks.tabular("float32"))
    status, printed = run_main(text, tmp_path, "-DMODEL_NO_TESTS")
    assert status == 0 and "ulp" not in printed
    status, printed = run_main(text, tmp_path, "-DMODEL_NO_FMA")
    error = float(re.search(r"largest error of 8 rows: (\S+) ulp", printed)[1])
    assert status == 0 and error < 1000
    if handnn.cpu_info()["fma"]:
        assert run_main(text, tmp_path, "-DMODEL_STATIC", "-DMODEL_ARRAY=const")[0] == 0


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("size"), reason="the size of GNU is not installed"
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
def test_what_is_not_used_is_no_warning(key, tmp_path):
    """Two models in one file of C, of which one is not called and one is included twice."""
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


def test_it_says_what_it_is(tmp_path):
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


def test_only_functions_that_are_used_are_there():
    text = handnn.to_c(mlp([2, 3, 1]))
    found = re.findall(r"^static inline \w+ (\w+)", text, re.MULTILINE)
    assert set(found) - {"model_soft_fma"} == {
        "model_affine", "model_relu", "model_predict", "model_ulps", "model_check"
    }  # fmt: skip


def predict_in_c(text, x, folder):
    real = "float" if x.dtype == np.float32 else "double"
    program = compile_all(GCC, {"model": text}, real, folder)
    return predict(GCC, program, 0, x, int(defined(text, "OUTPUTS")))


STEPS = [
    Fill([0.5, np.nan, np.nan, -3.0], indicator=[3, 0]),
    Scale([10, 0, 0, -3, 0, 0], [0.3, 1, 1, 7, 1, 1]),
    OneHot(4, column=2),
    Scale(0.1, 2),
]


@needs_fma
@both_dtypes
def test_steps_and_scales_are_those_of_numpy(dtype, tmp_path):
    rng = np.random.default_rng(0)
    network = Network([Embedding(rng.normal(size=(5, 2)).astype(dtype), 1), Sigmoid(),
                       networks.affine(10, 3, rng, dtype)])  # fmt: skip
    before = (np.r_[3.0, 0, np.linspace(-1, 1, 7)], np.r_[0.7, 1, np.linspace(0.3, 2, 7)])
    after = (np.array([1, 0.1, 1e6]), np.array([0.1, 3, 700]))
    steps = [*STEPS[:3], Scale(*before)]
    x = rng.normal(size=(300, 4))
    x[:, 1], x[:, 2] = rng.integers(0, 5, 300), rng.integers(0, 4, 300)
    x[rng.random(300) < 0.3, 0] = np.nan
    x[rng.random(300) < 0.3, 3] = np.nan
    x[::50, 2] = np.tile([np.nan, -1, 4, 0.5, np.inf, -0.0], 1)
    x = x.astype(dtype)
    text = handnn.to_c(
        network, steps=steps[:3], scale_in=before, scale_out=after, name="model", x=x[:20]
    )
    rows = x
    for step in steps:
        rows = step.apply(rows)
        assert rows.dtype == dtype
    expected = Scale(*after).undo(network.predict(rows))
    assert np.isfinite(expected).all()
    assert_same_numbers(predict_in_c(text, x, tmp_path), expected)
    # As a reader would write it, without the steps.
    plain = network.predict(by_hand(x, before)) * after[1].astype(dtype) + after[0].astype(dtype)
    assert_same_numbers(expected, plain)


@needs_fma
@both_dtypes
def test_lines_through_points_are_those_of_numpy(dtype, tmp_path):
    rng = np.random.default_rng(0)
    many = np.sort(rng.lognormal(size=257))
    knots = [many, [], [-2.0, 1.0, 3.0], [5.0]]
    levels = [np.linspace(-3, 3, 257), [], [1.0, -1.0, 7.0], [4.0]]
    step = Interpolate(knots, levels)
    x = np.r_[rng.normal(1, 3, (300, 4)), np.tile([[np.nan], [np.inf], [-np.inf], [1.0]], 4)]
    x[:257, 0] = many  # on the knots themselves
    x = x.astype(dtype)
    got = step.apply(x)
    assert got.dtype == dtype
    for column in (0, 2, 3):
        expected = np.interp(x[:, column].astype(float), knots[column], levels[column])
        expected[np.isnan(x[:, column])] = np.nan  # np.interp forgets it where there is one knot
        tolerance = 1e-12 if dtype == "float64" else 1e-3  # knots are rounded to float32
        np.testing.assert_allclose(got[:, column], expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(got[:, 1], x[:, 1])
    network = Network([networks.affine(4, 4, rng, dtype)])
    filled = [step, Fill(0.5), Scale(0.1, 2)]
    text = handnn.to_c(network, steps=filled)
    rows = x
    for one in filled:
        rows = one.apply(rows)
    there = np.isfinite(rows).all(axis=1)
    assert_same_numbers(predict_in_c(text, x[there], tmp_path), network.predict(rows[there]))
    assert run_main(text, tmp_path)[0] == 0


def test_knots_that_rounding_makes_equal():
    """As float32 both are 1: what lies there has the level of one of them, and no NaN."""
    step = Interpolate([[0.0, 1.0, 1.0 + 1e-9, 2.0]], [[0.0, 1.0, 5.0, 6.0]])
    x = np.array([[0.5], [1.0], [1.5]], np.float32)
    np.testing.assert_allclose(step.apply(x), [[0.5], [5.0], [5.5]])


def by_hand(x, before):
    median = np.array([0.5, np.nan, np.nan, -3.0], x.dtype)
    missing = np.isnan(x)
    filled = np.where(missing, median, x)
    first, last = np.array([[10, -3], [0.3, 7]], x.dtype).T
    filled[:, 0] = (filled[:, 0] - first[0]) / first[1]
    filled[:, 3] = (filled[:, 3] - last[0]) / last[1]
    codes = [filled[:, 2] == code for code in range(4)]
    columns = [*filled[:, [0, 1, 3]].T, missing[:, 3], missing[:, 0], *codes]
    mean, scale = (array.astype(x.dtype) for array in before)
    return (np.stack(columns, axis=1).astype(x.dtype) - mean) / scale


@needs_fma
def test_rows_are_drawn_as_a_network_sees_them(tmp_path):
    """In the units of the columns, with codes for Embedding and OneHot, and NaN that is filled."""
    rng = np.random.default_rng(0)
    layers = [Dropout(0.1), Embedding.random(3, 2, 0, rng), Affine.random(10, 2, rng=rng)]
    steps = [
        Fill([np.nan, 2000, np.nan, np.nan], indicator=[1]),
        Scale([0, 2000, 0, -1e4, 0], [1, 0.5, 1, 3, 1]),
        OneHot(5, 2),
    ]
    text = handnn.to_c(Network(layers), steps=steps)
    assert (defined(text, "INPUTS"), defined(text, "ROWS")) == ("4", "8")
    (body,) = re.findall(r"model_test_x\[32\] = \{([^}]*)\}", text)
    names = {"(float)NAN": "nan"}
    found = [names.get(word.strip(), word.strip().rstrip("f")) for word in body.split(",")]
    x = np.array([float.fromhex(w) if "x" in w else float(w) for w in found]).reshape(8, 4)
    assert set(x[:, 0]) == {0, 1, 2} and set(x[:, 2]) <= {0, 1, 2, 3, 4}
    assert np.isnan(x[-1, 1]) and np.isfinite(x[:-1]).all()
    assert (abs(x[:-1, 1] - 2000) < 3).all() and (abs(x[:, 3] + 1e4) < 15).all()
    assert run_main(text, tmp_path)[0] == 0


@needs_fma
@both_dtypes
def test_a_code_that_there_is_not_is_nan(dtype, tmp_path):
    rng = np.random.default_rng(0)
    network = Network([Embedding(rng.normal(size=(3, 2)).astype(dtype), 1)])
    text = handnn.to_c(network, x=[[1.0, 2.0]])
    x = np.array([[7, code] for code in (0, 2, -0.0, 3, -1, 0.5, np.nan, np.inf, -np.inf)], dtype)
    out = predict_in_c(text, x, tmp_path)
    assert_same_numbers(out[:3], network.predict(x[:3]))
    assert (out[3:, 0] == 7).all() and np.isnan(out[3:, 1:]).all()


@needs_fma
def test_weights_that_are_no_numbers(tmp_path):
    info = np.finfo("float32")
    w = np.array([[np.nan, np.inf, -np.inf, -0.0, info.smallest_subnormal, info.max]], "float32")
    network = Network([Affine(w, np.full(6, -0.0, "float32"))])
    x = np.array([[1], [0], [-1], [2]], "float32")
    with np.errstate(all="ignore"):
        expected = network.predict(x)
    assert_same_numbers(predict_in_c(handnn.to_c(network), x, tmp_path), expected)


def test_the_network_is_left_alone():
    network = networks.tabular("float32")
    before = {name: array.copy() for name, array in network.params.items()}
    handnn.to_c(network)
    assert all(layer.training for layer in network.layers if hasattr(layer, "training"))
    assert all((network.params[name] == array).all() for name, array in before.items())


@pytest.mark.parametrize("name", ["model_x", "MODEL_X", "MODEL", "real", "R", "x", "int", "Fma2"])
def test_any_identifier_may_be_its_name(name, tmp_path):
    """Also those that the text of the templates uses for something else."""
    text = handnn.to_c(networks.tabular("float32"), name=name, scale_out=(1, 2))
    assert f"void {name}_predict(const float *x, float *y) {{" in text and f"/* {name}: " in text
    (tmp_path / "model.h").write_text(text, encoding="ascii")
    GCC.compile(tmp_path / "model.h", tmp_path / "main", f"-D{name.upper()}_MAIN")
    done = GCC.run(tmp_path / "main")
    assert done.returncode == 0 and done.stdout.startswith(f"{name}: 9 -> 5, float".encode())


@pytest.mark.parametrize("name", ["", "2model", "my model", "modèle", "a-b", "_model", None, 3])
def test_names_that_c_cannot_have(name):
    with pytest.raises(ValueError, match="^to_c: name must be an identifier of C, but is "):
        handnn.to_c(mlp([2, 1]), name=name)


NORMAL = mlp([3, 2], rng=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale_in": (0, 0)}, "Scale: scale must be finite and not 0, but is 0.0"),
        (
            {"scale_in": (0, 1e-60), "x": np.ones((1, 3))},
            r"Scale: scale must be finite and not 0, but is \[0. 0. 0.\]",
        ),
        ({"scale_in": (np.inf, 1)}, "Scale: mean must be finite, but is inf"),
        ({"scale_in": ([1, 2], 1)}, "to_c: steps fit no number of columns"),
        ({"scale_out": ([1, 2, 3], 1)}, r"Scale: mean must have shape \(2,\), but has \(3,\)"),
        (
            {"steps": [Interpolate([[1.0, 2.0]] * 9, [[1.0, 2.0]] * 9)]},
            "to_c: steps fit no number of columns",
        ),
        ({"steps": [OneHot(9)]}, "to_c: steps fit no number of columns for the network, which"),
        ({"steps": [Fill(0, indicator=[7])]}, "to_c: steps fit no number of columns"),
        ({"steps": [Fill([0, 0])], "x": np.ones((1, 3))}, r"Fill: median must have shape \(3,\)"),
        ({"steps": [OneHot(2, 3)], "x": np.ones((1, 3))}, "OneHot: column must be at most 2"),
        ({"x": np.ones((0, 3))}, r"to_c: x must be rows \(N, I\), at least one, but has \(0, 3\)"),
        ({"x": np.ones(3)}, r"to_c: x must be rows \(N, I\), at least one, but has \(3,\)"),
        ({"x": np.ones((1, 4))}, "4 columns"),
    ],
)
def test_what_does_not_fit_is_a_value_error(arguments, message, tmp_path):
    path = tmp_path / "model.h"
    with pytest.raises(ValueError, match=message):
        handnn.to_c(NORMAL, path, **arguments)
    assert not path.exists()


def test_steps_of_ones_own_are_a_type_error():
    with pytest.raises(TypeError, match=r"^to_c: step 1 \(Halve\) is no step of ours"):
        handnn.to_c(NORMAL, steps=[Scale(0, 1), Halve()])


def test_columns_that_nothing_fixes():
    network = Network([Sigmoid(), Residual([ReLU()])])
    with pytest.raises(ValueError, match="^to_c: no layer fixes the number of columns; give some"):
        handnn.to_c(network)
    assert defined(handnn.to_c(network, x=np.ones((2, 5))), "INPUTS") == "5"


def test_codes_that_are_computed():
    network = Network([Affine(np.eye(2), np.zeros(2)), Embedding(np.ones((3, 2)), 1)])
    with pytest.raises(ValueError, match="^to_c: codes are computed, and no rows can be drawn"):
        handnn.to_c(network)
    handnn.to_c(network, x=[[0.5, 2]])
    with pytest.raises(ValueError, match="^to_c: codes are computed, and no rows can be drawn"):
        handnn.to_c(NORMAL, steps=[Fill([0.0], indicator=[0]), OneHot(2, column=1)])


def test_an_array_without_entries():
    network = Network([Affine(np.ones((0, 3)), np.zeros(3))])
    with pytest.raises(ValueError, match=r"^to_c: layer 0 \(Affine 0→3\) has an array without"):
        handnn.to_c(network)


def test_the_file_is_written_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "model.h"
    handnn.to_c(NORMAL, path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("on purpose")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="on purpose"):
        handnn.to_c(mlp([5, 2], rng=1), str(path))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
