"""The next training step, brick by brick, as a part of the page."""

from __future__ import annotations

import copy
import re

from handnn.inside import Trace, trace
from handnn.play.player import Player, Status
from handnn.play.session import Session


def opened_step(player: Player) -> str:
    """Return `handnn.trace` of the next batch as HTML, without its title and its style sheet."""
    found: list[Trace] = []

    def look(session: Session, status: Status) -> None:
        x, y = session.next_batch()
        optimizer = copy.deepcopy(session.optimizer)
        found.append(trace(session.network, x, y, session.loss, optimizer))

    player.read(look)
    return re.sub(r"<(style|h1)>.*?</\1>", "", found[0]._repr_html_(), flags=re.S)
