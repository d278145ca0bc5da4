"""The next training step, brick by brick, as a part of the page."""

from __future__ import annotations

import copy
import re

from handnn.inside import Trace, trace
from handnn.play.player import Player, Status
from handnn.play.session import Session


def opened_step(player: Player) -> str:
    """Return `handnn.trace` of the next batch as HTML; the page's own style sheet styles it."""
    found: list[Trace] = []

    def look(session: Session, status: Status) -> None:
        x, y = session.next_batch()
        optimizer = copy.deepcopy(session.optimizer)
        found.append(trace(session.network, x, y, session.loss, optimizer))

    player.read(look)
    return re.sub(r"<style>.*?</style>", "", found[0]._repr_html_(), flags=re.S)
