"""Every case of docs/cells.md through the exported C program, the header, and ONNX."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import handnn
from handnn.exchange.c.csv import table_program
from handnn.tables.cells import category_text
from tests.cells.cases import PAGE, cases_of
from tests.cells.spreadsheet import as_text
from tests.cells.telling import LABELS, expected, model_of
from tests.exchange.c_programs import BUILDS

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests stand without the page")

GCC = BUILDS["gcc"]
KINDS = ("number", "category")  # a program takes dates as day numbers


def csv_line(cell):
    return '"' + as_text(cell).replace('"', '""') + '"\n'


@pytest.fixture(scope="module", params=KINDS)
def program(request, tmp_path_factory):
    """Return the program of a model, and the kind of its column."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "model.c").write_text(table_program(model_of(request.param)), "ascii")
    GCC.compile(folder / "model.c", folder / "model")
    return folder / "model", request.param


def run(program, text):
    done = GCC.run(program, stdin=text.encode())
    return done.returncode, [float(word) for word in done.stdout.split()]


def test_the_program_reads_every_cell(program):
    path, kind = program
    cases = [case for case in cases_of(kind) if as_text(case.cell) != "inf"]
    fine = [case for case in cases if not case.is_error]
    code, answers = run(path, "a\n" + "".join(csv_line(case.cell) for case in fine))
    assert code == 0 and len(answers) == len(fine)
    assert [
        f"{case}: {answer} instead of {expected(case)}"
        for case, answer in zip(fine, answers, strict=True)
        if not math.isclose(answer, expected(case), rel_tol=1e-15)
    ] == []
    for case in cases:
        if case.is_error:
            assert run(path, "a\n" + csv_line(case.cell)) == (1, []), case


def test_the_program_reads_typed_infinities_as_text(program):
    path, kind = program
    assert run(path, "a\ninf\n")[0] == (1 if kind == "number" else 0)


def test_the_header_looks_up_every_text(tmp_path):
    (tmp_path / "model.h").write_text(handnn.to_c(model_of("category")), "ascii")
    (tmp_path / "codes.c").write_text(
        '#include "model.h"\n#include <stdio.h>\nint main(int n, char **texts) {\n'
        '  for (int k = 1; k < n; ++k) printf("%g ", (double)model_code(0, texts[k]));\n'
        "  return 0;\n}\n"
    )
    GCC.compile(tmp_path / "codes.c", tmp_path / "codes")
    cases = [case for case in cases_of("category") if not case.is_error]
    printed = GCC.run(tmp_path / "codes", *(as_text(case.cell) for case in cases)).stdout.split()
    for case, code in zip(cases, map(float, printed), strict=True):
        wanted = math.nan if case.is_gap else float(LABELS.index(case.meaning))
        assert code == wanted or (math.isnan(code) and math.isnan(wanted)), case


def answers_of_onnx(model, inputs):
    onnxruntime = pytest.importorskip("onnxruntime")
    exported = handnn.to_onnx(model)
    session = onnxruntime.InferenceSession(
        exported.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    metadata = {entry.key: json.loads(entry.value) for entry in exported.metadata_props}
    return session.run(["y"], inputs)[0][:, 0], metadata


def test_onnx_takes_the_text_of_every_cell():
    cases = [case for case in cases_of("category") if not case.is_error]
    texts = [as_text(None) if case.is_gap else category_text(case.cell) for case in cases]
    usual = ["True", "TRUE", "t", "False", "f", "1.0", "100000.0", "NA", "null", "NaN"]
    wanted = [*map(expected, cases)]
    found = [LABELS.index(category_text(text)) if category_text(text) in LABELS else len(LABELS)
             for text in usual]  # fmt: skip
    x = np.array([[text] for text in [*texts, *usual]], object)
    answers, metadata = answers_of_onnx(model_of("category"), {"text": x})
    assert answers.tolist() == [*wanted, *(float(code) ** 2 for code in found)]
    assert metadata["categories"] == {"a": LABELS}


def test_onnx_takes_numbers():
    cases = [c for c in cases_of("number") if not (c.is_error or isinstance(c.cell, str))]
    cells = [math.nan if case.cell is None else float(case.cell) for case in cases]
    answers, _ = answers_of_onnx(model_of("number"), {"x": np.array(cells)[:, None]})
    assert answers.tolist() == list(map(expected, cases))


def test_a_float32_model_distinguishes_long_integers(tmp_path):
    ids = [2**63 + 5, 2**63 + 6, 123456789012345678, 16777217]
    columns = handnn.Columns.learn({"a": ids}, kinds={"a": "category"})
    codes = np.arange(len(ids) + 2, dtype=np.float32)[:, None]
    target = handnn.Target("regression", mean=[0.0], scale=[1.0])
    model = handnn.TableModel(handnn.Network([handnn.Embedding(codes**2)]), columns, target)
    (tmp_path / "model.c").write_text(table_program(model), "ascii")
    GCC.compile(tmp_path / "model.c", tmp_path / "model")
    answers = model.predict({"a": ids}).tolist()
    assert len(set(answers)) == len(ids)
    assert run(tmp_path / "model", "".join(f"{n}\n" for n in ids)) == (0, answers)
    texts = np.array([[str(n)] for n in ids], object)
    assert answers_of_onnx(model, {"text": texts})[0].tolist() == answers
