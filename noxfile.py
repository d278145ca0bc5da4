#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2025.2.9"]
# ///

"""The project's checks as commands: `nox -s tests`, `nox -s lint`, ...; `nox -l` lists them all.

Each session creates a virtual environment and installs what it needs. `nox --no-venv --no-install
-s NAME` uses the active environment as it is; `.ci/run` does that.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"

PYPROJECT = nox.project.load_toml("pyproject.toml")
LINE_LENGTH: int = PYPROJECT["tool"]["ruff"]["line-length"]
WHEEL_LIMIT = 2_000_000
PLATFORMS = ["linux", "macos", "windows"]


def install_groups(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of pyproject.toml."""
    session.install(*nox.project.dependency_groups(PYPROJECT, *groups))


def tracked(*patterns: str) -> list[str]:
    """Return the files that git tracks."""
    listing = subprocess.run(["git", "ls-files", *patterns], check=True, capture_output=True)
    return listing.stdout.decode().splitlines()


def build(session: nox.Session, preset: str, *options: str, target: str = "all") -> None:
    """Configure and build a preset of CMakePresets.json."""
    session.run("cmake", "--preset", preset, *options, external=True)
    session.run("cmake", "--build", "--preset", preset, "--target", target, external=True)


def ctest(session: nox.Session, preset: str, *options: str) -> None:
    """Run the C++ tests of a preset."""
    session.run("ctest", "--preset", preset, *options, external=True)


def check_with_clang(session: nox.Session) -> None:
    """Check that Clang accepts kernels and engine. Generating code would take six times as long."""
    session.run("cmake", "--preset", "clang", external=True)
    tests = Path.cwd() / "cpp" / "tests"
    for unit in json.loads(Path("build/clang/compile_commands.json").read_text()):
        if not Path(unit["file"]).is_relative_to(tests):
            session.run(*shlex.split(unit["command"]), "-fsyntax-only", external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the Python tests; arguments after `--` are passed to pytest."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format, style and spelling of Python and C++."""
    install_groups(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("clang-format", "--dry-run", "-Werror", *tracked("*.cpp", "*.hpp"))
    session.run("codespell", *tracked())
    long = [
        f"{name}:{number} has {len(line)} columns"
        for name in tracked("*.cpp", "*.hpp")  # clang-format does not reflow comments
        for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), 1)
        if line.lstrip().startswith("//") and len(line) > LINE_LENGTH
    ]
    if long:
        session.error("; ".join(long))


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy, and compare the stub of the extension with the extension."""
    session.install(".[test]")
    install_groups(session, "types")
    session.run("mypy")
    session.run("python", "tools/generate_stubs.py", "--check")
    session.run("python", "-m", "mypy.stubtest", "handnn._core")


@nox.session(default=False)
def cpp(session: nox.Session) -> None:
    """Run the optimized C++ tests, and let Clang check that it compiles kernels and engine."""
    install_groups(session, "cpp")
    build(session, "release")
    ctest(session, "release")
    if shutil.which("clang++"):
        check_with_clang(session)
    else:
        session.log("Clang: skipped, because clang++ is not installed")


@nox.session(default=False)
def accuracy(session: nox.Session) -> None:
    """Measure the error of exp and related functions over all 2^32 float32 numbers."""
    install_groups(session, "cpp")
    build(session, "release")
    skipped = 77
    for program in sorted(Path("build/release/cpp/tests").glob("accuracy_*"), reverse=True):
        status = subprocess.run([program, "--all"], check=False).returncode
        if status != skipped:
            break
    if status != 0:
        session.error(f"{program.name} ended with {status}")


@nox.session(default=False)
def tidy(session: nox.Session) -> None:
    """Run clang-tidy while Clang compiles the C++."""
    install_groups(session, "cpp")
    build(session, "tidy")


@nox.session(default=False)
def asan(session: nox.Session) -> None:
    """Run the C++ and the Python tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    install_groups(session, "cpp")
    session.install(".[test]")
    pybind11 = session.run("python", "-m", "pybind11", "--cmakedir", silent=True)
    python = ["-DHANDNN_BUILD_PYTHON=ON", f"-Dpybind11_DIR={str(pybind11).strip()}"]
    build(session, "asan", *python)
    ctest(session, "asan")

    # A copy of the package with the sanitized extension, first on PYTHONPATH.
    site = Path("build/asan/site").absolute()
    shutil.copytree("python", site, dirs_exist_ok=True)
    session.run("cmake", "--install", "build/asan", "--prefix", str(site), external=True)
    # AddressSanitizer intercepts exceptions only if libstdc++ is loaded with it.
    libraries = [
        session.run("g++", f"-print-file-name={name}", external=True, silent=True)
        for name in ("libasan.so", "libstdc++.so")
    ]
    environment = {
        "LD_PRELOAD": ":".join(str(library).strip() for library in libraries),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONPATH": str(site),
        "CI": "true",
        "HANDNN_SAMPLE": os.environ.get("HANDNN_SAMPLE", "1"),
    }
    # The tests of the command, files, tables, estimators and the laboratory cover no additional
    # code of the extension, and take minutes under a sanitizer. Exported C headers are separate
    # programs with their own sanitizers; MPI and the allocations that fail have libraries of their
    # own to load first. AddressSanitizer delays the reuse of freed memory, which looks like a leak.
    # Tests of interrupts limit CPU time. Hardening is tested in the wheel.
    left_out = ["cells", "charts", "cli", "datasets", "exchange", "files", "play", "tables"]
    left_out += ["sklearn_estimators", "parity"]
    left_out += [f"faults/test_{name}.py" for name in ("exit", "io", "memory", "signals", "soak")]
    left_out += ["faults/test_subinterpreters.py"]
    left_out += [f"fuzz/test_{name}.py" for name in ("play", "table_files")]
    left_out += ["engine/test_interrupts.py", "training/test_*interrupts.py"]
    left_out += [f"training/test_{name}.py" for name in ("executors", "ranks")]
    left_out += [f"training/checkpoints/test_{name}.py" for name in ("kills", "mutants")]
    left_out += ["optimizers/test_lbfgs.py"]
    left_out += [
        f"test_{name}.py"
        for name in ("docstrings", "examples", "hardening", "import", "leaks", "limits", "rooms")
    ]
    less = [f"--ignore-glob=tests/{name}" for name in left_out]
    # Trains in a dozen processes, a minute each.
    hashes = "test_same_hash_for_all_threads_engines_and_instruction_sets"
    less.append(f"--deselect=tests/engine/test_bits.py::{hashes}")
    session.run("pytest", *less, *session.posargs, env=environment)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Run random programs under the sanitizers, and load and call with random files and arrays.

    Mutated tables go through the commands; HANDNN_FUZZ_TABLES is their number, 100,000 by default.

    An argument after `--` multiplies the numbers of programs that libFuzzer tries, of files and of
    calls, and is their seed.
    """
    factor = int(session.posargs[0]) if session.posargs else 1
    install_groups(session, "cpp")
    session.install(".[test]")
    build(session, "asan", target="engine_tests")
    ctest(session, "asan", "--tests-regex", "^engine_fuzz", "--verbose")
    if shutil.which("clang++"):
        build(session, "libfuzzer", target="engine_libfuzzer")
        options = [f"-runs={50_000 * factor}", f"-seed={factor}", "-max_len=256", "-len_control=0"]
        program = "build/libfuzzer/cpp/tests/engine_libfuzzer"
        session.run(program, *options, "-print_final_stats=1", external=True)
    else:
        session.log("libFuzzer: skipped, because clang++ is not installed")
    environment = {
        "HANDNN_FUZZ_FILES": str(5000 * factor),
        "HANDNN_FUZZ_CALLS": str(5000 * factor),
        "HANDNN_FUZZ_TABLES": os.environ.get("HANDNN_FUZZ_TABLES", "100000"),
        "HANDNN_FUZZ_API": str(5000 * factor),
        "HANDNN_FUZZ_NETWORKS": str(500 * factor),
        "HANDNN_FUZZ_PLAY": str(1000 * factor),
        "HANDNN_FUZZ_PARTS": str(100 * factor),
        "HANDNN_FUZZ_SEED": str(factor),
    }
    session.run("pytest", "-s", "tests/fuzz", env=environment)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Test faults: exits during work, signals, failing allocations and file calls, and killed
    saves.

    Many threads predict and train, and the memory of a long work is measured.

    An argument after `--` is the number of runs of each program; 15 by default.
    """
    runs = int(session.posargs[0]) if session.posargs else 15
    session.install(".[test]")
    environment = {
        "HANDNN_FAULT_RUNS": str(runs),
        "HANDNN_FAULT_SIGNALS": str(30 * runs),
        "HANDNN_FAULT_ALLOCATIONS": str(20 * runs),
        "HANDNN_FAULT_KILLS": str(10 * runs),
        "HANDNN_FAULT_ROUNDS": str(10 * runs),
    }
    tests = ("tests/faults", "tests/storage/test_atomic.py", "tests/training/checkpoints")
    session.run("pytest", "-s", *tests, env=environment)


@nox.session(default=False)
def tsan(session: nox.Session) -> None:
    """Run the engine's C++ tests under ThreadSanitizer."""
    install_groups(session, "cpp")
    build(session, "tsan", target="engine_tests")
    ctest(session, "tsan", "--tests-regex", "^engine_")


@nox.session(default=False)
def symbols(session: nox.Session) -> None:
    """Check that no function of one instruction set is visible to the code of another."""
    session.install(".")
    (folder,) = Path("build").glob("cp{}{}-*".format(*sys.version_info))
    session.run("python", "tools/check_symbols.py", str(folder))


@nox.session(default=False)
def arm(session: nox.Session) -> None:
    """Run the C++ tests on an emulated arm64 CPU.

    The Python tests run exported C headers there.
    """
    for program in ("aarch64-linux-gnu-g++", "qemu-aarch64"):
        if not shutil.which(program):
            session.skip(f"{program} is not installed")
    install_groups(session, "cpp")
    build(session, "aarch64")
    prefix = "--tool-prefix=aarch64-linux-gnu-"
    session.run("python", "tools/check_symbols.py", "build/aarch64", prefix)
    ctest(session, "aarch64")


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build the sdist and a wheel from it, check both, and list the wheels to publish."""
    install_groups(session, "package")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--sdist", "--outdir", folder)
        (sdist,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            packed = {name.partition("/")[2] for name in archive.getnames()}
        excluded = PYPROJECT["tool"]["scikit-build"]["sdist"]["exclude"]
        expected = [name for name in tracked() if not name.startswith(tuple(excluded))]
        missing = sorted(set(expected) - packed)
        if missing:
            session.error(f"not in the sdist: {missing}")

        session.run("python", "-m", "pip", "wheel", "--no-deps", "-w", folder, str(sdist))
        (wheel,) = Path(folder).glob("*.whl")
        size = wheel.stat().st_size
        session.log(f"{wheel.name}: {size:,} bytes")
        if size >= WHEEL_LIMIT:
            session.error(f"the wheel has {size:,} bytes, more than {WHEEL_LIMIT:,}")

        session.run(sys.executable, "-m", "venv", f"{folder}/venv", external=True)
        python = f"{folder}/venv/{'Scripts' if os.name == 'nt' else 'bin'}/python"
        session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
        session.run(python, "-m", "handnn", "check", external=True)

    for platform in PLATFORMS:
        session.run("cibuildwheel", "--print-build-identifiers", "--platform", platform)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Run the code of README.md and docs/, follow links, and build the site.

    The tests run that of the docstrings.
    """
    session.install(".[test]")
    install_groups(session, "docs")
    session.run("python", "tools/check_docs.py", *session.posargs)
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "docs", "docs/_build/html")


@nox.session(default=False)
def parity(session: nox.Session) -> None:
    """Run the tests against PyTorch, and the page about it."""
    session.install(".[test]")
    install_groups(session, "parity")
    files = ("to_torch", "to_torch_tables", "from_torch", "weights")
    tests = (f"tests/exchange/test_{name}.py" for name in files)
    session.run("python", "-m", "pytest", "tests/parity", *tests, *session.posargs)
    session.run("python", "tools/check_docs.py", "docs/exchange.md")


@nox.session(default=False)
def workflows(session: nox.Session) -> None:
    """Check the GitHub workflows, and the repository against the Scientific Python guide."""
    install_groups(session, "workflows")
    files = tracked(".github/workflows/*.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    dependabot = ".github/dependabot.yml"
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", dependabot)
    session.run("zizmor", "--offline", "--pedantic", *files, dependabot)
    session.run("sp-repo-review", ".")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Verify handnn and its peers, then time them alternately."""
    session.install(".[plot]")
    install_groups(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


if __name__ == "__main__":
    nox.main()
