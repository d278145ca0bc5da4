"""A user's own network or training, as a state of the laboratory and its arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array
from handnn.files.model import FileModel
from handnn.layers import ACTIVATIONS, Affine, Brick, Embedding, Residual, sequence
from handnn.layers.layer import Layer
from handnn.losses import KernelLoss
from handnn.network import Network, load
from handnn.optimizers import GradientOptimizer
from handnn.play import catalog
from handnn.play.catalog import Entry, Settings
from handnn.play.rows import NOTEBOOK, ArrayRows, Rows, data_names, load_rows
from handnn.play.session import weights_sha256
from handnn.play.state import MAX_HELD_OUT, MAX_SEED, MIN_HELD_OUT, Data, State, WeightsFile
from handnn.training.trainer import Trainer


@dataclass(frozen=True)
class GivenWeights:
    """A network, and its params and buffers in float32 by name.

    file: the name of their file, and their SHA-256. model: the table model that contains the
        network, or None.
    """

    network: Network
    file: WeightsFile
    arrays: Mapping[str, Array]
    model: FileModel | None = None


def given_weights(network: Network, file: str, model: FileModel | None = None) -> GivenWeights:
    """Return copies of the arrays of a network."""
    copied = network.astype(np.float32)
    arrays = {**copied.params, **copied.buffers}
    n_networks = len(model.networks) if model else 0
    stored = WeightsFile(file, weights_sha256(copied), n_networks)
    return GivenWeights(network, stored, arrays, model)


def entries_of(layers: Iterable[Brick]) -> tuple[Entry, ...]:
    """Return all bricks but the last Affine as entries of a state.

    Raises ValueError for a brick that the laboratory cannot build, such as one of the user's.
    """
    *before, last = layers
    if type(last) is not Affine:
        raise ValueError(f"the last brick is {sequence.name(last)}, but must be an Affine")
    return tuple(_entry(brick) for brick in before)


def _entry(brick: Brick) -> Entry:
    name = type(brick).__name__
    if not isinstance(brick, Layer) or name not in catalog.BRICK_SETTINGS:
        raise ValueError(f"the laboratory has no brick {sequence.name(brick)}")
    if isinstance(brick, Residual):
        kinds = {kind: name for name, kind in ACTIVATIONS.items()}
        parts = [type(part) for part in brick.block]
        if len(parts) != 3 or parts[0] is not Affine or parts[2] is not Affine or (
            parts[1] not in kinds
        ):  # fmt: skip
            raise ValueError("a Residual must hold an Affine, an activation and an Affine")
        first = brick.block[0]
        assert isinstance(first, Affine)
        given: Entry = {"units": first.w.shape[1], "activation": kinds[parts[1]]}
    elif isinstance(brick, Affine):
        given = {"units": brick.w.shape[1]}
    elif isinstance(brick, Embedding):
        given = {"units": brick.w.shape[1], "column": brick.column}
    else:
        given = {key: getattr(brick, key) for key in _names(catalog.BRICK_SETTINGS[name])}
    return catalog.check_entry({"brick": name, **given}, catalog.BRICK_SETTINGS, name, "brick")


def _names(settings: Iterable[catalog.Setting]) -> list[str]:
    return [setting.name for setting in settings]


def state_for_table(
    model: FileModel, weights: GivenWeights, state: State, rows: Callable[[State], Rows]
) -> State:
    """Return the state of the first network of a model, on the table that `state` holds.

    If the table is the training table, the rows held out in training are also held out here. rows:
    returns the rows of a state. Raises ValueError for a model of several targets or one with other
    bricks than the laboratory's, TableError if the table does not fit.
    """
    notes = model.notes
    if len(notes.target_names) > 1:
        raise ValueError(
            f"{weights.file.file} predicts {len(notes.target_names)} columns; the laboratory opens "
            "models of one"
        )
    data = replace(state.data, target=notes.target)
    seed, counts = notes.story.get("seed"), notes.story.get("rows")
    if isinstance(counts, dict) and isinstance(seed, int) and 0 <= seed <= MAX_SEED:
        held_out, trained = int(counts.get("held_out", 0)), int(counts.get("trained", 0))
        share = held_out / max(1, held_out + trained)
        data = replace(data, held_out=min(max(share, MIN_HELD_OUT), MAX_HELD_OUT))
        state = replace(state, seed=seed)
    changed = replace(state, data=data, weights=weights.file).at(0, ())
    found = rows(changed)
    layers, n_out = weights.network.layers, weights.network.sizes["out"]
    loss = _fitting_loss(found, n_out)
    if loss is None:
        raise ValueError(f"the laboratory has no loss for the {n_out} outputs of the network")
    entries = entries_of(layers[len(model.columns.first_layers(0)) :])
    return replace(changed, bricks=entries, loss=loss)


def state_for(weights: GivenWeights, state: State, rows: Rows) -> State:
    """Return the state of a network from a file, with the data of `state` or else with others.

    rows: those of `state`. Raises ValueError if no data here have its columns.
    """
    network = weights.network
    n_in, n_out = network.sizes["in"], network.sizes["out"]
    choices = [state.data, *(Data(name, held_out=state.data.held_out) for name in data_names())]
    for data in choices:
        found = rows if data is state.data else _rows(data, state.seed)
        codes = found.columns.first_layers(0) if found.columns else []
        loss = _fitting_loss(found, n_out)
        if found.x.shape[1] != n_in or loss is None:
            continue
        entries = entries_of(network.layers[len(codes) :])
        changed = replace(state, data=data, bricks=entries, loss=loss, weights=weights.file)
        return changed.at(0, ())
    raise ValueError(
        f"the network takes {n_in} columns and returns {n_out}, which fits none of the available "
        "data: drop its table first"
    )


def _rows(data: Data, seed: int) -> Rows:
    return load_rows(data.name, noise=data.noise, held_out=data.held_out, seed=seed)


def _fitting_loss(rows: Rows, n_out: int) -> Entry | None:
    """Return the first loss that suits the rows and has this many outputs."""
    for name in catalog.losses_for(rows.task, has_counts=rows.has_counts):
        entry = catalog.check_entry({"name": name}, catalog.LOSS_SETTINGS, "loss")
        loss = catalog.loss_named(name)
        if loss.n_outputs(len(rows.classes) if loss.takes_labels else rows.y.shape[1]) == n_out:
            return entry
    return None


def read_given(path: Path) -> GivenWeights:
    """Return the network of a file of `Network.save`, or the first one of a file of `handnn train`.

    Raises ValueError if the file holds neither.
    """
    try:
        return given_weights(load(path), path.name)
    except ValueError as error:
        if "TableModel" not in str(error):
            raise ValueError(
                f"{path.name} does not hold a network; the laboratory opens files that "
                "Network.save or handnn train wrote"
            ) from error
    try:
        model = FileModel.load(path)
    except ValueError as error:
        raise ValueError(
            f"{path.name} is a model of a table that handnn train did not write, so it does not "
            "name its target; save one of its networks by Network.save"
        ) from error
    return given_weights(model.networks[0], path.name, model)


@dataclass(frozen=True)
class Given:
    """A training from a notebook: its state, its weights and its rows."""

    state: State
    weights: GivenWeights
    rows: ArrayRows


def given_training(
    trainer: Trainer, x: ArrayLike, y: ArrayLike, *, batch_size: int = 16, held_out: float = 0.3
) -> Given:
    """Return network, loss and optimizer of a trainer, and the rows, for the laboratory.

    Raises ValueError for a part that the laboratory cannot build, TypeError for other arguments.
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"play: trainer must be a Trainer, but is a {type(trainer).__name__}")
    loss, optimizer = trainer.loss, trainer.optimizer
    if not (isinstance(loss, KernelLoss) and isinstance(optimizer, GradientOptimizer)):
        raise ValueError(f"play: the laboratory has no {loss!r} with {optimizer!r}")
    weights = given_weights(trainer.network, "network.safetensors")
    rows = ArrayRows(x, y, loss, trainer.network.sizes)
    schedule = optimizer.schedule
    state = State(
        data=Data(NOTEBOOK, 0.0, held_out),
        bricks=entries_of(trainer.network.layers),
        loss=_part(loss, catalog.LOSS_SETTINGS, "loss"),
        optimizer=_part(optimizer, catalog.OPTIMIZER_SETTINGS, "optimizer"),
        schedule=_part(schedule, catalog.SCHEDULE_SETTINGS, "schedule")
        if schedule is not None
        else {"name": "Constant"},
        batch_size=batch_size,
        weights=weights.file,
    )
    return Given(State.from_json(state.to_json()), weights, rows)


def _part(part: object, settings: Mapping[str, tuple[catalog.Setting, ...]], where: str) -> Entry:
    """Return a loss, an optimizer or a schedule as an entry."""
    name = type(part).__name__
    found: Settings = {n: getattr(part, n) for n in _names(settings.get(name, ()))}
    entry = catalog.check_entry({"name": name, **found}, settings, f"play: {where}")
    plain = catalog.LOSS_SETTINGS is settings and catalog.loss_named(name, found)
    if plain and repr(plain) != repr(part):
        raise ValueError(f"play: the laboratory has no {part!r}, only {plain!r}")
    return entry
