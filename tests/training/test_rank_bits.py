"""One hash of the weights for any ranks, threads and instruction sets, in memory and streamed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import handnn
from tests.engine.fits import ROOT
from tests.slow import SLOW

pytest.importorskip("polars")

HAVE_FMA = [isa for isa in handnn.cpu_info()["supported"] if isa != "v2"]

BITS = textwrap.dedent(
    """
    import os, sys
    from hashlib import sha256

    rank = int(os.environ.get("PMI_RANK", 0))
    isas, threads = sys.argv[2].split(","), sys.argv[3].split(",")
    os.environ["HANDNN_ISA"] = isas[rank % len(isas)]
    os.environ["HANDNN_NUM_THREADS"] = threads[rank % len(threads)]

    import handnn
    from tests.engine.fits import digest, rows
    from tests.files.test_stripes import SHORT, small_blocks
    from tests.training.test_ranks import facts, trained

    assert handnn.cpu_info()["isa"] == os.environ["HANDNN_ISA"]
    comm = None
    if "PMI_RANK" in os.environ:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    x, y, _ = rows(128, 100, 2)
    network = handnn.mlp([100, 300, 300, 2], rng=0)  # its steps are shared among threads
    wide = handnn.Trainer(network, handnn.MSELoss(), handnn.Adam(), rng=0, comm=comm, shards=16)
    wide.fit(x, y, 2, 64)
    found = [facts(trained(16, comm)), facts(trained(16, comm, bricks=["batch_norm"])), facts(wide)]
    small_blocks(setattr)
    options = {"comm": comm, "shards": 16, **SHORT}
    for target in ("price", "town"):
        models = [
            handnn.train_file(sys.argv[1], target, stream=stream, **options)
            for stream in (False, True)
        ]
        digests = [[digest(network) for network in model.networks] for model in models]
        assert digests[0] == digests[1]
        assert models[0].held_out == models[1].held_out
        found.append(digests[0])
    found = sha256(repr(found).encode()).hexdigest()
    found = [found] if comm is None else comm.gather(found)
    if rank == 0:
        assert len(set(found)) == 1
        print(found[0])
    """
)


@pytest.fixture
def bits(tmp_path):
    """Returns what a number of ranks print; 0 is a process without MPI."""
    from tests import ranks
    from tests.files.tables import as_csv, flats

    reason = ranks.obstacle()
    path = tmp_path / "flats.csv"
    path.write_text(as_csv(flats(300)))

    def run(n_ranks, isas, threads):
        arguments = ["-c", BITS, str(path), ",".join(isas), ",".join(map(str, threads))]
        if n_ranks:
            if reason:
                pytest.skip(f"needs mpi4py and an MPI: {reason}")
            done = ranks.run_ranks(n_ranks, *arguments, timeout=300)
        else:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
            )
        assert done.stdout, done.stderr
        return done.stdout

    return run


def test_ranks_of_different_machines_have_the_bits_of_one_process(bits):
    assert bits(3, HAVE_FMA[::-1], [2, 1]) == bits(0, HAVE_FMA[:1], [1])


@pytest.mark.skipif(not SLOW, reason="a long form")
def test_the_bits_of_all_combinations(bits):
    expected = bits(0, HAVE_FMA[:1], [1])
    for n_ranks in (1, 2, 4, 8):
        for threads in (1, 2):
            for isa in HAVE_FMA:
                assert bits(n_ranks, [isa], [threads]) == expected, (n_ranks, threads, isa)
    assert bits(16, HAVE_FMA, [1]) == expected
    print(f"SHA-256 of all weights: {expected}")
