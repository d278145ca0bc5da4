"""A long training without a progress bar logs a line at growing intervals."""

from __future__ import annotations

from threading import Event

import pytest

from handnn.files.learning.heartbeat import heartbeat


def test_lines_until_the_end():
    lines, has_two = [], Event()

    def log(line):
        lines.append(line)
        if len(lines) == 2:
            has_two.set()

    with heartbeat(log, "training 2 networks", first_seconds=0.01):
        has_two.wait()
    count = len(lines)
    assert count >= 2 and lines[0] == "training 2 networks, 0 s so far"
    with heartbeat(log, "", shows=False, first_seconds=0.0):
        pass
    with pytest.raises(ZeroDivisionError), heartbeat(log, "", first_seconds=1e6):
        _ = 1 / 0
    assert len(lines) == count
