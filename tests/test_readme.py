"""README.zh.md says what README.md says: the same speed table, commands and example."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
README, README_ZH = (
    (REPOSITORY / name).read_text("utf-8") for name in ("README.md", "README.zh.md")
)


def measured(page):
    """Return the cells of numbers of each row of the speed table."""
    return re.findall(r"^\|[^|]*(\|(?: [\d.,]+ \|){5}[^|]*\|)$", page, re.MULTILINE)


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_speed_table_is_the_same():
    assert measured(README_ZH) == measured(README) != []


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
