"""The page in a real browser."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

import handnn
from handnn.cli import main
from tests.play.pages import drop, english, wait_for_other_weights, wait_for_step, weights

pytestmark = pytest.mark.usefixtures("at_the_start")


def test_the_spiral_is_learned_in_ten_seconds(new_page):
    page = new_page()
    page.click("#play")
    start = time.monotonic()
    while not page.inner_text("#held-score").endswith("%") or (
        float(page.inner_text("#held-score").split()[0]) >= 5
    ):
        assert time.monotonic() < start + 10
        time.sleep(0.02)
    page.click("#play")
    page.wait_for_selector("#play:text('Play')")


def test_step_and_step_back(new_page):
    page = new_page()
    first = weights(page)
    page.click("#step")
    wait_for_step(page, 1)
    second = wait_for_other_weights(page, first)
    page.click("#epoch")
    wait_for_step(page, 22)
    page.click("#step")
    wait_for_step(page, 23)
    page.click("#back")
    wait_for_step(page, 22)
    for step in range(21, 0, -1):
        page.keyboard.press("b")
        wait_for_step(page, step)
    assert weights(page) == second
    page.reload()
    wait_for_step(page, 1)
    assert weights(page) == second


DRAWN = """() => {
  const charts = ["curve", "detail"].map((id) => document.getElementById(id).innerHTML);
  const canvases = [...document.querySelectorAll("canvas")];
  const shown = canvases.filter((one) => !one.closest("[hidden]"));
  return [...charts, ...shown.map((one) => one.toDataURL())];
}"""
"""A script that returns the charts and the pictures of a page."""


@pytest.mark.parametrize("data", ["spiral", "sine", "concrete"])
def test_what_changes_in_place_is_drawn_as_on_a_new_page(new_page, data):
    page = new_page()
    for name in (data, "circles", data):
        page.select_option("#data", name)
        page.wait_for_selector("body[aria-busy=false]")
        page.focus("#scroller")
        before = page.evaluate(DRAWN)
        for step in range(1, 4):
            page.keyboard.press("s")
            wait_for_step(page, step)
        page.check("#log")
        page.uncheck("#log")
    changed = page.evaluate(DRAWN)
    assert changed != before
    other = new_page()
    other.wait_for_selector("#detail > *")
    assert other.evaluate(DRAWN) == changed


def test_a_confusion_matrix_keeps_the_focus_while_its_numbers_change(new_page):
    page = new_page()
    page.focus("#detail .wide")
    first = page.inner_text("#detail")
    page.keyboard.press("p")
    page.wait_for_function(
        "(first) => document.getElementById('detail').innerText !== first", arg=first
    )
    assert page.evaluate("document.activeElement.matches('#detail .wide')")


def test_a_weight_is_edited_and_a_link_gives_the_same_weights(new_page):
    page = new_page()
    page.click("#epoch")
    wait_for_step(page, 22)
    known = weights(page)
    page.locator("button.unit").nth(3).click()
    field = page.locator("#unit input").first
    field.fill("1.5")
    field.press("Enter")
    known = wait_for_other_weights(page, known)
    page.click("#step")
    wait_for_step(page, 23)
    known = wait_for_other_weights(page, known)
    link = page.url
    page.click("#reset")
    wait_for_step(page, 0)
    other = new_page(link)
    wait_for_step(other, 23)
    assert weights(other) == known
    assert other.locator("button.unit").nth(3).get_attribute("aria-label").startswith("Unit 1 of")


def test_bricks_are_added_resized_moved_and_removed(new_page):
    page = new_page()
    page.select_option("#new-brick", "LayerNorm")
    page.click("#add")
    page.wait_for_selector("#columns >> text=LayerNorm 8→8")
    page.locator("#bricks li").nth(0).locator("[data-setting=units]").fill("5")
    page.keyboard.press("Enter")
    page.wait_for_selector("#columns >> text=Affine 2→5")
    page.click("[aria-label='Move to the left brick 4: LayerNorm']")
    page.wait_for_selector("[aria-label='Remove brick 3: LayerNorm']")
    page.click("[aria-label='Remove brick 3: LayerNorm']")
    page.wait_for_selector("#columns >> text=LayerNorm", state="detached")
    page.locator("#bricks li").nth(1).drag_to(page.locator("#bricks li").nth(3))
    page.wait_for_selector("[aria-label='Remove brick 3: ReLU']")


def test_every_set_is_shown(new_page):
    page = new_page()
    names = page.locator("#data option").all_inner_texts()
    assert {"spiral", "hard spiral", "sine", "concrete"} <= set(names)
    for name in names:
        page.select_option("#data", name)
        page.wait_for_selector("body[aria-busy=false]")
        page.click("#step")
        wait_for_step(page, 1)
        assert page.inner_text("#message") == ""
        assert page.inner_text("#held-score") not in ("–", "not finite")


def test_a_table_is_dropped_and_its_script_gives_the_same_weights(new_page, tmp_path):
    pytest.importorskip("polars")
    page = new_page()
    lines = [
        "size;town;rent",
        *(f"{20 + i};{'Ulm' if i % 3 else 'Bonn'};{9 * i + 0.5}" for i in range(60)),
    ]
    file = tmp_path / "rents & more.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    drop(page, file.name, "\n".join(lines))
    page.wait_for_selector("#detail-title:text('predicted and true')")
    page.click("#step")
    wait_for_step(page, 1)
    known = weights(page)
    page.click("#script")
    script = page.inner_text("#dialog pre")
    (tmp_path / "rents _ more.csv").write_bytes(file.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split()[-1] == known, done.stderr
    page.click("#close")
    bad = tmp_path / "bad.csv"
    bad.write_text("a,a\n1,2\n", encoding="utf-8")
    page.set_input_files("#file", bad)
    page.wait_for_selector("#message:text('a')")


def test_looks_inside_one_step_and_saves_a_network(new_page, tmp_path):
    page = new_page()
    page.click("#inside")
    page.wait_for_selector("#dialog >> text=out = x·w + b")
    assert page.locator("#dialog .handnn-trace table").count() > 10
    page.click("#close")
    with page.expect_download() as download:
        page.click("text=Download the weights")
    assert download.value.suggested_filename == "network.safetensors"
    known = weights(page)
    page.click("#reseed")
    wait_for_other_weights(page, known)
    saved = tmp_path / "saved.safetensors"
    download.value.save_as(saved)
    page.set_input_files("#file", saved)
    page.wait_for_selector("#start:text('weights of saved.safetensors')")
    page.wait_for_selector(f"#hash:text('{known}')")


def test_a_lesson_sets_the_laboratory_in_both_languages(new_page, served):
    page = new_page(f"{served.server.url}&lesson=neuron&lang=zh")
    page.wait_for_selector("#columns >> text=Affine 2→1")
    assert page.inner_text("#play") == "开始"
    page.wait_for_selector("#train-loss:text-is('0.6983')")  # with the weights of the lesson
    chinese = page.inner_text("#lesson-title")
    page.select_option("#language", "en")
    page.wait_for_selector("#play:text('Play')")
    assert page.inner_text("#lesson-title") != chinese
    page.click("#lesson-next")
    page.wait_for_selector("#columns >> text=Affine 2→1", state="detached")
    assert "lesson=affine" in page.url and "lang=en" in page.url
    page.click("#lesson-close")
    assert "lesson=" not in page.url


def test_a_page_without_the_token_asks_for_the_printed_address(served, browser):
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{served.server.url.partition('#')[0]}#lang=zh")
        page.wait_for_selector("#message:text('请用 handnn play 打印的网址')")
        assert page.locator("button.unit").count() == 0


def test_a_notebook_embeds_the_laboratory(browser):
    rng = np.random.default_rng(0)
    trainer = handnn.Trainer(handnn.mlp([2, 3, 1], rng=0), handnn.MSELoss(), handnn.Adam(0.01))
    playing = handnn.play(trainer, rng.uniform(50, 60, (40, 2)), rng.uniform(size=40))

    class Notebook(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(playing._repr_html_().encode())

    page, notebook = browser.new_page(), HTTPServer(("127.0.0.1", 0), Notebook)
    threading.Thread(target=notebook.serve_forever, daemon=True).start()
    try:
        page.goto(f"http://localhost:{notebook.server_port}/")
        frame = page.frame_locator("iframe")
        frame.locator("#columns >> text=Affine 3→1").wait_for()
        frame.locator("#step").click()
        frame.locator("body[data-step='1']").wait_for()
    finally:
        page.close()
        notebook.shutdown()
        notebook.server_close()
        playing.close()


def test_a_recorded_run_is_scrubbed_without_a_server(browser, tmp_path):
    assert main(["play", "--export", str(tmp_path / "run"), "--epochs", "3"]) == 0
    problems = []
    page = browser.new_page(viewport={"width": 380, "height": 800})
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "run" / "index.html").as_uri())
    page.wait_for_selector("body[data-step='66']")
    assert page.inner_text("#epoch-count") == "3"
    page.fill("#scrub", "0")
    page.wait_for_selector("body[data-step='0']")
    page.click("#play")
    page.wait_for_selector("body:not([data-step='0'])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.select_option("#language", "zh")
    page.wait_for_selector("#train-score-name:text('训练错误率')")
    assert english(page) == set()
    page.close()
    assert problems == []


def test_another_tab_shows_the_same_session(new_page):
    page = new_page()
    other = new_page()
    page.select_option("#data", "xor")
    other.bring_to_front()
    deadline = time.monotonic() + 10
    while other.input_value("#data") != "xor":
        assert time.monotonic() < deadline
        time.sleep(0.05)
