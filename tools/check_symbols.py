"""Check that the code of one instruction set is not visible to the code of another.

The same kernels are compiled once per instruction set. If the linker could see one of their
functions, it could choose the AVX-512 copy for a CPU without AVX-512. So each of these objects may
define one global symbol, its table, and no weak symbol; its widest registers must be those of its
instruction set; and all other objects may use only the registers of every x86-64 CPU. The tests,
each compiled for one instruction set, are not checked.

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
    """One object file: its name, its visible symbols, its widest registers."""

    name: str
    isa: str | None
    strong: list[str]
    weak: list[str]
    width: str | None

    def complaints(self) -> list[str]:
        """Return the rules that the object breaks."""
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
    """Return the output of a command."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(path: Path, build: Path, prefix: str) -> Object:
    """Read the symbols and registers of an object file."""
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
    parser.add_argument("build", type=Path, help="a build folder of CMake")
    parser.add_argument("--tool-prefix", default="", help="prefix of nm for another architecture")
    options = parser.parse_args()

    paths = [path for path in options.build.rglob("*.o") if "tests" not in path.parts]
    objects = [read(path, options.build, options.tool_prefix) for path in sorted(paths)]
    tables = [item for item in objects if item.isa]
    if not tables:
        print(f"{options.build}: no objects of the kernels found", file=sys.stderr)
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
