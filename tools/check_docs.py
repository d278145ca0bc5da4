"""Run the code of the documentation and check its links.

    python tools/check_docs.py [PAGE ...]            all pages: *.md, docs/**/*.md and .ipynb

A `python` block is run; the blocks of a page share their names and an empty folder. A block of
`>>>` lines is a doctest. A `text` block after a plain block is its expected output, in which `...`
matches anything. A comment on the line before a block changes that:

    <!-- from cpp/kernels/layers/relu.hpp -->        an excerpt of that file, word for word
    <!-- needs torch onnx -->                        run only if these modules or programs exist
    <!-- not run -->                                 not run
    <!-- file train.py -->                           written to this file in the folder, not run
    <!-- run -->, <!-- run needs mpi4py -->          a `sh` block that is run by bash in the folder

The code cells of a notebook are blocks, too, and what they printed is their expected output;
"needs" in the metadata of a cell is such a comment.

Links and pictures within the repository must exist, and so must the headings they point to.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
PATH = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LINK = re.compile(r'\]\(([^)\s]+)[^)]*\)|(?:src|href)="([^"]+)"|^\[[^\]]+\]: +(\S+)', re.MULTILINE)
FENCE = re.compile(
    r"^(?:<!-- (?P<comment>.*?) -->\n)?"
    r"(?P<indent> *)(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """One fenced block of a page, and the comment before it."""

    page: Path
    line: int
    language: str
    comment: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook, each with its text as one string under "source"."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def text_of(page: Path) -> str:
    """Return the text of a page, or of the text cells of a notebook."""
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    return "\n\n".join(c["source"] for c in cells_of(page) if c["cell_type"] == "markdown")


def blocks_of_notebook(page: Path) -> list[Block]:
    """Return the code cells of a notebook, each followed by its printed output."""
    blocks = []
    for cell in cells_of(page):
        if cell["cell_type"] == "code":
            needs = cell["metadata"].get("needs")
            comment = f"needs {needs}" if needs else ""
            blocks.append(Block(page, 1, "python", comment, cell["source"]))
            printed = "".join("".join(output["text"]) for output in cell["outputs"])
            blocks.append(Block(page, 1, "text", "", printed))
    return blocks


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, or the code cells of a notebook."""
    if page.suffix == ".ipynb":
        return blocks_of_notebook(page)
    content = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            content.count("\n", 0, match.start("text")) + 1,
            match["language"],
            match["comment"] or "",
            textwrap.dedent(match["text"]),
        )
        for match in FENCE.finditer(content)
    ]


def stripped(text: str) -> str:
    """Return the text without the white space around its lines."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def check_excerpt(block: Block, path: str) -> None:
    """Raise AssertionError unless the block is an excerpt of the file."""
    source = stripped((REPOSITORY / path).read_text(encoding="utf-8"))
    if stripped(block.text) not in source:
        raise AssertionError(f"not an excerpt of {path}")


def check_doctest(block: Block, names: dict[str, object]) -> None:
    """Run a block of `>>>` lines; raise AssertionError if its output differs."""
    test = doctest.DocTestParser().get_doctest(
        block.text, names, str(block), str(block.page), block.line - 1
    )
    report = io.StringIO()
    failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(
        test, out=report.write, clear_globs=False
    )
    names.update(test.globs)
    if failed:
        raise AssertionError(report.getvalue())


def check_python(block: Block, names: dict[str, object], expected: str | None) -> None:
    """Run a block; raise AssertionError if it prints anything but the expected text."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), names)
    if expected is None:
        return
    checker = doctest.OutputChecker()
    example = doctest.Example(block.text, expected)
    if not checker.check_output(expected, printed.getvalue(), FLAGS):
        raise AssertionError(checker.output_difference(example, printed.getvalue(), FLAGS))


def check_shell(block: Block, expected: str | None) -> None:
    """Run a block with bash; raise AssertionError if it fails or prints something else."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        env={**os.environ, "PATH": PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    checker, example = doctest.OutputChecker(), doctest.Example(block.text, expected or "")
    if expected is not None and not checker.check_output(expected, done.stdout, FLAGS):
        raise AssertionError(checker.output_difference(example, done.stdout, FLAGS))


def missing_modules(block: Block) -> list[str]:
    """Return the modules and programs that the block needs and that are not installed."""
    comment = block.comment.removeprefix("run ")
    if not comment.startswith("needs "):
        return []
    return [
        name
        for name in comment.split()[1:]
        if not (importlib.util.find_spec(name) or shutil.which(name, path=PATH))
    ]


def check_block(block: Block, following: Block | None, names: dict[str, object]) -> bool:
    """Check a block; return whether it holds anything to check."""
    is_output = following is not None and following.language == "text"
    expected = following.text if following and is_output else None
    if block.comment.startswith("from "):
        check_excerpt(block, block.comment.removeprefix("from "))
    elif block.comment.startswith("file "):
        Path(block.comment.removeprefix("file ")).write_text(block.text, encoding="utf-8")
        return False
    elif block.language == "sh" and block.comment.split(" ")[0] == "run":
        if missing_modules(block):
            return False
        check_shell(block, expected)
    elif block.language != "python" or block.comment == "not run" or missing_modules(block):
        return False
    elif block.text.startswith(">>>"):
        check_doctest(block, names)
    else:
        check_python(block, names, expected)
    return True


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", text_of(page))
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """Yield a message for each link of a page that leads nowhere."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text_of(page)))
    for target in map("".join, LINK.findall(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            yield f"{page.relative_to(REPOSITORY)}: broken link {target}"


def check_page(page: Path) -> tuple[int, list[str]]:
    """Return the number of blocks that pass, and the failures."""
    passed, failures = 0, list(broken_links(page))
    blocks = blocks_of(page)
    names: dict[str, object] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        os.chdir(folder)
        sys.path.insert(0, folder)
        for block, following in itertools.zip_longest(blocks, blocks[1:]):
            try:
                passed += check_block(block, following, names)
            except Exception:
                failures.append(f"{block}\n{traceback.format_exc(limit=-2)}")
        sys.path.remove(folder)
        os.chdir(REPOSITORY)
    return passed, failures


def main() -> int:
    os.environ.setdefault("MPLBACKEND", "agg")
    given = [Path(name).resolve() for name in sys.argv[1:]]
    everything = [
        *sorted(REPOSITORY.glob("*.md")),
        *sorted(REPOSITORY.glob("docs/**/*.md")),
        *sorted(REPOSITORY.glob("docs/**/*.ipynb")),
    ]
    passed, failed = 0, 0
    for page in given or everything:
        count, failures = check_page(page)
        passed, failed = passed + count, failed + len(failures)
        missing = sorted({name for block in blocks_of(page) for name in missing_modules(block)})
        skipped = f"; skipped those that need {', '.join(missing)}" if missing else ""
        print(f"{page.relative_to(REPOSITORY)}: {count} blocks pass{skipped}")
        print(*(f"{failure}\n" for failure in failures), sep="", end="", file=sys.stderr)
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
