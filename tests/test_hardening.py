"""The extension module on Linux is linked and compiled with the usual protections."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys

import pytest

from handnn import _core

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("readelf") is None,
    reason="needs Linux and readelf",
)


def readelf(*options):
    result = subprocess.run(
        ["readelf", "--wide", *options, _core.__file__], capture_output=True, text=True, check=True
    )
    return result.stdout


@pytest.fixture(scope="module", autouse=True)
def only_without_sanitizers():
    if re.search(r"__(asan|tsan|ubsan)_", readelf("--dyn-syms")):
        pytest.skip("a sanitizer has exports and checks of its own")


def test_exports_only_its_init_function():
    lines = [line.split() for line in readelf("--dyn-syms").splitlines()]
    defined = [line[7] for line in lines if len(line) == 8 and line[6].isdigit()]
    assert defined == ["PyInit__core"]


def test_relocations_are_read_only_after_loading():
    assert "GNU_RELRO" in readelf("--program-headers")
    assert "BIND_NOW" in readelf("--dynamic")


def test_the_stack_is_protected_and_not_executable():
    (stack,) = [line for line in readelf("--program-headers").splitlines() if "GNU_STACK" in line]
    assert " RW " in stack and "E" not in stack.split()[-2]
    assert "__stack_chk_fail" in readelf("--dyn-syms")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an extension of x86-64")
def test_indirect_jumps_have_landing_pads():
    """The exported function begins with endbr64."""
    (address,) = re.findall(r"(\w+)\s+\d+ FUNC .* PyInit__core", readelf("--dyn-syms"))
    with open(_core.__file__, "rb") as file:
        file.seek(int(address, 16))
        assert file.read(4) == b"\xf3\x0f\x1e\xfa"
