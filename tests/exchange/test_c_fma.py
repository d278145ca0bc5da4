"""The rounding of to_c: once in an fma, in hardware or software, and twice elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import handnn
from handnn import Affine, Network, mlp
from handnn.exchange.c import Scale
from handnn.exchange.c.reals import REALS
from tests.exchange.c_programs import (
    BUILDS,
    NATIVE,
    assert_same_numbers,
    compile_all,
    needs_fma,
    predict,
)

GCC = BUILDS["gcc"]
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])

FMA_SOURCE = """
#include <stdio.h>
#define MODEL_SOFT_FMA
#include "model.h"
int main(void) {
  REAL abc[3];
  while (fread(abc, sizeof abc, 1, stdin) == 1) {
    const REAL out = model_soft_fma(abc[0], abc[1], abc[2]);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
"""


@needs_fma
@both_dtypes
def test_the_software_fma_rounds_once(dtype, tmp_path):
    """Compare with the kernels: cancelling sums, ties, numbers far apart, special numbers."""
    rng = np.random.default_rng(0)
    a, b, c = rng.uniform(1, 2, (3, 4000))
    a[::2] = np.round(1024 * a[::2]) / 1024  # few digits, so that ties occur
    powers = 2.0 ** rng.integers(-30, 30, (3, 4000))
    a, b, c = (np.stack([a, b, c]) * powers * rng.choice([-1, 1], (3, 4000))).astype(dtype)
    c[::3] = -a[::3] * b[::3]
    c[::5] = np.nextafter(c[::5], np.array(9, dtype))
    odd = [0, -0.0, 1, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).tiny]
    special = np.array(np.meshgrid(odd, odd, odd), dtype).reshape(3, -1)
    a, b, c = np.concatenate([np.stack([a, b, c]), special], axis=1)
    expected = np.concatenate(
        [
            handnn.functional.affine_forward(a[i, None, None], b[i, None, None], c[i, None])[0]
            for i in range(len(a))
        ]
    )
    (tmp_path / "model.h").write_text(handnn.to_c(mlp([1, 1], dtype=dtype)), encoding="ascii")
    source = tmp_path / "fma.c"
    source.write_text(FMA_SOURCE, encoding="ascii")
    GCC.compile(source, tmp_path / "fma", f"-DREAL={REALS[dtype].name}")
    rows = np.ascontiguousarray(np.stack([a, b, c], axis=1))
    out = GCC.run(tmp_path / "fma", stdin=rows.tobytes()).stdout
    assert_same_numbers(np.frombuffer(out, dtype), expected)


@needs_fma
@pytest.mark.parametrize("key", ["gcc", "gcc that contracts", "clang that contracts", "g++"])
def test_no_product_and_sum_are_contracted(key, tmp_path):
    """out·scale + mean is rounded twice, even if the compiler contracts by default."""
    build, real = BUILDS[key], "float"
    x = np.random.default_rng(0).normal(size=(200, 1)).astype("float32")
    network = Network([Affine(np.ones((1, 1), "float32"), np.array([-0.0], "float32"))])
    after = (0.3, 0.7)
    text = handnn.to_c(network, scale_out=after, x=x[:1])
    program = compile_all(build, {"model": text}, real, tmp_path)
    assert_same_numbers(predict(build, program, 0, x, 1), Scale(*after).undo(x))
    if "contracts" in key and NATIVE:
        free = re.sub(r"#pragma (GCC optimize|STDC FP_CONTRACT OFF).*", "", text)
        free = re.sub(r"(model_test_y\[1\] = ).*?;", r"\1{NAN};", free, flags=re.DOTALL)
        (tmp_path / "free").mkdir()
        program = compile_all(build, {"model": free}, real, tmp_path / "free")
        out = np.frombuffer(build.run(program, 0, stdin=x.tobytes()).stdout, "float32")
        assert (out != Scale(*after).undo(x)[:, 0]).any()


def test_rejects_fast_math(tmp_path):
    (tmp_path / "model.h").write_text(handnn.to_c(mlp([2, 1])), encoding="ascii")
    with pytest.raises(AssertionError, match="-ffast-math changes the rounding"):
        GCC.compile(tmp_path / "model.h", tmp_path / "main", "-DMODEL_MAIN", "-ffast-math")


def test_allows_any_error_if_predicted_without_fma():
    script = "import handnn; print(handnn.to_c(handnn.mlp([2, 1])))"
    for isa, allowed in ((None, "0" if handnn.cpu_info()["fma"] else "DBL_MAX"), ("v2", "DBL_MAX")):
        if isa and isa not in handnn.cpu_info()["supported"]:
            continue
        environment = {**os.environ, **({"HANDNN_ISA": isa} if isa else {})}
        text = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
        assert re.findall(r"^#define MODEL_ALLOWED_ULPS (.*)$", text, re.MULTILINE)[1] == allowed
