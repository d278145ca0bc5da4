"""Write the lessons of the laboratory from their pages.

    python tools/write_lessons.py

reads docs/lessons/*.md and docs/zh/lessons/*.md, and writes python/handnn/play/page/lessons.json.
The laboratory shows the part of a page before the heading "In Python": the title, the paragraphs
(an indented line is a formula), and the numbered tasks with their answers. The comment
`<!-- laboratory: ... -->` of the English page is the state that the lesson sets.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {"en": REPOSITORY / "docs/lessons", "zh": REPOSITORY / "docs/zh/lessons"}
LESSONS = REPOSITORY / "python/handnn/play/page/lessons.json"

NAMES = ("neuron", "affine", "activation", "loss", "backward", "descent", "overfitting")
"""The lessons in their order."""

STATE = re.compile(r"^<!-- laboratory: (.*?) -->\n", re.MULTILINE | re.DOTALL)
TASK = re.compile(
    r"^\d\. (?P<do>.*?)\n\n   <details><summary>.*?</summary>\n\n(?P<see>.*?)\n\n   </details>$",
    re.MULTILINE | re.DOTALL,
)
HEADING = re.compile(r"^## .*$", re.MULTILINE)


def one_line(text: str) -> str:
    """Return a paragraph as one line."""
    return " ".join(line.strip() for line in text.strip().splitlines())


def paragraphs_of(text: str) -> list[str]:
    """Return the paragraphs except those of links; indented ones, formulas, become code."""
    parts = re.split(r"\n\s*\n", text.strip("\n"))
    shown = [part for part in parts if part.strip() and not part.startswith("[")]
    return [f"`{one_line(part)}`" if part.startswith("    ") else one_line(part) for part in shown]


def lesson_of(page: str) -> dict[str, object]:
    """Return the title, the text and the tasks of a page."""
    title, _, rest = STATE.sub("", page).partition("\n")
    text, tasks, *_ = HEADING.split(rest)
    return {
        "title": title.removeprefix("# "),
        "text": paragraphs_of(text),
        "tasks": [
            {"do": one_line(task["do"]), "see": one_line(task["see"])}
            for task in TASK.finditer(tasks)
        ],
    }


def lessons() -> list[dict[str, object]]:
    """Return all lessons: name, state, and the text in each language."""
    found = []
    for name in NAMES:
        pages = {
            language: (folder / f"{name}.md").read_text(encoding="utf-8")
            for language, folder in FOLDERS.items()
        }
        state = STATE.search(pages["en"])
        assert state is not None, f"{name}.md has no state"
        texts = {language: lesson_of(page) for language, page in pages.items()}
        found.append({"name": name, "state": json.loads(state[1]), **texts})
    return found


def written(found: list[dict[str, object]]) -> str:
    """Return the content of lessons.json."""
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    LESSONS.write_text(written(lessons()), encoding="utf-8")
