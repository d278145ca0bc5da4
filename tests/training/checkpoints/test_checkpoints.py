"""Resumed trainings end with the bits of uninterrupted ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from time import process_time

import numpy as np
import pytest

import handnn
from handnn import (
    SGD,
    AdaGrad,
    AdamW,
    Affine,
    Dropout,
    EarlyStopping,
    MSELoss,
    Network,
    Quantile,
    ReLU,
    Residual,
    RMSProp,
    SoftmaxCrossEntropy,
    Trainer,
    schedules,
)
from tests.engine.fits import ROOT
from tests.storage.files import header_and_data
from tests.training.checkpoints.fits import (
    EPOCHS,
    Stop,
    digest,
    interrupted,
    options,
    rows,
    stop_after,
    trainer,
)

both_engines = pytest.mark.parametrize("engine", ["compiled", "bricks"])


@both_engines
@pytest.mark.parametrize("of_schedule", ["none", "cosine", "plateau", "one cycle"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"validation": None},
        {"validation": None, "early_stopping": None, "metrics": ()},
        {"validation": None, "shuffle": False},
        {"shuffle": "replacement", "steps_per_epoch": 3},
        {"sample_weight": np.linspace(0, 2, 90)},
        {"validation": rows(30, seed=1)},
        {"early_stopping": EarlyStopping(2, min_delta=0.01, restore_best=False)},
    ],
    ids=lambda more: ", ".join(map(str, more)) or "all",
)
def test_resumed_training_has_the_same_bits(engine, of_schedule, more, path):
    x, y = rows()
    whole = trainer(engine, of_schedule)
    whole.fit(x, y, **options(**more))
    for epochs in (2, 4):
        one = interrupted(trainer(engine, of_schedule), path, epochs, x, y, **options(**more))
        assert len(one.history) == epochs - 1
        again = {name: more[name] for name in ("sample_weight",) if name in more}
        if isinstance(more.get("validation"), tuple):
            again["validation"] = more["validation"]
        history = one.fit(x, y, **again)
        assert history is one.history and len(history) == len(whole.history)
        assert digest(one) == digest(whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resume_with_the_other_engine(path, dtype):
    x, y = rows(dtype=dtype)
    whole = trainer("bricks", dtype=dtype)
    whole.fit(x, y, **options())
    one = interrupted(trainer("compiled", dtype=dtype), path, 3, x, y, **options())
    one.engine = "bricks"
    one.callbacks = (stop_after(5),)
    with pytest.raises(Stop):
        one.fit(x, y)
    one = Trainer.resume(path)
    assert one.engine == "bricks" and len(one.history) == 4
    one.engine = "compiled"
    one.fit(x, y)
    assert digest(one) == digest(whole)


@pytest.mark.parametrize(
    ("loss", "optimizer"),
    [
        (MSELoss("article"), lambda: SGD(1e-4, momentum=0.9, nesterov=True)),
        (MSELoss(), lambda: SGD(0.01, weight_decay=0.1)),
        (Quantile([0.25, 0.5, 0.75]), lambda: AdaGrad(0.05)),
        (SoftmaxCrossEntropy(0.1, [1, 2, 0.5]), lambda: RMSProp(momentum=0.5, clip_value=0.1)),
        (SoftmaxCrossEntropy(), lambda: AdamW(0.01, decay_all=True, schedule=schedules.Step(7))),
    ],
    ids=["article", "mse", "quantile", "smoothed", "cross entropy"],
)
def test_losses_optimizers_and_layers_are_restored(path, loss, optimizer):
    def new():
        layers = [
            *(Affine.random(5, 6, rng=0), Residual([Affine.random(6, 6, rng=1), Dropout(0.2, 3)])),
            *(ReLU(), Affine.random(6, 3, rng=2)),
        ]
        return Trainer(Network(layers), loss, optimizer(), rng=4)

    x, y = rows()
    if not isinstance(loss, SoftmaxCrossEntropy | Quantile):
        y = np.repeat(y[:, None], 3, axis=1)
    whole = new()
    whole.fit(x, y, epochs=6, batch_size=16)
    one = interrupted(new(), path, 4, x, y, epochs=6, batch_size=16)
    assert repr(one.loss) == repr(loss) and repr(one.optimizer) == repr(whole.optimizer)
    one.fit(x, y)
    assert digest(one) == digest(whole)


def test_checkpoint_every(path):
    x, y = rows()
    plain = {"validation": None, "metrics": (), "early_stopping": None}
    whole, one = trainer(of_schedule="cosine"), trainer(of_schedule="cosine")
    whole.fit(x, y, **options(**plain))
    written = []
    replace = os.replace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", lambda a, b: written.append(len(one.history)) or replace(a, b))
        one.fit(x, y, checkpoint=path, checkpoint_every=5, **options(**plain))
    assert written == [5, 10, 12]
    assert digest(one) == digest(whole)
    again = Trainer.resume(path)
    assert again.fit(x, y).train_loss == whole.history.train_loss and digest(again) == digest(whole)


def test_epochs_is_the_total(path):
    x, y = rows()
    whole = trainer()
    whole.fit(x, y, **options(epochs=20, early_stopping=None))
    trainer().fit(x, y, checkpoint=path, **options(epochs=7, early_stopping=None))
    one = Trainer.resume(path)
    assert len(one.fit(x, y, epochs=20)) == 20
    assert digest(one) == digest(whole)
    one = Trainer.resume(path)
    assert len(one.fit(x, y, epochs=5)) == 20
    one.fit(x, y, epochs=3, batch_size=8)
    assert len(one.history) == 3, "the next fit starts over"


@both_engines
def test_large_numbers_are_restored(engine, path):
    x, y = rows()
    given = {"epochs": 2**64, "batch_size": 2**65, "checkpoint_every": 2**66, "checkpoint": path}
    one = trainer(engine, "none", callbacks=[lambda t: True])
    one.fit(x, y, **given, shuffle="replacement")
    assert Trainer.resume(path)._resumed.checkpoint.settings.batch_size == 2**65
    again = Trainer.resume(path)
    again.fit(x, y)
    assert digest(again) == digest(one)


def test_one_script_starts_and_resumes(path):
    """The arguments of the interrupted fit may be repeated."""
    x, y = rows()
    given = options(checkpoint=path, checkpoint_every=2)
    interrupted(trainer(), path, 4, x, y, **options(checkpoint_every=2))
    one = Trainer.resume(path)
    assert len(one.history) == 2
    stopping = given["early_stopping"]
    one.fit(x, y, **given)
    whole = trainer()
    whole.fit(x, y, **options(early_stopping=stopping))
    assert digest(one) == digest(whole)


def test_finished_training_stays_finished(path):
    x, y = rows()
    plain = options(early_stopping=None)
    one = trainer(callbacks=[lambda t: len(t.history) == 3])
    one.fit(x, y, checkpoint=path, checkpoint_every=50, **plain)
    again = Trainer.resume(path)
    assert len(again.fit(x, y)) == 3 and digest(again) == digest(one)
    assert len(Trainer.resume(path).fit(x, y, epochs=EPOCHS)) == 3
    assert len(Trainer.resume(path).fit(x, y, epochs=EPOCHS + 1)) == EPOCHS + 1


def test_early_stopping_restores_the_best_weights_again(path):
    x, y = rows()
    whole = trainer()
    whole.fit(x, y, **options(epochs=50), checkpoint=path)
    assert len(whole.history) < 50
    one = Trainer.resume(path)
    assert digest(one) != digest(whole), "the file has the last weights, not the best"
    stopping = EarlyStopping(5, monitor="auc")
    assert len(one.fit(x, y, early_stopping=stopping)) == len(whole.history)
    assert digest(one) == digest(whole)
    assert stopping.best == max(one.history.metrics["auc"])


def steps_of_an_epoch(seconds, x, y, **given):
    """Return the number of steps that take the compiled engine about so much CPU time."""
    one = trainer("compiled", "cosine")
    one.fit(x, y, **{**given, "epochs": 1, "steps_per_epoch": 10})
    start = process_time()
    one.fit(x, y, **{**given, "epochs": 1, "steps_per_epoch": 5000})
    return int(5000 * seconds / (process_time() - start))


def press_within_fit(number, frame):
    """Press Ctrl-C after a signal has ended a call of the compiled engine within an epoch."""
    is_run = frame.f_code.co_filename == handnn.training.run.__file__
    if is_run and frame.f_locals["self"].state.step > 0:
        signal.raise_signal(signal.SIGINT)


def interrupted_step(path, x, y, **given):
    """Press Ctrl-C within an epoch; return the step at which the checkpoint was written.

    It is 0 if no epoch was long enough for the engine to check for signals within it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    alarm = signal.signal(signal.SIGALRM, press_within_fit)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        trainer("compiled", "cosine").fit(x, y, checkpoint=path, **given)
    except KeyboardInterrupt:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    else:
        return 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGINT, before)
    return json.loads(header_and_data(path)[0]["__metadata__"]["training"])["step"]


def test_ctrl_c_in_the_middle_of_a_compiled_epoch(path):
    """The compiled engine checks for signals every 50 ms, so its epochs are long."""
    x, y = rows()
    given = {"batch_size": 2, "metrics": "auc", "shuffle": "replacement", "epochs": 3}
    for seconds in (0.25, 1, 4):  # longer where the first are over before the engine stops
        given["steps_per_epoch"] = steps_of_an_epoch(seconds, x, y, **given)
        step = interrupted_step(path, x, y, **given)
        if step > 0:
            break
    assert step > 0
    one = Trainer.resume(path)
    one.fit(x, y)
    whole = trainer("compiled", "cosine")
    whole.fit(x, y, **given)
    assert digest(one) == digest(whole)


def test_ctrl_c_in_the_middle_of_an_epoch_of_bricks(path, monkeypatch):
    x, y = rows()
    given = {"batch_size": 2, "metrics": "auc", "shuffle": "replacement", "epochs": 3}
    given["steps_per_epoch"] = 30
    whole = trainer("bricks", "cosine")
    whole.fit(x, y, **given)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    steps = []
    usual = handnn.training.loop.loss_and_gradients

    def step(*arguments):
        steps.append(1)
        if len(steps) == 47:
            signal.raise_signal(signal.SIGINT)
        return usual(*arguments)

    monkeypatch.setattr("handnn.training.loop.loss_and_gradients", step)
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer("bricks", "cosine").fit(x, y, checkpoint=path, **given)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert json.loads(header_and_data(path)[0]["__metadata__"]["training"])["step"] == 17
    monkeypatch.undo()
    one = Trainer.resume(path)
    one.fit(x, y)
    assert digest(one) == digest(whole)


def test_ctrl_c_ends_the_script_and_leaves_a_checkpoint(path):
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tests.training.checkpoints.fits import rows, trainer\n"
        "print('training', flush=True)\n"
        "trainer(of_schedule='none').fit(\n"
        "    *rows(), epochs=10**8, batch_size=8, checkpoint=sys.argv[1], checkpoint_every=10**8)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == "training\n"
            try:
                process.wait(0.3)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert error.strip().splitlines()[-1] == "KeyboardInterrupt"
    one, whole = Trainer.resume(path), trainer(of_schedule="none")
    epochs = len(one.history) + 1
    one.fit(*rows(), epochs=epochs)
    whole.fit(*rows(), epochs=epochs, batch_size=8)
    assert digest(one) == digest(whole)
