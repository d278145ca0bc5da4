"""The training thread, and its commands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TypeAlias

from handnn import engine
from handnn.arrays import Array
from handnn.play.rows import Rows
from handnn.play.session import NotFinite, Session
from handnn.play.state import MAX_STEPS, State

SECONDS_PER_CALL = 0.02
"""The target duration of one call of the engine, for 30 frames per second."""

SECONDS_PER_CHECKPOINT = 0.1
"""The time between two checkpoints; a step back retrains from the last one before it."""

TICK = 1 / 60
"""The time between two calls at a limited speed."""

SECONDS_UNSEEN = 3.0
"""Training pauses if no page requests a frame for this time."""

MAX_CURVE = 300
"""The largest number of points of the loss curve; beyond it, every second point is dropped."""

FULL_SPEED = 0
"""The speed, in steps per second, that means the highest possible speed."""

CurvePoint: TypeAlias = tuple[int, float, float]
"""A step, and the losses of the training rows and of the held-out rows after it."""


@dataclass
class Status:
    """The status of the thread, for the page."""

    version: int = 0
    """Increases with every visible change."""
    session: int = 0
    """The number of states loaded so far."""
    is_playing: bool = False
    speed: int = 1000
    goal: int | None = None
    """The step to reach at full speed first, such as the step of a link."""
    error: str = ""


class Player:
    """Train one session in a separate thread; all methods may be called from other threads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.status = Status()
        self.curve: list[CurvePoint] = []
        self._changed = threading.Condition(threading.RLock())
        self._stop = engine.Stop()
        self._is_closed = False
        self._seen = monotonic()
        self._saved = 0.0
        self._rate = 1000.0
        self._thread = threading.Thread(target=self._run, name="handnn play", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        with self._interrupted():
            pass
        self._thread.join()

    def load(self, state: State, rows: Rows, weights: Mapping[str, Array] | None = None) -> None:
        """Start the session of another state, and train it up to the step of the state."""
        session = Session(state, rows, weights)  # raises before any change
        with self._interrupted():
            self.session, self.curve = session, []
            self.status.session += 1
            self.status.goal = state.step or None
            self.status.is_playing, self.status.error = False, ""
            session.advance(0)

    def play(self, speed: int) -> None:
        """Train at `speed` steps per second; `FULL_SPEED` is the highest possible speed."""
        with self._interrupted():
            self.status.is_playing, self.status.speed, self.status.error = True, speed, ""
            self._seen = monotonic()

    def pause(self) -> None:
        """Stop after the current step."""
        with self._interrupted():
            self.status.is_playing, self.status.goal = False, None

    def advance(self, n_steps: int) -> None:
        """Pause, and take a number of steps."""
        with self._interrupted():
            self.status.is_playing, self.status.error = False, ""
            self.status.goal = min(self.session.step + n_steps, MAX_STEPS)

    def back(self, n_steps: int) -> None:
        """Pause, and return to an earlier step."""
        with self._interrupted():
            self.status.is_playing, self.status.goal, self.status.error = False, None, ""
            session = self.session
            session.back_to(session.step - n_steps)
            self.curve = [point for point in self.curve if point[0] <= session.step]

    def edit(self, name: str, index: tuple[int, ...], value: float) -> None:
        """Change an entry of a param, or a setting of the optimizer."""
        with self._interrupted():
            self.session.edit(name, index, value)

    def read(self, look: Callable[[Session, Status], None]) -> None:
        """Call a function between two steps; it should be fast."""
        with self._changed:
            self._seen = monotonic()
            look(self.session, self.status)

    def wait(self, version: int, seconds: float) -> None:
        """Wait until the version differs from this one, or until the timeout."""
        with self._changed:
            self._seen = monotonic()
            self._changed.wait_for(lambda: self.status.version != version, seconds)

    def add_to_curve(self, session: Session, point: CurvePoint) -> list[CurvePoint]:
        """Add a point to the curve if it is the latest of this session; return the curve."""
        with self._changed:
            if session is not self.session or point[0] > session.step:
                return list(self.curve)
            if not self.curve or self.curve[-1][0] < point[0]:
                self.curve.append(point)
            elif self.curve[-1][0] == point[0]:
                self.curve[-1] = point
            if len(self.curve) > MAX_CURVE:
                self.curve = [*self.curve[:-1:2], self.curve[-1]]
            return list(self.curve)

    @contextmanager
    def _interrupted(self) -> Iterator[None]:
        """Hold the lock with the engine stopped, and increase the version."""
        self._stop.set()
        with self._changed:
            self._stop = engine.Stop()
            try:
                yield
            finally:
                self.status.version += 1
                self._changed.notify_all()

    def _run(self) -> None:
        next_tick = monotonic()
        while not self._is_closed:
            with self._changed:
                if not self._is_busy():
                    self._changed.wait(0.5)
                    next_tick = monotonic()
                    continue
                self._work(max(1, round(self.status.speed * TICK)))
                is_full = self.status.goal is not None or self.status.speed == FULL_SPEED
                pause = max(TICK, 1 / max(1, self.status.speed))
            if is_full:
                sleep(0.0003)  # lets waiting threads acquire the lock
                next_tick = monotonic()
                continue
            next_tick = max(next_tick + pause, monotonic() - 0.1)
            while monotonic() < next_tick and self.status.is_playing:
                sleep(min(0.05, max(0.0, next_tick - monotonic())))

    def _is_busy(self) -> bool:
        """Return whether steps remain; pause if no page requests frames."""
        if self.status.is_playing and monotonic() - self._seen > SECONDS_UNSEEN:
            self.status.is_playing = False
        return self.status.is_playing or self.status.goal is not None

    def _work(self, n_steps: int) -> None:
        """Take some steps."""
        session, status = self.session, self.status
        until = session.step + n_steps
        if status.goal is not None or status.speed == FULL_SPEED:
            per_epoch = session.steps_per_epoch
            count = max(1, round(self._rate * SECONDS_PER_CALL))
            until = session.step + count
            if count >= per_epoch:
                until -= until % per_epoch  # complete epochs are one call of the engine
        until = min(until, MAX_STEPS if status.goal is None else status.goal)
        first, start = session.step, monotonic()
        try:
            session.advance(until, self._stop)
            if start - self._saved > SECONDS_PER_CHECKPOINT:
                session.save()
                self._saved = start
        except NotFinite as error:
            status.error, status.is_playing, status.goal = str(error), False, None
        except Exception as error:  # the thread continues, and the page shows the error
            status.error, status.is_playing, status.goal = f"{error}", False, None
        seconds = monotonic() - start
        if session.step > first:
            rate = (session.step - first) / max(seconds, 1e-6)
            self._rate += 0.3 * (min(rate, 4 * self._rate) - self._rate)
        if status.goal is not None and session.step >= status.goal:
            status.goal = None
        if session.step >= MAX_STEPS:
            status.is_playing = False
        status.version += 1
        self._changed.notify_all()
