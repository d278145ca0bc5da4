"""At most one thread trains a network at a time."""

from __future__ import annotations

import os
from _thread import get_ident  # threading.get_ident, without the 1.6 ms import
from collections.abc import Iterator
from contextlib import contextmanager

from handnn.network import Network

_TRAINED_BY: dict[int, int] = {}
"""The id of the thread that trains each network, by the id of the network."""

if hasattr(os, "register_at_fork"):  # a forked child has only the thread that forked
    os.register_at_fork(after_in_child=_TRAINED_BY.clear)


@contextmanager
def exclusively(network: Network) -> Iterator[None]:
    """Reserve `network` for this thread; raise RuntimeError if another thread is training it."""
    me = get_ident()
    is_nested = _TRAINED_BY.get(id(network)) == me
    try:
        if _TRAINED_BY.setdefault(id(network), me) != me:
            raise RuntimeError("Trainer: another thread is training this network")
        yield
    finally:
        if not is_nested and _TRAINED_BY.get(id(network)) == me:
            del _TRAINED_BY[id(network)]
