"""Draw laboratory.png, laboratory-dark.png, laboratory-zh.png and lesson.png: the laboratory.

Needs Debian's chromium and a font with Chinese characters, such as fonts-wqy-microhei, and, from
PyPI, playwright.
"""

from __future__ import annotations

import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from handnn.play.server import Server

HERE = Path(__file__).parent
N_EPOCHS = 90
SIZE = {"width": 1340, "height": 790}


def draw(page: Page, name: str) -> None:
    """Train for some epochs, and take a picture."""
    page.wait_for_selector("body[data-step='0']")
    for epoch in range(1, N_EPOCHS + 1):
        page.keyboard.press("e")
        page.wait_for_selector(f"body[data-step='{22 * epoch}']")
    page.wait_for_timeout(500)
    page.screenshot(path=HERE / name)


def draw_lesson(page: Page) -> None:
    """Open a lesson, train for two seconds, and take a picture."""
    page.wait_for_selector("#columns >> text=Affine 2→4")
    page.click("#play")
    page.wait_for_timeout(2500)
    page.click("#play")
    page.wait_for_timeout(700)
    page.screenshot(path=HERE / "lesson.png")


def main() -> None:
    """Draw all pictures."""
    server = Server()
    thread = threading.Thread(target=server.run)
    thread.start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        for scheme, language, name in (
            ("light", "en", "laboratory.png"),
            ("dark", "en", "laboratory-dark.png"),
            ("light", "zh", "laboratory-zh.png"),
        ):
            context = chromium.new_context(viewport=SIZE, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{server.url}&lang={language}")
            page.wait_for_selector("body[data-step]")
            page.keyboard.press("r")
            draw(page, name)
            context.close()
        page = chromium.new_page(viewport=SIZE)
        page.goto(f"{server.url}&lesson=activation&lang=en")
        draw_lesson(page)
        chromium.close()
    server.stop()
    thread.join()


if __name__ == "__main__":
    main()
