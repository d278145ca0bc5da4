"""The style sheet that reports, traces and the laboratory share: one palette, light and dark."""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff", "panel": "#f4f6f8", "ink": "#1b1f24", "soft": "#4e5864",
    "line": "#c4cbd3", "accent": "#0b57a4", "on-accent": "#ffffff", "high": "#b34700",
    "low": "#0b57a4", "bad": "#a3122a", "box": "#dfeafb", "loss-box": "#ffe9c7",
    "curve-0": "#1f5fa8", "curve-1": "#b3501b", "curve-2": "#3d7a35", "curve-3": "#7a3d8f",
    "curve-4": "#8a6d00",
}  # fmt: skip
DARK = {
    "paper": "#14171b", "panel": "#1e2329", "ink": "#e9edf1", "soft": "#aab4bf",
    "line": "#3d4650", "accent": "#7db7f5", "on-accent": "#0d1a28", "high": "#ffa24d",
    "low": "#7db7f5", "bad": "#ff8d9c", "box": "#24384f", "loss-box": "#4a3617",
    "curve-0": "#7db7f5", "curve-1": "#ffa24d", "curve-2": "#8fd486", "curve-3": "#d59be8",
    "curve-4": "#e0c04f",
}  # fmt: skip
"""Colors by their names as CSS variables. Text has a contrast of at least 4.5 to 1 on paper."""

PAGE = """
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 2px solid var(--line) }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .3rem }
p, ul { max-width: 46rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem }
caption { text-align: left; padding-bottom: .3rem }
th, td { padding: .2rem .6rem; border: 1px solid var(--line); text-align: right }
th { font-weight: 600; background: var(--panel) }
th[scope=row] { text-align: left }
div.wide { overflow-x: auto; max-width: 100% }
code, pre { font: .95em/1.4 ui-monospace, monospace; overflow-wrap: anywhere }
pre.lines span { display: block; padding-left: 2ch; text-indent: -2ch }
pre { background: var(--panel); padding: .8rem; white-space: pre-wrap; border-radius: .4rem }
svg { width: 100%; max-width: 46rem; height: auto }
svg text { font: 13px system-ui, sans-serif; fill: currentColor }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
@media (max-width: 30rem) {
  table { font-size: .74rem } th, td { padding: .15rem .2rem } svg text { font-size: 17px }
}
"""
"""The rules of a page of text, tables and charts."""


def palette(selector: str = ":root") -> str:
    """Return the colors as CSS variables of a selector, for light and for dark mode."""

    def rule(colors: dict[str, str]) -> str:
        inner = "; ".join(f"--{name}: {color}" for name, color in colors.items())
        return f"{selector} {{ color-scheme: light dark; {inner} }}"

    return f"{rule(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n{rule(DARK)}\n}}\n"
