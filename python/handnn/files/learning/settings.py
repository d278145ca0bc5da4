"""Settings: what may be chosen of a training on a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from handnn.tables import recipe as recipes

Say = Callable[[str], object]


@dataclass(frozen=True)
class Settings:
    """What may be chosen of a training; None is decided by the number of rows (`recipes`).

    networks: how many are trained and averaged, each from first weights of its own; None is 5, or 1
        for a file that is streamed.
    share: of the rows that are held out to score the model, and never trained on.
    """

    target: str
    task: str = "auto"
    hidden: tuple[int, ...] = recipes.HIDDEN
    networks: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float = recipes.PEAK_LR
    share: float = 0.2
    seed: int = 0
    ignore: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    drop_gaps: bool = False
