"""The state of the laboratory: everything that the page depends on, as one JSON document.

The same state gives the same bits. The page stores it in the fragment of its URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TypeAlias

from handnn.play.catalog import (
    BRICK_SETTINGS,
    LOSS_SETTINGS,
    MAX_UNITS,
    OPTIMIZER_SETTINGS,
    SCHEDULE_SETTINGS,
    Entry,
    check_entry,
)

VERSION = 1

MAX_BRICKS = 24
MAX_EVENTS = 500
MAX_STEPS = 10**9
MAX_SEED = 2**31 - 1
MAX_BATCH = 4096
MAX_NAME = 300
MIN_HELD_OUT = 0.05
MAX_HELD_OUT = 0.9
MAX_NETWORKS = 10_000
LIVE_SETTINGS = ("lr", "weight_decay")
"""Settings of the optimizer that may change while the network is trained."""

Json: TypeAlias = "Mapping[str, object]"


@dataclass(frozen=True)
class Data:
    """The data: a set by its name, or column `target` of the file with this name and SHA-256."""

    name: str = "spiral"
    noise: float = 0.05
    held_out: float = 0.3
    file: str = ""
    sha256: str = ""
    target: str = ""


@dataclass(frozen=True)
class WeightsFile:
    """The initial weights: those of the file with this name and SHA-256.

    Without a file, they are drawn at random. networks: the number of networks of a table model. The
    first is shown, on rows that the model's columns encode. 0 for a single network.
    """

    file: str = ""
    sha256: str = ""
    networks: int = 0


@dataclass(frozen=True)
class Event:
    """An edit after `step` steps: of one entry of a param, or of a live setting."""

    step: int
    name: str
    """A param, such as "0.w", or "lr" or "weight_decay"."""
    index: tuple[int, ...]
    """The index of the entry; () for a setting."""
    value: float


def _default_bricks() -> tuple[Entry, ...]:
    layers = [{"brick": "Affine", "units": 8}, {"brick": "ReLU"}] * 2
    return tuple(check_entry(entry, BRICK_SETTINGS, "bricks", "brick") for entry in layers)


@dataclass(frozen=True)
class State:
    """A network, its data, its training, and the number of steps taken.

    bricks: all but the last Affine, whose width the loss determines. events: in the order
    of their steps.
    """

    data: Data = Data()
    seed: int = 6
    bricks: tuple[Entry, ...] = field(default_factory=_default_bricks)
    loss: Entry = field(default_factory=lambda: {"name": "BCEWithLogits"})
    optimizer: Entry = field(
        default_factory=lambda: check_entry({"name": "Adam", "lr": 0.01}, OPTIMIZER_SETTINGS, "")
    )
    schedule: Entry = field(default_factory=lambda: {"name": "Constant"})
    batch_size: int = 16
    weights: WeightsFile = WeightsFile()
    step: int = 0
    events: tuple[Event, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the document: dicts, lists, text and numbers."""
        return {"version": VERSION, **asdict(self)}

    def at(self, step: int, events: tuple[Event, ...]) -> State:
        """Return the state with the same network after `step` steps."""
        return replace(self, step=step, events=events)

    @classmethod
    def from_json(cls, document: object) -> State:
        """Return the state of a document; ValueError, which names the entry, if it is not one."""
        keys = {"version", *cls.__dataclass_fields__}
        given = _object(document, keys, "the state")
        if given.get("version") != VERSION:
            raise ValueError(f"the state has version {given.get('version')!r:.20}, not {VERSION}")
        state = cls()
        bricks = _list(given.get("bricks", list(state.bricks)), "bricks", 10 * MAX_BRICKS)
        if len(bricks) > MAX_BRICKS:
            raise ValueError(f"there may be at most {MAX_BRICKS} bricks before the last one")
        entries = tuple(
            check_entry(entry, BRICK_SETTINGS, f"brick {place}", "brick")
            for place, entry in enumerate(bricks)
        )
        for place, entry in enumerate(entries):
            if "units" in entry:
                whole(entry["units"], f"brick {place}: units", 1, MAX_UNITS)
        events = _list(given.get("events", []), "events", MAX_EVENTS)
        step = whole(given.get("step", 0), "step", 0, MAX_STEPS)
        return cls(
            data=_data(given.get("data", {})),
            seed=whole(given.get("seed", state.seed), "seed", 0, MAX_SEED),
            bricks=entries,
            loss=check_entry(given.get("loss", state.loss), LOSS_SETTINGS, "loss"),
            optimizer=check_entry(
                given.get("optimizer", state.optimizer), OPTIMIZER_SETTINGS, "optimizer"
            ),
            schedule=check_entry(
                given.get("schedule", state.schedule), SCHEDULE_SETTINGS, "schedule"
            ),
            batch_size=whole(given.get("batch_size", state.batch_size), "batch_size", 1, MAX_BATCH),
            weights=_weights(given.get("weights", {})),
            step=step,
            events=_events(events, step),
        )


def whole(value: object, name: str, low: int, high: int) -> int:
    """Return an int within bounds; ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} must be an int from {low:,} to {high:,}, but is {value!r:.40}")
    return value


def number(value: object, name: str, low: float, high: float) -> float:
    """Return a float within bounds; ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(
            f"{name} must be a number from {low:,.10g} to {high:,.10g}, but is {value!r:.40}"
        )
    return float(value)


def text(value: object, name: str) -> str:
    """Return a string of bounded length; ValueError for anything else."""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ValueError(f"{name} must be a string, but is {value!r:.40}")
    return value


def _object(value: object, keys: set[str], name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, but is {value!r:.40}")
    unknown = set(value) - keys
    if unknown:
        raise ValueError(f"{name} has no entry {min(map(str, unknown))!r:.40}")
    return value


def _list(value: object, name: str, longest: int) -> list[object]:
    if not isinstance(value, list | tuple) or len(value) > longest:
        raise ValueError(f"{name} must be a list of at most {longest} entries")
    return list(value)


def _data(value: object) -> Data:
    given = _object(value, set(Data.__dataclass_fields__), "data")
    default = Data()
    return Data(
        name=text(given.get("name", default.name), "data: name"),
        noise=number(given.get("noise", default.noise), "data: noise", 0, 0.5),
        held_out=number(
            given.get("held_out", default.held_out), "data: held_out", MIN_HELD_OUT, MAX_HELD_OUT
        ),
        file=text(given.get("file", ""), "data: file"),
        sha256=text(given.get("sha256", ""), "data: sha256"),
        target=text(given.get("target", ""), "data: target"),
    )


def _weights(value: object) -> WeightsFile:
    given = _object(value, set(WeightsFile.__dataclass_fields__), "weights")
    file = text(given.get("file", ""), "weights: file")
    networks = whole(given.get("networks", 0), "weights: networks", 0, MAX_NETWORKS)
    return WeightsFile(file, text(given.get("sha256", ""), "weights: sha256"), networks)


def _events(given: list[object], last: int) -> tuple[Event, ...]:
    """Return the events in order; ValueError unless their steps ascend and are at most `last`."""
    found: list[Event] = []
    for place, value in enumerate(given):
        where = f"event {place}"
        entry = _object(value, set(Event.__dataclass_fields__), where)
        step = whole(entry.get("step"), f"{where}: step", found[-1].step if found else 0, last)
        name = text(entry.get("name"), f"{where}: name")
        index = tuple(
            whole(at, f"{where}: index", 0, 10**6)
            for at in _list(entry.get("index", []), f"{where}: index", 2)
        )
        low = 0.0 if name in LIVE_SETTINGS else -1e6
        found.append(Event(step, name, index, number(entry.get("value"), where, low, 1e6)))
    return tuple(found)
