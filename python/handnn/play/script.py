"""A Python script that trains the same network to the same bits."""

from __future__ import annotations

from handnn.play.building import Plan
from handnn.play.calls import code
from handnn.play.rows import NOTEBOOK
from handnn.play.session import Session
from handnn.play.state import LIVE_SETTINGS, Event, State

HEADER = '''"""Train a network as `handnn play` did, to the bit."""

import hashlib

import numpy as np

import handnn
{imports}
'''

GIVEN = "given = handnn.load({file})  # what Network.save wrote before the laboratory\n"

MODEL = "model = FileModel.load({file})  # what handnn train wrote before the laboratory\n"

FIRST_NETWORK = "given = model.networks[0]\n"

WEIGHTS = """arrays = {**given.params, **given.buffers}
for name, array in {**network.params, **network.buffers}.items():
    array[...] = arrays[name]
"""

STEPS = '''
n_rows, batch_size = len(rows.x), min({batch}, len(rows.x))
sampler = BatchSampler(batch_size, n_rows, int(rng.integers(2**63)), False)
trainer = handnn.Trainer(network, loss, optimizer)
total, step = 0.0, 0


def train(until):
    """Take single steps, the same as those of Trainer.fit, until `until` are taken."""
    global total, step
    while step < until:
        epoch, at = divmod(step, sampler.steps)
        batch = sampler.order(n_rows, epoch)[at * batch_size : (at + 1) * batch_size]
        total += len(batch) * trainer.train_step(rows.x[batch], rows.y[batch])
        step += 1
        if at + 1 == sampler.steps:
            optimizer.watch(total / n_rows)
            total = 0.0


'''

FOOTER = """
digest = hashlib.sha256()
for array in [*network.params.values(), *network.buffers.values()]:
    digest.update(array.tobytes())
print("SHA-256 of the weights:", digest.hexdigest())
"""


def script(session: Session) -> str:
    """Return a script that trains the network of a session; it prints the SHA-256 of the weights.

    Complete epochs without an edit are one call of `Trainer.fit`.
    """
    state, plan = session.state, session.plan
    layers = [f"        {code(call)},\n" for call in plan.layers]
    if plan.has_first_layers:
        layers.insert(0, "        *rows.columns.first_layers(rng),\n")
    n_epochs, rest = divmod(state.step, session.steps_per_epoch)
    is_stepwise = bool(state.events or rest)
    imports = ["from handnn.engine import BatchSampler"] if is_stepwise else []
    imports += ["from handnn.files import FileModel"] if state.weights.networks else []
    kind = "array" if state.data.name == NOTEBOOK else "read" if state.data.file else "load"
    imports.append(f"from handnn.play.rows import {kind}_rows")
    parts = [
        HEADER.replace("{imports}", "\n".join(imports)),
        f"\n{_model(state)}rows = {_rows(state, plan)}\n",
        f"rng = np.random.default_rng({state.seed})\n",
        f"network = handnn.Network(\n    [\n{''.join(layers)}    ]\n)\n",
        _weights(state),
        f"loss = {plan.loss.code()}\n",
        f"optimizer = {plan.optimizer.code()}\n",
    ]
    if is_stepwise:
        parts.append(STEPS.replace("{batch}", str(state.batch_size)))
        parts += _pieces(state)
    else:
        parts.append("trainer = handnn.Trainer(network, loss, optimizer, rng=rng)\n")
        if n_epochs:
            parts.append(
                f"history = trainer.fit(rows.x, rows.y, epochs={n_epochs}, "
                f"batch_size={state.batch_size})\n"
            )
    return "".join([*parts, FOOTER])


def _model(state: State) -> str:
    is_model = state.weights.networks > 0
    return MODEL.replace("{file}", repr(state.weights.file)) if is_model else ""


def _weights(state: State) -> str:
    if not state.weights.file:
        return ""
    given = GIVEN.replace("{file}", repr(state.weights.file))
    return (FIRST_NETWORK if state.weights.networks else given) + WEIGHTS


def _rows(state: State, plan: Plan) -> str:
    data = state.data
    common = f"held_out={data.held_out!r}, seed={state.seed}"
    if data.name == NOTEBOOK:
        return f"array_rows(x, y, {code(plan.loss)}, {common})  # x, y: as given to handnn.play"
    if data.file:
        model = ", model=model" if state.weights.networks else ""
        return f"read_rows({data.file!r}, {data.target!r}, {common}{model})"
    return f"load_rows({data.name!r}, noise={data.noise!r}, {common})"


def _pieces(state: State) -> list[str]:
    """Return the calls of `train`, with the edits between them."""
    lines: list[str] = []
    for event in state.events:
        lines.append(f"train({event.step})\n{_change(event)}\n")
    return [*lines, f"train({state.step})\n"]


def _change(event: Event) -> str:
    if event.name in LIVE_SETTINGS:
        return f"optimizer.{event.name} = {event.value!r}"
    index = ", ".join(map(str, event.index))
    return f"network.params[{event.name!r}][{index}] = {event.value!r}"
