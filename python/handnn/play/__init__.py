"""The laboratory: `handnn play` shows a network learning, in the browser.

state: everything that the page depends on, as one JSON document. session: a network and its
progress. player: the training thread. frames: the data that the page draws. server: the page and
its requests. notebook: `handnn.play(trainer, x, y)`, since this module can be called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from handnn.play.notebook import Playing
    from handnn.training.trainer import Trainer


class _Play(ModuleType):
    """A module that can be called, since the function has the name of the package."""

    def __call__(
        self,
        trainer: Trainer,
        x: ArrayLike,
        y: ArrayLike,
        *,
        batch_size: int = 16,
        held_out: float = 0.3,
        height: int = 900,
    ) -> Playing:
        """Return a laboratory with a copy of a trainer's network; see `notebook.play`."""
        from handnn.play.notebook import play

        return play(trainer, x, y, batch_size=batch_size, held_out=held_out, height=height)


sys.modules[__name__].__class__ = _Play
