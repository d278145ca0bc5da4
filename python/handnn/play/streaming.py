"""Frames as lines of JSON, at a rate that leaves nearly all of the time to training."""

from __future__ import annotations

import json
from time import monotonic, thread_time

from handnn.play.frames import frame
from handnn.play.player import Player

SECONDS_WAITED = 0.5
"""The longest time that a request waits for a new frame."""

SECONDS_PER_FRAME = 1 / 34
"""The shortest time between two frames while training."""

MAX_SHARE = 0.1
"""The largest share of the time of one core in which frames are made while training."""

RESULTS_EVERY = 3
"""The number of frames between two with losses, scores and charts; digits that change faster
cannot be read."""

WARNINGS_EVERY = 15
"""The number of frames between two computations of layer statistics."""


class Frames:
    """The frames that one page draws.

    after: the version that the page shows already. seconds: the shortest time between two frames,
    such as 1 for a page that is hidden.
    """

    def __init__(self, player: Player, after: int, seconds: float = 0.0) -> None:
        self._player = player
        self._after = after
        self._seconds = max(seconds, SECONDS_PER_FRAME)
        self._due = 0.0
        self._session = -1
        self._n_frames = 0

    @property
    def pause(self) -> float:
        """The seconds until the next frame is due."""
        return max(0.0, self._due - monotonic())

    def next(self) -> bytes | None:
        """Return the newest frame as a line of JSON, or None if nothing changes for a while."""
        player = self._player
        player.wait(self._after, SECONDS_WAITED)
        status = player.status
        if status.version == self._after:
            return None
        start, ran = monotonic(), thread_time()
        session = status.session
        is_training = status.is_playing or status.goal is not None
        is_complete = not is_training or self._session != session
        found = frame(
            player,
            with_results=is_complete or self._n_frames % RESULTS_EVERY == 0,
            with_warnings=is_complete or self._n_frames % WARNINGS_EVERY == 0,
        )
        self._n_frames += 1
        self._after, self._session = found.version, session
        line = json.dumps(found.content, separators=(",", ":")).encode() + b"\n"
        seconds = max(self._seconds, (thread_time() - ran) / MAX_SHARE)
        # A frame that is late by less than a whole period does not delay the next one.
        begin = max(self._due, start - seconds) if self._due else start
        self._due = begin + seconds if is_training else 0.0
        return line
