"""The page for every reader: in Chinese, on a phone, by keyboard and by screen reader."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest

from handnn.datasets import load_concrete
from handnn.layers import BRICKS
from tests.play.pages import (
    SHOWN,
    drop,
    english,
    odd_spaces,
    wait_for_other_weights,
    wait_for_step,
    weights,
)

pytestmark = pytest.mark.usefixtures("at_the_start")


def test_the_page_in_chinese_has_no_english(new_page, served):
    page = new_page(f"{served.server.url}&lang=zh&lesson=backward")
    assert english(page) == set()
    page.click("#lesson-close")
    columns = ["category", *load_concrete().feature_names, load_concrete().target_name]
    columns = re.findall("[A-Za-z]+", " ".join(columns))
    for data in ("categories", "sine", "concrete", "spiral"):
        page.select_option("#data", data)
        page.wait_for_selector("body[aria-busy=false]")
        assert english(page, columns) == set(), data
        assert odd_spaces(page) == [], data
    bricks = [{"brick": "Affine", "units": 8}] + [{"brick": name} for name in BRICKS]
    state = {"version": 1, "bricks": [b for b in bricks if b["brick"] != "Embedding"]}
    served.post("/api/load", json.dumps({"state": state}).encode())
    page.wait_for_selector("#columns >> text=Softplus")
    assert english(page) == set()
    page.locator("button.unit").nth(3).click()
    page.wait_for_selector("#unit h3")
    page.click("#step")
    wait_for_step(page, 1)
    page.click("#inside")
    page.wait_for_selector("#dialog table")
    assert english(page) == set()
    assert odd_spaces(page) == []
    page.click("#close")
    page.fill("#seed", "-1")
    page.press("#seed", "Enter")
    page.wait_for_selector("#message:text('应为')")
    page.fill("#optimizer [data-setting=lr]", "")
    page.press("#optimizer [data-setting=lr]", "Enter")
    page.wait_for_selector("#message:text('请输入一个数')")
    drop(page, "bad.csv", "a,a\n1,2\n")
    page.wait_for_selector("#message:text('同名')")
    assert english(page, ["bad", "csv"]) == set()
    rows = "\n".join(f"{i / 2},{i * i % 17}.5" for i in range(40))
    drop(page, "bad.csv", f"a,b\n{rows}\n?,3.5\n!,4.5\n")
    page.wait_for_selector("#message:text('（第 42 行）、')")
    assert english(page, ["bad", "csv"]) == set()
    page.select_option("#language", "en")
    page.wait_for_selector("#play:text('Play')")
    chinese = [text for text in page.evaluate(SHOWN) if re.search("[一-鿿]", text)]
    assert [text for text in chinese if text != "中文"] == []


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (380, False), (380, True)])
def test_nothing_is_wider_than_the_page(new_page, width, dark):
    page = new_page(width=width, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") != dark


def test_the_keyboard_is_enough(new_page):
    page = new_page()
    page.keyboard.press("s")
    wait_for_step(page, 1)
    page.keyboard.press("e")
    wait_for_step(page, 22)
    page.keyboard.press("b")
    wait_for_step(page, 21)
    page.focus("button.unit >> nth=0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#unit h3:text('Unit 1 of Affine 2→8')")
    known = weights(page)
    page.focus("#unit input >> nth=0")
    page.keyboard.press("Control+a")
    page.keyboard.type("0.25")
    page.keyboard.press("Enter")
    wait_for_other_weights(page, known)
    page.focus("#optimizer [data-setting=lr]")
    page.keyboard.press("Control+a")
    page.keyboard.type("0.5")
    page.keyboard.press("Tab")
    page.wait_for_selector("#rate:text-is('0.5')")
    page.keyboard.press("Escape")


@pytest.mark.parametrize(("data", "dark"), [("spiral", False), ("concrete", True)])
def test_axe_finds_no_violation(served, browser, data, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    scheme = "dark" if dark else "light"
    with closing(browser.new_context(bypass_csp=True, color_scheme=scheme)) as context:
        page = context.new_page()
        page.goto(served.server.url)
        wait_for_step(page, 0)
        page.click("#lessons")
        page.select_option("#data", data)
        page.wait_for_selector("body[aria-busy=false]")
        page.locator("button.unit").nth(9).click()
        page.wait_for_selector("#unit h3")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.click("#inside")
        page.wait_for_selector("#dialog table")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
