"""A recorded run: a folder with a page that scrubs through a training without a server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from handnn.play.frames import frame, points
from handnn.play.laboratory import Laboratory
from handnn.play.parts import PARTS

N_FRAMES = 80
"""The largest number of frames; they are closer to each other at the beginning."""

MODULES = ("api", "words", "drawing", "network", "surface", "results", "recorded")
"""The modules of the page, each after those that it imports."""

LEFT_OUT = ("state", "sha256", "version", "session", "goal", "error", "playing")
"""The entries of a frame that a recording does not need."""


def record(
    folder: Path, path: Path | None = None, target: str = "", *, epochs: int = 100
) -> list[Path]:
    """Train for some epochs, and write the page into a folder; return the files.

    path, target: a table, and the column to predict; by default the spiral.

    Raises what `Laboratory` raises, and NotFinite if training diverges.
    """
    laboratory = Laboratory(path, target)
    try:
        player, session = laboratory.player, laboratory.session
        last = epochs * session.steps_per_epoch
        frames = []
        for step in np.unique(np.rint(last * np.linspace(0, 1, N_FRAMES) ** 2)).astype(int):
            session.advance(int(step))  # the thread of the player is idle
            shown = frame(player).content
            frames.append({k: v for k, v in shown.items() if k not in LEFT_OUT})
        recording = {"rows": points(session.rows), "frames": frames}
    finally:
        laboratory.close()
    text, words = (
        json.dumps(part, separators=(",", ":")).replace("</", "<\\/")
        for part in (recording, {"zh": json.loads(PARTS["words-zh.json"])})
    )
    contents = {
        "index.html": PARTS["recorded.html"],
        "recorded.js": _bundle().encode(),
        "recording.js": f"globalThis.RECORDING = {text};\nglobalThis.WORDS = {words};\n".encode(),
        **{name: PARTS[name] for name in ("play.css", "icon.svg")},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def _bundle() -> str:
    """Return the modules as one plain script: browsers load no modules from a folder."""
    parts = ["// The modules of handnn.play.page as one script.\nconst modules = {};\n"]
    for name in MODULES:
        source = PARTS[f"{name}.js"].decode()
        names = re.findall(r"^export (?:async )?(?:function|const|let) ([$\w]+)", source, re.M)
        source = re.sub(
            r'^import \{([^}]*)\} from "\./(\w+)\.js";$', r"const {\1} = modules.\2;", source,
            flags=re.M,
        )  # fmt: skip
        source = re.sub(r"^export ", "", source, flags=re.M)
        parts.append(f"(() => {{\n{source}\nmodules.{name} = {{ {', '.join(names)} }};\n}})();\n")
    return "".join(parts)
