"""The laboratory in a notebook: `handnn.play(trainer, x, y)` calls `play` of this module.

It needs the extra ``play``: starlette and uvicorn.
"""

from __future__ import annotations

import threading
from html import escape

from numpy.typing import ArrayLike

from handnn.network import Network
from handnn.play.given import given_training
from handnn.play.server import Server
from handnn.training.trainer import Trainer

__all__ = ["Playing", "play"]


class Playing:
    """A running laboratory, which a notebook shows as a page within the page; `play` returns it.

    Attributes:
        url: The address of the page, for a tab of its own.

    Examples:
        >>> trainer = handnn.Trainer(handnn.mlp([1, 1], rng=0), handnn.MSELoss(), handnn.SGD(0.1))
        >>> playing = handnn.play(trainer, [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        >>> playing
        Playing(http://127.0.0.1:...)
        >>> playing.close()
    """

    def __init__(self, server: Server, height: int) -> None:
        self.url = server.url
        self._height = height
        self._server = server
        self._thread = threading.Thread(target=server.run, name="handnn.play", daemon=True)
        self._thread.start()

    @property
    def network(self) -> Network:
        """A copy of the network in its current state, in float32."""
        found: list[Network] = []
        player = self._server.laboratory.player
        player.read(lambda session, status: found.append(session.network.astype("float32")))
        return found[0]

    def close(self) -> None:
        """Stop the laboratory; the page no longer responds."""
        self._server.stop()
        self._thread.join()

    def __repr__(self) -> str:
        """Return the address: `Playing(http://127.0.0.1:...)`."""
        return f"Playing({self.url})"

    def _repr_html_(self) -> str:
        url = escape(self.url)
        return (
            f'<iframe src="{url}" title="handnn laboratory" width="100%" height="{self._height}" '
            'allow="clipboard-write" style="border:0"></iframe>'
            f'<p><a href="{url}" target="_blank" rel="noopener">Open it in its own tab</a></p>'
        )


def play(
    trainer: Trainer,
    x: ArrayLike,
    y: ArrayLike,
    *,
    batch_size: int = 16,
    held_out: float = 0.3,
    height: int = 900,
) -> Playing:
    """Show the laboratory for a network of your own, with your own rows.

    It trains a copy in float32, from the weights that the network has now; the trainer and its
    network do not change. `Playing.network` is the trained copy.

    x (N, I); y (N,), (N, O) or class labels, as the loss takes them, both finite.
    batch_size: the number of rows of a batch. held_out: the share of the rows to hold out, 0.05 to
    0.9. height: of the page, in pixels.

    Raises:
        TypeError: If `trainer` is not a Trainer.
        ValueError: If a shape or a value does not fit, or the laboratory cannot build a part: a
            brick or a loss of your own, or a network that does not end with an Affine.
        ImportError: Without starlette and uvicorn, the extra `play`.

    Examples:
        >>> x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
        >>> network = handnn.mlp([2, 8, 1], rng=0)
        >>> trainer = handnn.Trainer(network, handnn.MSELoss(), handnn.Adam(lr=0.01))
        >>> playing = handnn.play(trainer, x, x[:, 0] * x[:, 1])  # a notebook shows it
        >>> playing.network
        Network(Affine 2→8, ReLU, Affine 8→1; 33 parameters, float32)
        >>> playing.close()
    """
    given = given_training(trainer, x, y, batch_size=batch_size, held_out=held_out)
    return Playing(Server(given=given), height)
