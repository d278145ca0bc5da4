"""Steps of several tests of the page."""

from __future__ import annotations

import re
import time

from handnn.play import catalog

SHOWN = """() => {
  const found = [document.title];
  const all = NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT;
  const walker = document.createTreeWalker(document.body, all);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (!node.parentElement.closest(OMITTED)) found.push(node.data);
    } else for (const name of ["aria-label", "aria-valuetext", "title", "alt"]) {
      found.push(node.getAttribute(name) ?? "");
    }
  }
  return found;
}"""
SHOWN = SHOWN.replace("OMITTED", repr(
    "code, pre, kbd, noscript, [lang=en], option[value=file], #target"
))  # fmt: skip
"""A script that returns all texts and names of a page, except code, files and their columns."""

PARTS = {
    **catalog.BRICK_SETTINGS, **catalog.LOSS_SETTINGS,
    **catalog.OPTIMIZER_SETTINGS, **catalog.SCHEDULE_SETTINGS,
}  # fmt: skip
NAMES = [
    *PARTS,
    *(name for found in PARTS.values() for s in found for name in (s.name, *s.choices)),
]
CODE = {
    *[
        "handnn",
        "Python",
        "CSV",
        "Excel",
        "safetensors",
        "ONNX",
        "SHA",
        "NaN",
        "Network",
        "pinball",
    ],
    *["pre", "y_true", "dout", "out", "mask", "xhat", "mean", "square", "velocity", "gamma", "var"],
    *["running_mean", "running_var", "rstd", "dgamma", "dbeta"],
    *(word for name in NAMES for word in [name, *re.findall("[A-Za-z]+", name)]),
}
"""Words that are the same in every language: names in code."""


def english(page, allowed=()):
    """Return the words of a page that are neither Chinese nor names."""
    words = {word for text in page.evaluate(SHOWN) for word in re.findall(r"[A-Za-z_]{3,}", text)}
    return words - CODE - set(allowed)


def odd_spaces(page):
    """Return the texts with a space between Chinese characters or before Chinese punctuation."""
    texts = [*page.evaluate(SHOWN), *(p.inner_text() for p in page.locator("p").all())]
    return [text for text in texts if re.search("[一-鿿] [一-鿿]| [，。：；（]", text)]


def wait_for_step(page, step):
    page.wait_for_selector(f"body[data-step='{step}']")


def weights(page):
    return page.inner_text("#hash")


def wait_for_other_weights(page, known):
    deadline = time.monotonic() + 20
    while weights(page) == known:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return weights(page)


def drop(page, name, content):
    """Drop a file on the page, as from the desktop."""
    transfer = page.evaluate_handle(
        """([name, content]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([content], name));
            return transfer;
        }""",
        [name, content],
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
