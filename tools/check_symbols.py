"""Proves that no instruction set leaks out of its own object.

The same kernels are compiled once for each instruction set. Were a function of theirs visible to
the linker, it could keep the AVX-512 copy for a CPU that has none. So each of these objects may
define one global symbol, its table, and no weak one; the registers in its code must be as wide as
its instruction set's and no wider; and all other objects get by with the registers that every
x86-64 CPU has. The tests, each compiled for one instruction set, are left out.

    python tools/check_symbols.py build/release [--tool-prefix aarch64-linux-gnu-]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WIDTHS = ["xmm", "ymm", "zmm"]
WIDTH_OF = {"v2": "xmm", "v3": "ymm", "v4": "zmm"}
WEAK_OR_UNIQUE = "VWu"


@dataclass
class Object:
    """One object file: who it is, what it shows to the linker, its widest registers."""

    name: str
    isa: str | None
    strong: list[str]
    weak: list[str]
    width: str | None

    def complaints(self) -> list[str]:
        if self.isa is None:
            return [f"uses {self.width} registers"] if self.width in WIDTHS[1:] else []
        found = [f"weak: {symbol}" for symbol in self.weak]
        if len(self.strong) != 1:
            found += [f"global: {symbol}" for symbol in self.strong] or ["exports no table"]
        expected = WIDTH_OF.get(self.isa)
        if self.width != expected:
            found.append(f"uses {self.width} registers, not {expected}")
        return found


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(path: Path, build: Path, prefix: str) -> Object:
    match = re.search(r"/handnn_kernels_(v2|v3|v4|neon)\.dir/", path.as_posix())
    isa = match[1] if match else None
    strong: list[str] = []
    weak: list[str] = []
    for line in run(f"{prefix}nm", "-C", "--defined-only", "--extern-only", path).splitlines():
        _, kind, symbol = line.split(maxsplit=2)
        (weak if kind in WEAK_OR_UNIQUE else strong).append(symbol)
    code = "" if prefix else run("objdump", "-d", "--no-show-raw-insn", path)
    widths = [width for width in WIDTHS if f"%{width}" in code]
    return Object(str(path.relative_to(build)), isa, strong, weak, widths[-1] if widths else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("build", type=Path, help="a build folder of CMake's")
    parser.add_argument("--tool-prefix", default="", help="of nm, for another architecture")
    options = parser.parse_args()

    paths = [path for path in options.build.rglob("*.o") if "tests" not in path.parts]
    objects = [read(path, options.build, options.tool_prefix) for path in sorted(paths)]
    tables = [item for item in objects if item.isa]
    if not tables:
        print(f"{options.build}: no object of an instruction set found", file=sys.stderr)
        return 1

    print(f"{'instruction set':16}{'global':>7}{'weak':>6}  {'widest':8}object")
    for item in sorted(objects, key=lambda item: item.isa or "~"):
        weak = str(len(item.weak)) if item.isa else ""
        strong = str(len(item.strong)) if item.isa else ""
        print(f"{item.isa or '-':16}{strong:>7}{weak:>6}  {item.width or '-':8}{item.name}")

    complaints = [f"{item.name}: {text}" for item in objects for text in item.complaints()]
    print(*complaints, sep="\n", file=sys.stderr)
    print(f"{len(tables)} instruction sets, {len(complaints)} leaks")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
