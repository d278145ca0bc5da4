"""The laboratory behind the page: one session, and the requests that the page makes of it."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from handnn.arrays import Array
from handnn.files.errors import TableError
from handnn.play import catalog
from handnn.play.catalog import MAX_UNITS
from handnn.play.downloads import FORMATS, download
from handnn.play.frames import points
from handnn.play.given import Given, GivenWeights, read_given, state_for, state_for_table
from handnn.play.opened_step import opened_step
from handnn.play.parts import lesson_names
from handnn.play.player import FULL_SPEED, Player
from handnn.play.rows import (
    MAX_INPUTS,
    NOTEBOOK,
    Rows,
    column_names,
    data_names,
    load_rows,
    read_rows,
    sha256_of,
)
from handnn.play.script import script
from handnn.play.session import Session, WeightsDoNotFit
from handnn.play.state import (
    LIVE_SETTINGS,
    MAX_BRICKS,
    MAX_STEPS,
    Data,
    State,
    WeightsFile,
    number,
    text,
    whole,
)
from handnn.play.streaming import Frames
from handnn.play.units import unit_facts

Json: TypeAlias = dict[str, object]

MAX_SPEED = 10_000


def suited_losses(rows: Rows) -> list[str]:
    """Return the losses that suit the targets, best first."""
    return catalog.losses_for(rows.task, has_counts=rows.has_counts)


class Laboratory:
    """One session for one user; every request is a method with JSON arguments and results.

    path, target: the initial file, and the column to predict. given: a training of the user.
    """

    def __init__(
        self, path: str | Path | None = None, target: str = "", given: Given | None = None
    ) -> None:
        self._given = given
        self._weights = given.weights if given else None
        self._folder = tempfile.TemporaryDirectory(prefix="handnn-play-")
        self._file: Path | None = None
        self._sha256 = ""
        try:
            self.player = Player(self._first_session(path, target))
        except BaseException:
            self._folder.cleanup()
            raise
        self._loading = threading.Lock()
        self.requests: Mapping[str, Callable[[Json], Json]] = {
            "hello": self.hello,
            "load": self.load,
            "play": self.play,
            "pause": self.pause,
            "step": self.step,
            "back": self.back,
            "edit": self.edit,
            "unit": self.unit,
            "inside": self.inside,
            "script": self.script,
        }

    def _first_session(self, path: str | Path | None, target: str) -> Session:
        state = State()
        if self._given is not None:
            state = self._given.state
            return Session(state, self._rows_of(state), self._weights_of(state))
        if path is not None:
            self._open(Path(path))
            state = replace(state, data=self._data_of_file(target), batch_size=32)
        rows = self._rows_of(state)
        return Session(self._suited(state, rows), rows)

    def close(self) -> None:
        """End the thread, and delete the files that were dropped on the page."""
        self.player.close()
        self._folder.cleanup()

    @property
    def session(self) -> Session:
        """The current session."""
        return self.player.session

    def hello(self, given: Json) -> Json:
        """Return the constant data of the page: the catalog of all choices."""
        return {
            "data": [*data_names(), *([NOTEBOOK] if self._given else [])],
            "file": self._file.name if self._file else "",
            "columns": self._columns(),
            "bricks": catalog.described(catalog.BRICK_SETTINGS),
            "optimizers": catalog.described(catalog.OPTIMIZER_SETTINGS),
            "schedules": catalog.described(catalog.SCHEDULE_SETTINGS),
            "losses": catalog.described(catalog.LOSS_SETTINGS),
            "formats": list(FORMATS),
            "lessons": lesson_names(),
            **self._loaded(),
        }

    def _columns(self) -> list[str]:
        return column_names(self._file) if self._file else []

    def _loaded(self) -> Json:
        """Return the data that depends on the state, but not on the step."""
        session = self.session
        return {
            "session": self.player.status.session,
            "rows": points(session.rows),
            "suited_losses": suited_losses(session.rows),
            "state": session.start.at(session.step, tuple(session.events)).to_json(),
        }

    def load(self, given: Json) -> Json:
        """Start the state of a document; with "adapt", replace an unsuitable loss."""
        state = State.from_json(given.get("state"))
        with self._loading:
            return self._start(state, adapts=given.get("adapt") is True)

    def _start(self, state: State, *, adapts: bool) -> Json:
        rows = self._rows_of(state)
        if state.data.name == "file":
            state = replace(state, data=replace(state.data, sha256=self._sha256))
        if adapts:
            state = self._suited(state, rows)
        if state.loss["name"] not in suited_losses(rows):
            raise ValueError(f"{state.loss['name']} does not suit a {rows.task} target")
        try:
            self.player.load(state, rows, self._weights_of(state))
        except WeightsDoNotFit:
            if not adapts:
                raise
            state = replace(state, weights=WeightsFile())
            self.player.load(state, self._rows_of(state))
        return self._loaded()

    def _weights_of(self, state: State) -> Mapping[str, Array] | None:
        """Return the initial weights of a state, or None; ValueError if they are not available."""
        found = self._given_of(state)
        return found.arrays if found else None

    def _given_of(self, state: State) -> GivenWeights | None:
        if not state.weights.file:
            return None
        if self._weights is None or self._weights.file.sha256 != state.weights.sha256:
            raise ValueError(f"drop the file {state.weights.file!r:.100} here to see this state")
        return self._weights

    def _suited(self, state: State, rows: Rows) -> State:
        """Return the state with a loss that suits the rows."""
        suited = suited_losses(rows)
        if state.loss["name"] in suited:
            return state
        loss = catalog.check_entry({"name": suited[0]}, catalog.LOSS_SETTINGS, "loss")
        return replace(state, loss=loss)

    def frames(self, given: Json) -> Frames:
        """Return the frames newer than version "after", at least "seconds" apart."""
        after = whole(given.get("after", -1), "after", -1, 2**53)
        return Frames(self.player, after, number(given.get("seconds", 0), "seconds", 0, 60))

    def play(self, given: Json) -> Json:
        """Continue training at a speed in steps per second; 0 for the highest speed."""
        self.player.play(whole(given.get("speed", FULL_SPEED), "speed", 0, MAX_SPEED))
        return {}

    def pause(self, given: Json) -> Json:
        """Stop training after the current step."""
        self.player.pause()
        return {}

    def step(self, given: Json) -> Json:
        """Take a number of "steps", or the steps to the end of the "epoch"."""
        session = self.session
        if given.get("epoch") is True:
            n_steps = session.steps_per_epoch - session.step % session.steps_per_epoch
        else:
            n_steps = whole(given.get("steps", 1), "steps", 1, MAX_STEPS)
        self.player.advance(n_steps)
        return {}

    def back(self, given: Json) -> Json:
        """Go back by "steps" steps."""
        self.player.back(whole(given.get("steps", 1), "steps", 1, MAX_STEPS))
        return {}

    def edit(self, given: Json) -> Json:
        """Change an entry of a param, or lr or weight_decay."""
        name, index = self._entry(given)
        low = 0.0 if name in LIVE_SETTINGS else -1e6
        self.player.edit(name, index, number(given.get("value"), "value", low, 1e6))
        return {}

    def unit(self, given: Json) -> Json:
        """Return the weights of one unit with their gradients on the next batch."""
        place = whole(given.get("place"), "place", -1, MAX_BRICKS + MAX_INPUTS)
        return unit_facts(self.player, place, whole(given.get("unit"), "unit", 0, MAX_UNITS))

    def _entry(self, given: Json) -> tuple[str, tuple[int, ...]]:
        index = given.get("index", [])
        if not isinstance(index, list) or len(index) > 2:
            raise ValueError("index must be a list of at most 2 ints")
        places = tuple(whole(place, "index", 0, 10**6) for place in index)
        return text(given.get("name"), "name"), places

    def inside(self, given: Json) -> Json:
        """Return the next step, brick by brick, as HTML without styles."""
        return {"html": opened_step(self.player)}

    def script(self, given: Json) -> Json:
        """Return a Python script that trains the same network."""
        found: list[str] = []
        self.player.read(lambda session, status: found.append(script(session)))
        return {"script": found[0]}

    def download(self, form: str) -> tuple[str, bytes]:
        """Return the name and the content of a file of the network."""
        found: list[tuple[str, bytes]] = []
        self.player.read(lambda session, status: found.append(download(session, form)))
        return found[0]

    def described(self, error: Exception) -> str:
        """Return the message of an error, with the names of dropped files without their folder.

        Options of `handnn.train_file` that remedy it are left out: the page does not have them.
        """
        message = error.problem if isinstance(error, TableError) else str(error)
        return message.replace(f"{self._folder.name}{os.sep}", "")

    def upload(self, name: str, content: bytes) -> Json:
        """Keep a file that was dropped on the page; return its columns or a network's state."""
        safe = re.sub(r"[^\w. -]", "_", Path(name).name)[-100:].lstrip(". ") or "table.csv"
        path = Path(self._folder.name) / safe
        path.write_bytes(content)
        if path.suffix == ".safetensors":
            return self._open_network(path)
        columns = column_names(path)  # raises if it is invalid
        self._open(path)
        return {"file": safe, "columns": columns, "sha256": self._sha256}

    def _open_network(self, path: Path) -> Json:
        """Keep the weights of a network, and return the state that shows it."""
        before, self._weights = self._weights, read_given(path)
        try:
            return {"state": self._state_for(self._weights).to_json()}
        except ValueError:
            self._weights = before
            raise

    def _state_for(self, weights: GivenWeights) -> State:
        session = self.session
        if weights.model is None:
            return state_for(weights, session.start, session.rows)
        if self._file is None:
            raise ValueError(
                f"{weights.file.file} is a model of a table: drop its table here first, then the "
                "model"
            )
        state = replace(session.start, data=self._data_of_file(""))
        return state_for_table(weights.model, weights, state, self._rows_of)

    def _open(self, path: Path) -> None:
        self._file, self._sha256 = path, sha256_of(path)

    def _data_of_file(self, target: str) -> Data:
        assert self._file is not None
        return Data("file", 0.0, 0.3, self._file.name, self._sha256, target)

    def _rows_of(self, state: State) -> Rows:
        """Return the rows of a state; ValueError if they are not available."""
        data = state.data
        if data.name == NOTEBOOK and self._given is not None:
            return self._given.rows.split(data.held_out, state.seed)
        if data.name != "file":
            return load_rows(data.name, noise=data.noise, held_out=data.held_out, seed=state.seed)
        if self._file is None or self._file.name != data.file:
            raise ValueError(f"drop the file {data.file!r:.100} here to see this state")
        if data.sha256 and data.sha256 != self._sha256:
            raise ValueError(f"the file {data.file!r:.100} is not the file of this state")
        given = self._given_of(state)
        model = given.model if given else None
        return read_rows(
            self._file, data.target, held_out=data.held_out, seed=state.seed, model=model
        )
