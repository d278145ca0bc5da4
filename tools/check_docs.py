"""Runs what the documentation shows, and follows its links.

    python tools/check_docs.py [PAGE ...]            all pages: README.md and docs/**/*.md

A `python` block is run; the blocks of one page share their names and an empty folder. A block of
`>>>` lines is a doctest. A `text` block after a plain one is what it prints (`...` stands for
anything). A comment on the line before a block says that it is something else:

    <!-- from cpp/kernels/layers/relu.hpp -->        an excerpt of that file, word for word
    <!-- needs torch onnx -->                        run only where these modules are installed
    <!-- not run -->                                 anything else that cannot run by itself

Links and pictures in the repository must exist, and so must the headings they point to.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import itertools
import os
import re
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
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LINK = re.compile(r'\]\(([^)\s]+)[^)]*\)|(?:src|href)="([^"]+)"|^\[[^\]]+\]: +(\S+)', re.MULTILINE)
FENCE = re.compile(
    r"^(?:<!-- (?P<comment>.*?) -->\n)?"
    r"(?P<indent> *)(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """One fenced block of a page and what the comment before it says."""

    page: Path
    line: int
    language: str
    comment: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
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


def words(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def check_excerpt(block: Block, path: str) -> None:
    source = words((REPOSITORY / path).read_text(encoding="utf-8"))
    if words(block.text) not in source:
        raise AssertionError(f"not an excerpt of {path}")


def check_doctest(block: Block, names: dict[str, Any]) -> None:
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


def check_python(block: Block, names: dict[str, Any], expected: str | None) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), names)
    if expected is None:
        return
    checker = doctest.OutputChecker()
    example = doctest.Example(block.text, expected)
    if not checker.check_output(expected, printed.getvalue(), FLAGS):
        raise AssertionError(checker.output_difference(example, printed.getvalue(), FLAGS))


def missing_modules(block: Block) -> list[str]:
    """The modules that a block says it needs and that are not installed here."""
    if not block.comment.startswith("needs "):
        return []
    return [name for name in block.comment.split()[1:] if not importlib.util.find_spec(name)]


def check_block(block: Block, following: Block | None, names: dict[str, Any]) -> bool:
    """Whether there was anything to check."""
    if block.comment.startswith("from "):
        check_excerpt(block, block.comment.removeprefix("from "))
    elif block.language != "python" or block.comment == "not run" or missing_modules(block):
        return False
    elif block.text.startswith(">>>"):
        check_doctest(block, names)
    else:
        is_output = following is not None and following.language == "text"
        check_python(block, names, following.text if following and is_output else None)
    return True


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    for target in map("".join, LINK.findall(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            yield f"{page.relative_to(REPOSITORY)}: broken link {target}"


def check_page(page: Path) -> tuple[int, list[str]]:
    """How many blocks hold, and what went wrong."""
    passed, failures = 0, list(broken_links(page))
    blocks = blocks_of(page)
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        os.chdir(folder)
        for block, following in itertools.zip_longest(blocks, blocks[1:]):
            try:
                passed += check_block(block, following, names)
            except Exception:
                failures.append(f"{block}\n{traceback.format_exc(limit=-2)}")
        os.chdir(REPOSITORY)
    return passed, failures


def main() -> int:
    os.environ.setdefault("MPLBACKEND", "agg")
    given = [Path(name).resolve() for name in sys.argv[1:]]
    everything = [*REPOSITORY.glob("README.md"), *sorted(REPOSITORY.glob("docs/**/*.md"))]
    passed, failed = 0, 0
    for page in given or everything:
        count, failures = check_page(page)
        passed, failed = passed + count, failed + len(failures)
        missing = sorted({name for block in blocks_of(page) for name in missing_modules(block)})
        left_out = f"; those that need {', '.join(missing)} were left out" if missing else ""
        print(f"{page.relative_to(REPOSITORY)}: {count} blocks hold{left_out}")
        print(*(f"{failure}\n" for failure in failures), sep="", end="", file=sys.stderr)
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
