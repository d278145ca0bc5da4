"""The weights of one unit, with their gradients."""

from __future__ import annotations

from handnn.layers.layer import Brick, Layer, grads_of, params_of
from handnn.play.catalog import MAX_UNITS
from handnn.play.frames import Json, json_number
from handnn.play.player import Player, Status
from handnn.play.session import Session


def unit_facts(player: Player, place: int, unit: int) -> Json:
    """Return the formula of a brick, and the weights of one unit with their gradients.

    The gradients are those of the loss on the next batch. A brick without weights has no entries;
    `place` -1 means the inputs. "more" counts the weights beyond the first `MAX_UNITS` of a param.
    """
    found: list[Json] = []

    def look(session: Session, status: Status) -> None:
        layers = session.network.layers
        if not -1 <= place < len(layers):
            raise ValueError(f"the network has no brick {place}")
        if place == -1:
            found.append({"formula": "", "entries": [], "more": 0})
            return
        copied = session.network.astype(session.network.dtype)
        loss = type(session.loss)(**session.loss.settings)
        x, y = session.next_batch()
        loss.forward(copied.train().forward(x), y)
        copied.backward(loss.backward())
        layer = copied.layers[place]
        formula = layer.formulas[0] if isinstance(layer, Layer) and layer.formulas else ""
        entries, more = _entries(layer, place, unit)
        found.append({"formula": formula, "entries": entries, "more": more})

    player.read(look)
    return found[0]


def _entries(layer: Brick, place: int, unit: int) -> tuple[list[Json], int]:
    """Return the params of one unit of a brick, and how many are left out.

    A unit has an entry of each vector and a column of each matrix. The first `MAX_UNITS` entries of
    a column are returned.
    """
    found: list[Json] = []
    more = 0
    for name, param in params_of(layer).items():
        gradient = grads_of(layer)[name]
        if gradient is None or "." in name or not 0 <= unit < param.shape[-1]:
            continue
        n_entries = param.shape[0] if param.ndim == 2 else 1
        more += max(n_entries - MAX_UNITS, 0)
        for row in range(min(n_entries, MAX_UNITS)):
            index = (row, unit) if param.ndim == 2 else (unit,)
            found.append(
                {
                    "name": f"{place}.{name}",
                    "index": list(index),
                    "label": f"{name}[{', '.join(map(str, index))}]",
                    "value": json_number(param[index]),
                    "gradient": json_number(gradient[index]),
                }
            )
    return found, more
