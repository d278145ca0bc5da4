"""Frames per second of `handnn play`, and the speed of training with and without its page.

`python -m benchmarks.laboratory` trains the default network, 2-8-8-1, as fast as possible: alone,
and while Debian's chromium shows the page, in alternation. It needs Linux and playwright.

Two measures do not depend on the load of the machine: the CPU time of a frame, and the training
speed without the time in which the training thread waited for a core.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from time import monotonic, process_time, sleep

import numpy as np
from playwright.sync_api import Page, sync_playwright

from handnn.play.rows import load_rows
from handnn.play.server import Server
from handnn.play.session import Session
from handnn.play.state import State

SECONDS = 4.0
N_ROUNDS = 3
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
COUNT = """() => {
  window.drawn = 0;
  const seen = new MutationObserver(() => { window.drawn += 1; });
  seen.observe(document.getElementById("step-count"),
    { childList: true, characterData: true, subtree: true });
}"""


def waited(thread: int) -> tuple[float, float]:
    """Return the seconds that a thread of this process ran, and those it waited for a core."""
    ran, waiting = Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[:2]
    return int(ran) / 1e9, int(waiting) / 1e9


def cpu_of_browser() -> float:
    """Return the CPU seconds of all processes of chromium that this process has started."""
    total, parents = 0, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, text = file.read_text().rpartition(")")
        except OSError:
            continue
        fields = text.split()
        ticks = int(fields[11]) + int(fields[12]) if "chrom" in name else 0  # not the driver's
        parents[int(file.parent.name)] = (int(fields[1]), ticks)
    own = {int(Path("/proc/self").resolve().name)}
    while new := {pid for pid, (parent, _) in parents.items() if parent in own} - own:
        own |= new
        total += sum(parents[pid][1] for pid in new)
    return total / 100


def alone() -> tuple[float, float]:
    """Return steps per second of the same training without a page: measured, and without waits."""
    state = State()
    session = Session(state, load_rows("spiral", noise=0.05, held_out=0.3, seed=state.seed))
    session.advance(session.steps_per_epoch)
    thread = threading.get_native_id()
    start, first, before = monotonic(), session.step, waited(thread)[1]
    while monotonic() < start + SECONDS:
        session.advance(session.step + 200 * session.steps_per_epoch)
    seconds, delay = monotonic() - start, waited(thread)[1] - before
    steps = session.step - first
    return steps / seconds, steps / (seconds - delay)


def watched(page: Page, server: Server) -> tuple[float, float, float, float, float]:
    """Return frames and steps per second, the latter as `alone`, and the CPU time of a frame.

    The CPU time, in milliseconds, is that of the server without training, and of the browser.
    """
    player = server.laboratory.player
    thread = player._thread.native_id or 0
    page.keyboard.press("p")
    sleep(1)
    start, first, before = monotonic(), player.session.step, waited(thread)
    frames: float = -page.evaluate("drawn")
    server_cpu = before[0] - process_time()  # without the training thread
    browser_cpu = -cpu_of_browser()
    sleep(SECONDS)
    after = waited(thread)
    seconds, delay = monotonic() - start, after[1] - before[1]
    steps = player.session.step - first
    frames += page.evaluate("drawn")
    server_cpu += process_time() - after[0]
    browser_cpu += cpu_of_browser()
    page.keyboard.press("p")
    sleep(0.3)
    cpu = (1e3 * server_cpu / frames, 1e3 * browser_cpu / frames)
    return frames / seconds, steps / seconds, steps / (seconds - delay), *cpu


def main() -> None:
    """Measure in alternation, and print medians."""
    sys.setswitchinterval(0.001)  # as the command does
    server = Server()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = chromium.new_page(viewport={"width": 1340, "height": 790})
        page.goto(server.url)
        page.wait_for_selector("body[data-step='0']")
        paint = page.evaluate(FIRST_PAINT)
        page.evaluate(COUNT)
        page.select_option("#speed", "0")
        page.focus("body")
        rounds = [(*alone(), *watched(page, server)) for _ in range(N_ROUNDS)]
        chromium.close()
    server.stop()
    thread.join()
    found = np.median(np.array(rounds), axis=0)
    without, without_free, frames, steps, steps_free, server_cpu, browser_cpu = found
    print(f"first paint after {paint:.0f} ms")
    print(f"{frames:.0f} frames per second; each takes {server_cpu:.1f} ms of CPU time in the")
    print(f"server and {browser_cpu:.1f} ms in the browser")
    print(f"{steps:,.0f} steps per second with the page, {without:,.0f} without: "
          f"{steps / without:.0%}")  # fmt: skip
    print(f"without waits for a core: {steps_free:,.0f} and {without_free:,.0f}: "
          f"{steps_free / without_free:.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
