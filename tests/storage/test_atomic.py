"""Replacing files: modes, names of folders, and files left by killed processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from handnn.storage import replace_file, replacing
from handnn.storage.atomic import CAN_LOCK, MAX_TEMPORARIES

needs_locks = pytest.mark.skipif(not CAN_LOCK, reason="files cannot be locked here")
HOLD = """
import sys
from handnn.storage import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("open", flush=True)
    sys.stdin.read()
"""


def temporaries(folder):
    return sorted(name for name in os.listdir(folder) if name.startswith(".handnn-"))


@pytest.fixture
def writer(tmp_path):
    """Return a process that has a temporary file for `tmp_path / "file"` open."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="files have no modes on Windows")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400])
def test_the_temporary_has_the_mode_of_the_file_from_its_first_byte(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    with replacing(path):
        (temporary,) = temporaries(tmp_path)
        assert stat.S_IMODE(os.stat(tmp_path / temporary).st_mode) == mode
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(sys.platform == "win32", reason="files have no modes on Windows")
def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@needs_locks
def test_removes_temporary_files_of_killed_processes(tmp_path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(temporaries(tmp_path)) == 1
    replace_file(tmp_path / "other", b"other")
    assert len(temporaries(tmp_path)) == 1, "it belongs to another path"
    replace_file(tmp_path / "file", b"new")
    assert temporaries(tmp_path) == []
    assert (tmp_path / "file").read_bytes() == b"new"


@needs_locks
def test_leaves_the_temporary_of_a_running_process(tmp_path, writer):
    replace_file(tmp_path / "file", b"new")
    assert len(temporaries(tmp_path)) == 1
    writer.communicate()
    assert writer.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"half"
    assert temporaries(tmp_path) == []


@needs_locks
def test_leaves_other_files_that_have_the_name_of_a_temporary(tmp_path):
    with replacing(tmp_path / "file"):
        (name,) = temporaries(tmp_path)
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / name).symlink_to("target")
    (tmp_path / name.replace("-0.", "-1.")).mkdir()
    replace_file(tmp_path / "file", b"new")
    assert len(temporaries(tmp_path)) == 2
    assert (tmp_path / "target").read_bytes() == b"target"


def test_concurrent_writers_of_one_path(tmp_path):
    from contextlib import ExitStack

    count = MAX_TEMPORARIES + 3
    with ExitStack() as stack:
        files = [stack.enter_context(replacing(tmp_path / "file")) for _ in range(count)]
        for number, file in enumerate(files):
            file.write(bytes([number]))
        assert len(temporaries(tmp_path)) == count
    assert (tmp_path / "file").read_bytes() == b"\0", "the first writer ends last"
    assert temporaries(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_no_file(tmp_path, error):
    (tmp_path / "file").write_bytes(b"old")

    def fail():
        with replacing(tmp_path / "file") as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_rejects_the_name_of_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="folder"):
        replace_file(f"{tmp_path}/missing/", b"")
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path, b"")
    assert os.listdir(tmp_path) == []
