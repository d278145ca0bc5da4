"""After SIGKILL at any moment, or a failed write, the previous checkpoint is intact.

Twenty kills, two hundred with HANDNN_SLOW_TESTS=1; HANDNN_FAULT_KILLS sets the number. A separate
process forks the trainings that it kills: see the end of this file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import pytest

from handnn import EarlyStopping, Trainer
from tests.engine.fits import run_python
from tests.slow import SLOW
from tests.training.checkpoints.fits import digest, options, rows, trainer

KILLS = int(os.environ.get("HANDNN_FAULT_KILLS", "200" if SLOW else "20"))
EPOCHS = 40

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def start_or_resume(engine, path):
    """Train as a script that may be killed: the same call with or without a checkpoint."""
    one = Trainer.resume(path) if path.exists() else trainer(engine)
    stopping = EarlyStopping(1000, monitor="auc")
    one.fit(*rows(), **options(epochs=EPOCHS, early_stopping=stopping), checkpoint=path)
    return one


def forked(engine, path):
    """Start it in a child process, and return the process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            start_or_resume(engine, path)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def killed_training(engine, path, rng, longest):
    """Kill a training repeatedly until it completes; return the epochs after each kill."""
    left = []
    while True:
        child = forked(engine, path)
        sleep(rng.random() * longest)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                raise RuntimeError("a resumed training failed")
            return left
        left.append(len(Trainer.resume(path).history) if path.exists() else None)


def main():
    rng = np.random.default_rng()  # different moments in each run
    folder = Path(tempfile.mkdtemp())
    found = {"left": [], "different": 0, "trainings": 0}
    try:
        expected, seconds = {}, {}
        for engine in ("compiled", "bricks"):
            start = perf_counter()
            expected[engine] = digest(start_or_resume(engine, folder / engine))
            seconds[engine] = perf_counter() - start
        turn = 0
        while len(found["left"]) < KILLS:
            engine = ("compiled", "bricks")[turn % 2]
            path = folder / f"{turn}.safetensors"
            found["left"] += killed_training(engine, path, rng, seconds[engine])
            found["different"] += digest(start_or_resume(engine, path)) != expected[engine]
            found["trainings"] += 1
            turn += 1
    finally:
        shutil.rmtree(folder)
    print(json.dumps(found))


def test_kills_at_random_moments():
    result = run_python("-m", "tests.training.checkpoints.test_kills", timeout=60 + 5 * KILLS)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    n_kills = len(found["left"])
    print(
        f"{n_kills} kills of {found['trainings']} trainings, {found['different']} with other bits"
    )
    assert n_kills >= KILLS and found["different"] == 0
    assert len({epochs for epochs in found["left"] if epochs}) > min(KILLS / 10, EPOCHS / 2)


def failing_write(path, script):
    """Train 3 epochs with checkpoints, run `script`, and assert that further writes fail."""
    code = (
        "import errno, os, pathlib, sys\n"
        "from handnn import Trainer\n"
        "from tests.training.checkpoints.fits import options, rows, trainer\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "trainer().fit(*rows(), **options(epochs=3, early_stopping=None), checkpoint=path)\n"
        "before, one = path.read_bytes(), Trainer.resume(path)\n"
        f"{script}\n"
        "try:\n"
        "    one.fit(*rows(), epochs=9)\n"
        "except OSError as error:\n"
        "    print(errno.errorcode[error.errno], len(one.history))\n"
        "assert path.read_bytes() == before\n"
        "assert len(Trainer.resume(path).history) == 3\n"
        "assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)\n"
    )
    result = run_python("-c", code, str(path))
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_full_disk_keeps_the_last_checkpoint(tmp_path):
    """A limit on the size of files stops a write halfway, like a full disk."""
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    assert failing_write(tmp_path / "file", limit) == ["EFBIG", "4"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder_keeps_the_last_checkpoint(tmp_path):
    (tmp_path / "folder").mkdir()
    try:
        found = failing_write(tmp_path / "folder" / "file", "path.parent.chmod(0o500)")
    finally:
        (tmp_path / "folder").chmod(0o700)
    assert found == ["EACCES", "4"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that takes no files")
def test_rejects_a_folder_without_files(tmp_path):
    one = trainer()
    with pytest.raises(OSError) as error:
        one.fit(*rows(), **options(), checkpoint="/proc/self/training.safetensors")
    assert "/proc/self/training.safetensors" in str(error.value)
    assert len(one.history) == 1


if __name__ == "__main__":
    main()
