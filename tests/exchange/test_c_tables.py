"""to_c of table models: columns, networks and their mean in one header."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

import handnn
from handnn import Columns, Network, TableModel, Target
from handnn.exchange.c.table_text import in_comment
from tests.exchange.c_programs import (
    BUILDS,
    assert_same_numbers,
    compile_all,
    needs_fma,
    predict,
)
from tests.exchange.table_models import (
    CASES,
    KINDS_OF_TEXT,
    NAMES,
    answers,
    c_rows,
    mixed,
    of_case,
    table_model,
)
from tests.own_bricks import Halve

GCC = BUILDS["gcc"]
KEYS = ["gcc", "clang", "g++", "gcc, sanitized", "arm64"]
REALS = {"float32": "float", "float64": "double"}
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Compile all models of a dtype into one program for each build, once."""
    compiled = {}

    def program(key, dtype):
        if (key, dtype) not in compiled:
            headers = {
                f"table_{place}": handnn.to_c(of_case(name, dtype), name=f"table_{place}")
                for place, name in enumerate(CASES)
            }
            folder = tmp_path_factory.mktemp("c")
            compiled[key, dtype] = compile_all(BUILDS[key], headers, REALS[dtype], folder)
        return compiled[key, dtype]

    return program


@needs_fma
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", CASES)
def test_float64_header_has_the_bits_of_predict(name, key, programs):
    model, rows = of_case(name, "float64"), mixed()
    expected = answers(model, rows)
    x = c_rows(model, rows)
    assert np.isnan(x).any(axis=0).all() and np.isfinite(expected).all()
    place = list(CASES).index(name)
    out = predict(BUILDS[key], programs(key, "float64"), place, x, expected.shape[1])
    if name in ("quantile", "all"):  # NumPy's interp may contract products and sums, on arm64
        assert (abs(out - expected) <= 2 * np.spacing(abs(expected))).all()
    else:
        assert_same_numbers(out, expected)


@needs_fma
@pytest.mark.parametrize("key", ["gcc", "arm64"])
@pytest.mark.parametrize("name", CASES)
def test_float32_header_is_close_to_predict(name, key, programs):
    """This also holds for numbers far from 0."""
    model, rows = of_case(name, "float32"), mixed()
    for number in NAMES[:4]:
        rows[number] = np.asarray(rows[number], np.float32).astype(float)
    expected = answers(model, rows)
    place = list(CASES).index(name)
    program = programs(key, "float32")
    out = predict(BUILDS[key], program, place, c_rows(model, rows), expected.shape[1])
    assert abs(out - expected).max() <= 3e-6 * abs(expected).max()


@needs_fma
@pytest.mark.parametrize(
    ("key", "dtype"),
    [*zip(KEYS, ["float32", "float64"] * 3, strict=False), ("gcc", "float64"), ("g++", "float64")],
)
def test_main_checks_the_rows_and_prints_time_and_memory(key, dtype, tmp_path):
    build = BUILDS[key]
    text = handnn.to_c(of_case("binary", dtype), tmp_path / "model.h")
    build.compile(tmp_path / "model.h", tmp_path / "main", "-DMODEL_MAIN")
    done = build.run(tmp_path / "main")
    printed = done.stdout.decode()
    assert done.returncode == 0, printed
    (size,) = re.findall(r"#define MODEL_CONSTANT_BYTES (\d+)", text)
    for line in (f"model: 7 -> 2, {REALS[dtype]}", "largest error of 8 rows: 0 ulp", size):
        assert line in printed
    assert "microseconds a row: " in printed
    if key not in ("gcc", "arm64"):
        return
    wrong = re.sub(r"(model_n2_3_b\[\d+\] = \{\n *)[^,]*,", r"\1 9.0,", text)
    assert wrong != text
    (tmp_path / "model.h").write_text(wrong, encoding="ascii")
    build.compile(tmp_path / "model.h", tmp_path / "main", "-DMODEL_MAIN")
    assert build.run(tmp_path / "main").returncode == 1  # the last network of three


def test_model_code_returns_the_code_of_a_text(tmp_path):
    (tmp_path / "model.h").write_text(handnn.to_c(of_case("regression", "float32")), "ascii")
    (tmp_path / "codes.c").write_text(
        '#include "model.h"\n#include <stdio.h>\nint main(int n, char **texts) {\n'
        '  for (int k = 1; k < n; ++k) printf("%g ", (double)model_code(4, texts[k]));\n'
        '  printf("%g %g", (double)model_code(4, NULL), (double)model_code(0, "plain"));\n'
        "  return 0;\n}\n"
    )
    GCC.compile(tmp_path / "codes.c", tmp_path / "codes")
    kinds = sorted(KINDS_OF_TEXT)
    others = ["plai", "plainest", "new", "Plain"]
    gaps = ["", " NA ", "null"]
    spaced = [f"\u00a0\t{kind} \u2007" for kind in kinds]
    words = [*kinds, *spaced, *others, *gaps]
    printed = GCC.run(tmp_path / "codes", *words).stdout.decode().split()
    count = len(kinds)
    codes = [*range(count), *range(count), *[count + 1] * 4]
    assert list(map(float, printed[: len(codes)])) == codes
    assert printed[len(codes) :] == ["nan"] * 5


def test_no_name_or_label_ends_the_comment():
    text = handnn.to_c(of_case("regression", "float64"))
    comment = text[: text.index("*/")]
    words = " ".join(comment.split())
    for name in NAMES:
        assert " ".join(in_comment(name).split()) in words
    assert "MODEL_TICKS()" in comment and "#ifdef MODEL_H\n" in text
    assert max(map(len, text.splitlines())) <= 100
    for word in (
        "real",
        "R(1)",
        "C(fabs)",
        "@",
        "<comment>",
        "$x",
    ):
        assert word in comment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*/", "* /"), ("/*", "/ *"), ("*/*/", "* / * /"), ("/*/", "/ * /"), ("a\nb", "a\\nb"),
        ("a\\", "a\\"), ("??/", "? ?/"), ("???", "? ? ?"), ("é", "\\xe9"), ("\0", "\\x00"),
        ("*\\/", "*\\/"), ("\ud800", "\\ud800"),
    ],
)  # fmt: skip
def test_in_comment_escapes(text, told):
    assert in_comment(text) == told


def use(folder, *headers):
    lines = [f'#include "{name}"\n' for name in headers]
    (folder / "use.c").write_text("".join(lines) + "int main(void) { return 0; }\n")
    GCC.compile(folder / "use.c", folder / "use")


def test_rejects_two_headers_of_one_name(tmp_path):
    model = of_case("binary", "float32")
    handnn.to_c(model, tmp_path / "first.h")
    handnn.to_c(of_case("outputs", "float32"), tmp_path / "second.h")
    handnn.to_c(model, tmp_path / "third.h", name="Model")
    handnn.to_c(model, tmp_path / "fourth.h", name="another")
    use(tmp_path, "first.h", "first.h", "fourth.h")
    for other in ("second.h", "third.h"):
        with pytest.raises(AssertionError, match="two headers have this name"):
            use(tmp_path, "first.h", other)


@pytest.mark.skipif(not shutil.which("nm"), reason="nm is not installed")
def test_float32_header_calls_no_double_function(tmp_path):
    from tests.exchange.networks import BRICKS, network_of

    called = set()
    headers = {"table": handnn.to_c(of_case("all", "float32"), name="table")}
    for place, name in enumerate(BRICKS):
        x = np.ones((1, 9)) if name.startswith("Embedding") else None
        headers[f"net_{place}"] = handnn.to_c(network_of(name, "float32"), name=f"net_{place}", x=x)
    for name, text in headers.items():
        (tmp_path / f"{name}.h").write_text(text, "ascii")
        (tmp_path / "use.c").write_text(
            f'#include "{name}.h"\nvoid use(const float *x, float *y);\n'
            f"void use(const float *x, float *y) {{ {name}_predict(x, y); }}\n"
        )
        GCC.compile(tmp_path / "use.c", tmp_path / "use.o", "-c", "-O0", "-fno-builtin",
                    "-fno-stack-protector", f"-D{name.upper()}_NO_TESTS")  # fmt: skip
        printed = subprocess.run(["nm", "-u", tmp_path / "use.o"], capture_output=True, text=True)
        called |= {line.split()[-1] for line in printed.stdout.splitlines()}
    assert "fmaf" in called and called <= {"fmaf", "fabsf", "sqrtf", "copysignf",
                                           "_GLOBAL_OFFSET_TABLE_"}  # fmt: skip


def refused(model, message, tmp_path, **arguments):
    with pytest.raises(ValueError, match=message):
        handnn.to_c(model, tmp_path / "model.h", **arguments)
    assert not list(tmp_path.iterdir())


def small(column, kinds=None, dtype="float32"):
    columns = Columns.learn({"a": column}, kinds=kinds)
    layers = [
        *columns.first_layers(0, dtype),
        handnn.Affine.random(columns.n_after, 1, dtype=dtype),
    ]
    return TableModel(Network(layers), columns, Target.learn([0.5, 1.5]))


def test_rejects_models_that_cannot_be_exported(tmp_path):
    refused(small(["x", "y\0z"]), r"^to_c: column 'a' has the category 'y\\x00z', wh", tmp_path)
    refused(small(["x", "\ud800"]), r"^to_c: column 'a' has the category '\\ud800'", tmp_path)
    refused(
        small([1e39, 3e39]), "^to_c: column 'a': its median, .*, is not a number of f", tmp_path
    )
    refused(small([1e-60, 3e-60]), "^to_c: column 'a': its scale, .*, is not a number of", tmp_path)
    for arguments in ({"x": [[1]]}, {"steps": [1]}, {"scale_in": (0, 1)}, {"scale_out": (0, 1)}):
        refused(
            small([1, 2]), "^to_c: x, steps, .* are for a Network; a Tab", tmp_path, **arguments
        )
    model = small([1, 2])
    model.networks[0].layers.append(Halve())
    with pytest.raises(TypeError, match=r"^to_c: layer 1 \(Halve\) cannot be exported to C;"):
        handnn.to_c(model, tmp_path / "model.h")
    assert not list(tmp_path.iterdir())


def test_integers_that_the_dtype_cannot_hold_are_labels_of_text():
    codes = [2**24, 2**24 + 1]
    assert "model_code" in handnn.to_c(small(codes, {"a": "category"}))
    assert "model_code" not in handnn.to_c(small(codes, {"a": "category"}, "float64"))
    assert "model_code" in handnn.to_c(small([2**53, 2**53 + 1], {"a": "category"}, "float64"))


def test_numbers_the_columns_of_a_table_without_names(tmp_path):
    columns = Columns.learn(np.arange(6.0).reshape(3, 2))
    model = TableModel(handnn.mlp([2, 3, 1], rng=0), columns, Target.learn([1.5, 2, 3]))
    assert "x[1]  column 1\n   y[0]  the target\n" in handnn.to_c(model)


def test_omits_steps_and_functions_that_are_not_needed():
    text = handnn.to_c(table_model("regression", "float64", scale=False))
    assert "standardize" not in text
    assert "model_code" not in handnn.to_c(small([1, 2]))


@needs_fma
@pytest.mark.parametrize("name", CASES)
def test_the_error_of_a_float32_header_is_that_of_its_inputs(name, programs):
    """As docs/microcontroller.md says: three units in the last place of each input."""
    model, rows = of_case(name, "float32"), mixed()
    expected = answers(model, rows)
    place = list(CASES).index(name)
    x = c_rows(model, rows)
    out = predict(BUILDS["gcc"], programs("gcc", "float32"), place, x, expected.shape[1])
    moved = np.zeros(expected.shape)
    for number in NAMES[:4]:
        given = np.array(rows[number], float)
        step = 3 * np.spacing(np.abs(given).astype(np.float32)).astype(float)
        above, below = ({**rows, number: (given + sign * step).tolist()} for sign in (1, -1))
        moved += np.maximum(abs(answers(model, above) - expected),
                            abs(answers(model, below) - expected))  # fmt: skip
    assert (abs(out - expected) <= moved + 1e-6 * abs(expected).max()).all()
