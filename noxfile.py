"""The project's habits as commands: `nox -s tests`, `nox -s lint`, ...; `nox -l` lists them all.

Every session makes an environment of its own and installs what it needs. To use the active one as
it is: `nox --no-venv --no-install -s NAME`; that is what `.ci/run` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
LINE_LENGTH: int = PYPROJECT["tool"]["ruff"]["line-length"]
WHEEL_LIMIT = 2_000_000
PLATFORMS = ["linux", "macos", "windows"]


def install_groups(session: nox.Session, *groups: str) -> None:
    session.install(*nox.project.dependency_groups(PYPROJECT, *groups))


def tracked(*patterns: str) -> list[str]:
    """The files that git knows."""
    listing = subprocess.run(["git", "ls-files", *patterns], check=True, capture_output=True)
    return listing.stdout.decode().splitlines()


def build(session: nox.Session, preset: str, *options: str, target: str = "all") -> None:
    session.run("cmake", "--preset", preset, *options, external=True)
    session.run("cmake", "--build", "--preset", preset, "--target", target, external=True)


def ctest(session: nox.Session, preset: str, *options: str) -> None:
    session.run("ctest", "--preset", preset, *options, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """The Python tests; arguments after `--` go to pytest."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format, style and spelling, of Python and C++."""
    install_groups(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("clang-format", "--dry-run", "-Werror", *tracked("*.cpp", "*.hpp"))
    for name in tracked("*.cpp", "*.hpp"):  # clang-format leaves comments alone
        for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("//") and len(line) > LINE_LENGTH:
                session.error(f"{name}:{number} has {len(line)} columns")
    session.run("codespell", *tracked())


@nox.session
def types(session: nox.Session) -> None:
    """mypy, and the extension's stub: generated from it, and true."""
    session.install(".[test]")
    install_groups(session, "types")
    session.run("mypy")
    session.run("python", "tools/generate_stubs.py", "--check")
    session.run("python", "-m", "mypy.stubtest", "handnn._core")


@nox.session
def cpp(session: nox.Session) -> None:
    """The C++ tests, optimised."""
    install_groups(session, "cpp")
    build(session, "release")
    ctest(session, "release")


@nox.session
def accuracy(session: nox.Session) -> None:
    """The ulps of exp and its kin over all 2^32 float32 numbers, for the best instruction set."""
    install_groups(session, "cpp")
    build(session, "release")
    skipped = 77
    for program in sorted(Path("build/release/cpp/tests").glob("accuracy_*"), reverse=True):
        status = subprocess.run([program, "--all"], check=False).returncode
        if status != skipped:
            break
    if status != 0:
        session.error(f"{program.name} ended with {status}")


@nox.session
def tidy(session: nox.Session) -> None:
    """clang-tidy over the C++, compiled by Clang."""
    install_groups(session, "cpp")
    build(session, "tidy")


@nox.session
def asan(session: nox.Session) -> None:
    """The C++ tests and the Python tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    install_groups(session, "cpp")
    session.install(".[test]")
    pybind11 = session.run("python", "-m", "pybind11", "--cmakedir", silent=True)
    python = ["-DHANDNN_BUILD_PYTHON=ON", f"-Dpybind11_DIR={str(pybind11).strip()}"]
    build(session, "asan", *python)
    ctest(session, "asan")

    # The package again, with the sanitized extension, in a folder that comes before the installed.
    site = Path("build/asan/site").absolute()
    shutil.copytree("python", site, dirs_exist_ok=True)
    session.run("cmake", "--install", "build/asan", "--prefix", str(site), external=True)
    # libstdc++ comes along so that AddressSanitizer finds the exceptions it wants to watch.
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
    }
    # More trainings show a sanitizer nothing new, and take it minutes; command, files and tables
    # call nothing that the other tests do not; headers of C are other programs, with sanitizers of
    # their own; what is kept from being freed cannot be told from a leak.
    left_out = [
        "cli",
        "datasets",
        "exchange",
        "files",
        "tables",
        "training/checkpoints/test_kills.py",
    ]
    left_out += ["training/checkpoints/test_mutants.py", "test_examples.py", "test_leaks.py"]
    less = [f"--ignore-glob=tests/{name}" for name in left_out]
    session.run("pytest", *less, *session.posargs, env=environment)


@nox.session
def tsan(session: nox.Session) -> None:
    """The engine's C++ tests under ThreadSanitizer."""
    install_groups(session, "cpp")
    build(session, "tsan", target="engine_tests")
    ctest(session, "tsan", "--tests-regex", "^engine_")


@nox.session
def symbols(session: nox.Session) -> None:
    """No instruction set leaks into another one's object; the objects are those of the wheel."""
    session.install(".")
    (folder,) = Path("build").glob("cp{}{}-*".format(*sys.version_info))
    session.run("python", "tools/check_symbols.py", str(folder))


@nox.session
def arm(session: nox.Session) -> None:
    """The C++ tests, and exported headers, on an emulated arm64 CPU; the headers by Clang too."""
    for program in ("aarch64-linux-gnu-g++", "qemu-aarch64"):
        if not shutil.which(program):
            session.skip(f"{program} is not installed")
    install_groups(session, "cpp")
    session.install(".[test]")
    build(session, "aarch64")
    prefix = "--tool-prefix=aarch64-linux-gnu-"
    session.run("python", "tools/check_symbols.py", "build/aarch64", prefix)
    ctest(session, "aarch64")
    headers = ("test_c.py", "test_c_fma.py", "test_c_header.py")
    session.run("pytest", *(f"tests/exchange/{name}" for name in headers), "-k", "arm64 or clang")


@nox.session
def package(session: nox.Session) -> None:
    """The sdist is complete, its wheel is small and works, and the wheels to publish are known."""
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


@nox.session
def docs(session: nox.Session) -> None:
    """Run the code of README.md and docs/, follow their links, and build the site."""
    session.install(".[all]")
    install_groups(session, "docs")
    session.run("python", "tools/check_docs.py", *session.posargs)
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "docs", "docs/_build/html")


@nox.session
def parity(session: nox.Session) -> None:
    """Run the tests beside PyTorch, and the page about it."""
    session.install(".[test]")
    install_groups(session, "parity")
    files = ("to_torch", "from_torch", "weights")
    tests = (f"tests/exchange/test_{name}.py" for name in files)
    session.run("pytest", "tests/parity", *tests, *session.posargs)
    session.run("python", "tools/check_docs.py", "docs/exchange.md")


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the GitHub workflows, and the repository against the Scientific Python guide."""
    install_groups(session, "workflows")
    files = tracked(".github/workflows/*.yml")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    dependabot = ".github/dependabot.yml"
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", dependabot)
    session.run("zizmor", "--offline", "--pedantic", *files, dependabot)
    session.run("sp-repo-review", ".")


@nox.session
def bench(session: nox.Session) -> None:
    """handnn beside its peers; first verified, then timed."""
    session.install(".[test]")
    session.run("python", "-m", "benchmarks", *session.posargs)
