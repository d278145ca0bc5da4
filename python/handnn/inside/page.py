"""The page of a trace: HTML without scripts and without references to other files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from handnn.arrays import Array
from handnn.charts.style import palette
from handnn.inside.excerpt import GAP, excerpt
from handnn.inside.flow import flow
from handnn.inside.records import BrickStep, LossStep, NetworkStep

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The content security policy: a browser may load nothing for the page."""

SHADES = 5
"""The number of color depths for each sign."""

STYLE = """
.handnn-trace { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto;
  padding: 1rem; color: var(--ink); background: var(--paper) }
.handnn-trace h1 { font-size: 1.6rem; line-height: 1.25 }
.handnn-trace h2 { font-size: 1.35rem; margin-top: 2.5rem; border-bottom: 2px solid var(--line) }
.handnn-trace h3, .handnn-trace h4 { font-size: 1.1rem; margin: 0 0 .3rem }
.handnn-trace a { color: var(--accent) }
.handnn-trace p { margin: .3rem 0; max-width: 50rem }
.handnn-trace code { font: .95em/1.4 ui-monospace, monospace; white-space: pre-wrap }
.handnn-trace p.formula { padding: .15rem .6rem; border-left: .25rem solid var(--line) }
.handnn-trace section.brick { margin: 1rem 0; padding: .8rem 1rem; background: var(--panel);
  border-radius: .6rem }
.handnn-trace div.arrays { display: flex; flex-wrap: wrap; gap: .8rem 1.6rem;
  align-items: flex-start }
.handnn-trace div.wide { overflow-x: auto; max-width: 100% }
.handnn-trace table { border-collapse: collapse; width: auto; margin: .4rem 0;
  font-size: .85rem; font-variant-numeric: tabular-nums }
.handnn-trace caption { text-align: left; white-space: nowrap; padding-bottom: .15rem }
.handnn-trace caption span { font-size: .85em; color: var(--soft) }
.handnn-trace caption span.summary { display: block; white-space: normal }
.handnn-trace td { border: 1px solid var(--line); padding: .1rem .45rem; text-align: right;
  background: var(--paper); color: var(--ink) }
.handnn-trace td.corner { border: none; background: none }
.handnn-trace nav ul { display: flex; flex-wrap: wrap; gap: 1.5rem; list-style: none; padding: 0 }
.handnn-trace th { font-weight: normal; color: var(--soft); padding: .1rem .45rem;
  text-align: right }
.handnn-trace svg { max-width: none } /* scroll if wider than the page */
.handnn-trace svg.short { max-width: max(100%, 40rem); height: auto }
.handnn-trace svg text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.handnn-trace h3, .handnn-trace h4, .handnn-trace code { overflow-wrap: anywhere }
@media (max-width: 30rem) {
  .handnn-trace section.brick { padding: .6rem } .handnn-trace table { font-size: .72rem }
  .handnn-trace td, .handnn-trace th { padding: .1rem .2rem }
}
"""


def page(step: NetworkStep) -> str:
    """Return the page as HTML."""
    main = f'<main class="handnn-trace">\n{_body(step, "")}\n</main>'
    style = f"{palette()}body {{ margin: 0; background: var(--paper) }}\n{_style()}"
    return document(_title(step), style, main)


def document(title: str, style: str, main: str) -> str:
    """Return a self-contained page with a title (text), a style sheet and its content (HTML)."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{main}\n</body>\n</html>\n"
    )


def fragment(step: NetworkStep) -> str:
    """Return the content for embedding in another page, with ids unique to this step."""
    return (
        f'<div class="handnn-trace"><style>{palette(".handnn-trace")}{_style()}</style>\n'
        f"{_body(step, f'trace-{id(step):x}-')}\n</div>"
    )


def _title(step: NetworkStep) -> str:
    return f"{'A prediction' if step.loss is None else 'One training step'}, brick by brick"


def _style() -> str:
    """Return the rules, with the shades of numbers, which keep the contrast of text above 7:1."""
    lines, dark = [STYLE], []
    for depth in range(1, SHADES + 1):
        middle, low = 255 - 15 * depth, 255 - 30 * depth
        lines.append(f".handnn-trace td.p{depth} {{ background: rgb(255, {middle}, {low}) }}")
        lines.append(f".handnn-trace td.n{depth} {{ background: rgb({low}, {middle}, 255) }}")
        strong, weak = 20 + 20 * depth, 23 + 8 * depth
        dark.append(f".handnn-trace td.p{depth} {{ background: rgb({strong}, {weak}, 20) }}")
        dark.append(f".handnn-trace td.n{depth} {{ background: rgb(20, {weak}, {strong}) }}")
    return "\n".join([*lines, "@media (prefers-color-scheme: dark) {", *dark, "}"])


def _body(step: NetworkStep, prefix: str) -> str:
    parts = [
        f"<h1>{escape(_title(step))}</h1>",
        f"<p><code>{escape(step.network)}</code> on {step.rows}.</p>",
        f"<p>{_story(step)}</p>",
        "<p>The deeper the color of a number, the larger it is relative to the rest of its array: "
        "orange above 0, blue below. Rows and columns are numbered from 0.</p>",
        '<div class="wide" role="region" aria-label="The bricks in a row" tabindex="0">'
        f"{flow(step, prefix)}</div>",
        _contents(step, prefix),
        _section("Forward", prefix, [_forward(brick, prefix, 3) for brick in step.layers]),
    ]
    if step.loss is not None:
        parts.append(_section("Loss", prefix, [_loss(step.loss)]))
        backward = [_loss_backward(step.loss)]
        backward += [_backward(brick, prefix, 3) for brick in reversed(step.layers)]
        parts.append(_section("Backward", prefix, backward))
    if step.optimizer:
        parts.append(_section("Update", prefix, [_updates(step)]))
    return "\n".join(parts)


def _story(step: NetworkStep) -> str:
    if step.loss is None:
        return "Each brick takes the output of the brick before it."
    story = (
        "Forward, each brick takes the output of the brick before it, and the loss compares the "
        "last output with the targets. Backward, each brick takes <code>dout</code>, the gradient "
        "of the loss with respect to its output, and returns <code>dx</code>, the gradient with "
        "respect to its input; on the way it computes the gradients of its params, such as "
        "<code>dw</code>."
    )
    return story + (" Then the optimizer updates the params." if step.optimizer else "")


def _contents(step: NetworkStep, prefix: str) -> str:
    parts = ["Forward"]
    if step.loss is not None:
        parts += ["Loss", "Backward"]
    if step.optimizer:
        parts.append("Update")
    links = [f'<li><a href="#{prefix}{part.lower()}">{part}</a></li>' for part in parts]
    return f'<nav aria-label="Parts of the step"><ul>{"".join(links)}</ul></nav>'


def _section(title: str, prefix: str, parts: Iterable[str]) -> str:
    inner = "\n".join(parts)
    name = f"{prefix}{title.lower()}"
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{inner}\n</section>'


def _forward(brick: BrickStep, prefix: str, level: int) -> str:
    parts = [_sentence(brick.sentence), _formulas(brick.formulas[:1])]
    got, gave = {"x": brick.x, **brick.params}, {**brick.made, **brick.buffers, "out": brick.out}
    if brick.block:
        inside = [_forward(inner, prefix, level + 1) for inner in brick.block]
        parts += [_arrays(got), *inside, _arrays(gave)]
    else:
        parts.append(_arrays({**got, **gave}))
    return _brick(f"{prefix}forward-{brick.place}", _named(brick), level, parts)


def _backward(brick: BrickStep, prefix: str, level: int) -> str:
    parts = [_formulas(brick.formulas[1:])]
    grads = {f"d{name}": grad for name, grad in brick.grads.items()}
    if brick.block:
        inside = [_backward(inner, prefix, level + 1) for inner in reversed(brick.block)]
        parts += [_arrays({"dout": brick.dout}), *inside, _arrays({"dx": brick.dx})]
    else:
        parts.append(_arrays({"dout": brick.dout, **grads, "dx": brick.dx}))
    link = f'<a href="#{prefix}forward-{brick.place}">Layer {brick.place} forward</a>'
    parts.append(f"<p>{link}</p>")
    return _brick(f"{prefix}backward-{brick.place}", _named(brick), level, parts)


def _loss(loss: LossStep) -> str:
    value = f"<p><code>loss = {loss.value:.6g}</code></p>"
    arrays = _arrays(loss.inputs)
    parts = [_sentence(loss.sentence), _formulas(loss.formulas[:1]), arrays, value]
    return _brick("", loss.name, 3, parts)


def _loss_backward(loss: LossStep) -> str:
    note = "<p>This is the <code>dout</code> of the last brick.</p>"
    return _brick("", loss.name, 3, [_formulas(loss.formulas[1:]), _arrays({"dx": loss.dx}), note])


def _updates(step: NetworkStep) -> str:
    parts = [f"<p><code>{escape(step.optimizer)}</code></p>", _formulas(step.optimizer_formulas)]
    for name, update in step.updates.items():
        parts.append(_brick("", name, 3, [_arrays(update.named(name))]))
    return "\n".join(parts)


def _named(brick: BrickStep) -> str:
    return f"Layer {brick.place}: {brick.name}"


def _brick(name: str, title: str, level: int, parts: Iterable[str]) -> str:
    level = min(level, 6)
    given = f' id="{escape(name)}"' if name else ""
    inner = "\n".join(filter(None, parts))
    heading = f"<h{level}>{escape(title)}</h{level}>"
    return f'<section class="brick"{given}>\n{heading}\n{inner}\n</section>'


def _sentence(sentence: str) -> str:
    return f"<p>{escape(sentence)}.</p>" if sentence else ""


def _formulas(formulas: Iterable[str]) -> str:
    return "\n".join(f'<p class="formula"><code>{escape(one)}</code></p>' for one in formulas)


def _arrays(arrays: Mapping[str, Array | None]) -> str:
    tables = [_table(name, array) for name, array in arrays.items() if array is not None]
    return f'<div class="arrays">\n{"".join(tables)}</div>' if tables else ""


def _table(name: str, array: Array) -> str:
    """Return an array as a table with row and column headers, for screen readers too."""
    shown = excerpt(array)
    summary = f'<span class="summary">{escape(shown.summary)}</span>' if shown.summary else ""
    caption = f"<strong>{escape(name)}</strong> <span>({shown.size})</span>{summary}"
    is_row = array.ndim < 2
    head = "".join(f'<th scope="col">{label}</th>' for label in shown.columns)
    corner = "" if is_row else '<td class="corner"></td>'
    lines = [f'<div class="wide"><table><caption>{caption}</caption>']
    lines.append(f"<thead><tr>{corner}{head}</tr></thead><tbody>")
    for label, cells, shades in zip(shown.rows, shown.cells, shown.shades, strict=True):
        row = "" if is_row else f'<th scope="row">{label}</th>'
        for cell, shade in zip(cells, shades, strict=True):
            depth = 0 if cell == GAP else round(abs(shade) * SHADES)
            color = f' class="{"p" if shade > 0 else "n"}{depth}"' if depth else ""
            row += f"<td{color}>{cell}</td>"
        lines.append(f"<tr>{row}</tr>")
    return "\n".join([*lines, "</tbody></table></div>\n"])
