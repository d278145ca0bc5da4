"""Compile headers of `handnn.to_c` into a program that reads rows and writes predictions."""

from __future__ import annotations

import os
import platform
import shutil
import struct
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest

import handnn

WARNINGS = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wdouble-promotion -Werror"
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all"
NATIVE = "-mfma" if platform.machine() in ("x86_64", "AMD64") else ""

needs_fma = pytest.mark.skipif(
    not handnn.cpu_info()["fma"], reason="without FMA the bits of predict differ"
)


def environment():
    """The environment of compilers and programs, without the sanitizer of this process."""
    return {**os.environ, "LC_ALL": "C", "LD_PRELOAD": ""}


@dataclass(frozen=True)
class Build:
    """A compiler with its options, and the emulator that runs its programs, if any."""

    compiler: str
    options: str
    emulator: str = ""
    language: str = "c"
    is_thorough: bool = False
    switch: str = ""

    def run(self, *arguments, stdin=b""):
        emulator = [self.emulator] if self.emulator else []
        command = [*emulator, *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, env=environment(), check=False
        )

    def compile(self, source, program, *more):
        if os.name == "nt":
            pytest.skip("the programs read and write numbers as bytes, which Windows changes")
        for name in filter(None, [self.compiler, self.emulator]):
            if not shutil.which(name):
                pytest.skip(f"{name} is not installed")
        command = [self.compiler, *self.options.split(), *WARNINGS.split(), *more]
        command += ["-x", self.language, str(source), "-o", str(program), "-lm"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(), check=False
        )
        if SANITIZERS in self.options and done.returncode and "san" in done.stderr:
            pytest.skip(f"{self.compiler} has no sanitizers here")
        assert done.returncode == 0, done.stderr[:3000]
        assert not done.stderr


ARM = "aarch64-linux-gnu-gcc"

# In GNU mode and in C++, GCC contracts products and sums by default.
BUILDS = {
    "gcc": Build("gcc", "-std=c99 -O2", is_thorough=True),
    "gcc -O0": Build("gcc", "-std=c99 -O0"),
    "tcc": Build("tcc", "-std=c99"),
    "gcc that contracts": Build("gcc", f"-std=gnu99 -O3 {NATIVE}"),
    "clang": Build("clang", "-std=c99 -O2", is_thorough=True),
    "clang -O0": Build("clang", "-std=c99 -O0"),
    "clang that contracts": Build("clang", f"-std=c99 -O3 {NATIVE} -ffp-contract=on"),
    "its own fma": Build("gcc", "-std=c99 -O2", switch="SOFT_FMA"),
    "g++": Build("g++", f"-std=c++17 -O2 {NATIVE}", language="c++"),
    "gcc, sanitized": Build("gcc", f"-std=c99 -O1 {SANITIZERS}"),
    "arm64": Build(ARM, "-std=c99 -O2 -static", "qemu-aarch64", is_thorough=True),
    "arm64 that contracts": Build(ARM, "-O3 -static", "qemu-aarch64"),
}

RUNNER = """
static int run_{name}(unsigned long rows) {{
  {real} x[{macro}_INPUTS], y[{macro}_OUTPUTS];
  for (; rows > 0 && fread(x, sizeof x, 1, stdin) == 1; --rows) {{
    {name}_predict(x, y);
    fwrite(y, sizeof y, 1, stdout);
  }}
  return {name}_check() > 0.0;
}}
"""


MAIN = """
int main(int count, char **arguments) {
  unsigned long job[2];
  if (count > 1) return run(strtoul(arguments[1], NULL, 10), ULONG_MAX);
  while (fread(job, sizeof job, 1, stdin) == 1) {
    if (run(job[0], job[1]) != 0) return 1;
  }
  return 0;
}
"""


def compile_all(build, headers, real, folder):
    """Compile headers, given by name, into one program for `predict` and `predict_all`."""
    lines = ["#include <limits.h>", "#include <stdio.h>", "#include <stdlib.h>"]
    for name, text in headers.items():
        if build.switch:
            lines.append(f"#define {name.upper()}_{build.switch}")
        (folder / f"{name}.h").write_text(text, encoding="ascii")
        lines.append(f'#include "{name}.h"')
    lines += [RUNNER.format(name=name, macro=name.upper(), real=real) for name in headers]
    lines.append("static int run(unsigned long header, unsigned long rows) {")
    lines.append("  switch (header) {")
    lines += [f"    case {i}: return run_{name}(rows);" for i, name in enumerate(headers)]
    lines += ["    default: return 2;", "  }", "}", MAIN]
    source = folder / "program.c"
    source.write_text("\n".join(lines), encoding="ascii")
    build.compile(source, folder / "program")
    return folder / "program"


def predict(build, program, index, x, outputs):
    """Return the predictions of header number `index` for rows, after checking its test rows."""
    done = build.run(program, index, stdin=np.ascontiguousarray(x).tobytes())
    assert done.returncode == 0, done.stderr.decode()[:2000]
    return np.frombuffer(done.stdout, x.dtype).reshape(len(x), outputs)


def predict_all(program, rows, outputs):
    """Return the predictions of all headers, in one process, after checking their test rows.

    rows, outputs: the rows for each header, and the number of its outputs.
    """
    jobs = [struct.pack("LL", n, len(x)) + x.tobytes() for n, x in enumerate(rows)]
    done = Build("", "").run(program, stdin=b"".join(jobs))
    assert done.returncode == 0, done.stderr.decode()[:2000]
    dtype = rows[0].dtype
    found = np.frombuffer(done.stdout, dtype)
    shapes = [(len(x), n) for x, n in zip(rows, outputs, strict=True)]
    ends = np.cumsum([n * o for n, o in shapes])
    assert found.size == ends[-1]
    parts = np.split(found, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def assert_same_numbers(actual, expected, what=""):
    """Assert the same bits, or NaN on both sides."""
    assert actual.dtype == expected.dtype and actual.shape == expected.shape, what
    np.testing.assert_array_equal(actual, expected, what)
    is_number = ~np.isnan(expected)
    signs = (np.signbit(one)[is_number] for one in (actual, expected))
    np.testing.assert_array_equal(*signs, what)
