"""README.zh.md says what README.md says, and pages name files of tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
README, README_ZH = (
    (REPOSITORY / name).read_text("utf-8") for name in ("README.md", "README.zh.md")
)
NAMED_TEST = r"\b(?:cpp/)?tests/[\w/]+\.(?:py|cpp|hpp)\b"


def measured(page):
    """Return the cells of numbers of each row of the speed table."""
    return re.findall(r"^\|[^|]*(\|(?: [\d.,]+ \|){5}[^|]*\|)$", page, re.MULTILINE)


def ratios(page):
    """Return the ratios and the versions that the text about speed names, in any order."""
    text = page[page.index("python -m benchmarks") : page.index("#benchmarks)")]
    return sorted(re.findall(r"\d+\.[\d.]*\d", text))


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_speed_table_is_the_same():
    assert measured(README_ZH) == measured(README) != []


def test_the_text_about_speed_names_the_same_ratios():
    assert ratios(README_ZH) == ratios(README) != []


def test_the_commands_and_the_example_are_the_same():
    assert blocks(README_ZH, "sh") == blocks(README, "sh") != []
    for language in ("python", "text"):
        chinese = [block.replace("损失", "loss") for block in blocks(README_ZH, language)]
        assert chinese == blocks(README, language) != []


def test_the_links_to_pages_are_the_same():
    """Each page that README.md links to is in README.zh.md, itself or in Chinese."""
    links = set(re.findall(r"\]\(([^)#]+\.md)", README_ZH))
    names = {Path(link).name for link in links}
    in_chinese = {"docs/lessons.md": "index.md", "README.zh.md": "README.md"}
    for link in re.findall(r"\]\(([^)#]+\.md)", README):
        assert in_chinese.get(link, Path(link).name) in names, link


def test_pages_name_tests_that_exist():
    found = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]
    pages = [page.read_text("utf-8") for page in found if not page.name.startswith("adding-")]
    named = {name for page in pages for name in re.findall(NAMED_TEST, page)}
    assert len(named) > 40
    assert [name for name in sorted(named) if not (REPOSITORY / name).is_file()] == []
