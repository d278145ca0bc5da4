"""The templates of the header, written once for float and double."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from handnn.exchange.c.reals import Real, number, numbers


@cache
def template(name: str) -> str:
    """Return the text of a template in this folder."""
    return (Path(__file__).parent / f"{name}.h.in").read_text(encoding="ascii")


@cache
def functions(real: str) -> dict[str, tuple[set[str], str]]:
    """Return every function of the templates: the functions it needs, and its text."""
    found = {}
    text = "\n".join([template("fma"), template("functions")])
    text = text.replace("soft_fma_real", f"soft_fma_{real}")
    for block in re.split(r"^//: ", text, flags=re.MULTILINE)[1:]:
        first, _, text = block.partition("\n")
        name, *needs = first.replace(" needs", "").split()
        found[name] = set(needs), text.strip() + "\n"
    return found


def chosen(names: Iterable[str], real: Real) -> str:
    """Return these functions and their dependencies, in the order of the templates."""
    known, wanted, queue = functions(real.name), set(), list(names)
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += known[name][0]
    return "\n".join(text for name, (_, text) in known.items() if name in wanted)


def in_c(text: str, real: Real, prefix: str) -> str:
    """Return a template as C for one type and one name.

    In the templates, R(1.5) is a constant and C(fabs) a function of the type, `real` is the type,
    `word` the unsigned integer of its size, and model_, MODEL_ and @ are replaced by the name.
    """

    def constant(match: re.Match[str]) -> str:
        sign, name = match.groups()
        value = real.constants[name] if name in real.constants else float(name)
        return number(-value if sign else value, real)

    for name, whole in real.whole.items():
        text = re.sub(rf"\b{name}\b", str(whole), text)
    for name, values in real.lists.items():
        text = re.sub(rf"{{{name}}}", f"{{\n      {numbers(values, real, '      ')}}}", text)
    text = re.sub(r"\bR\((-?)([^)]+)\)", constant, text)
    text = re.sub(r"\bC\((\w+)\)", rf"\g<1>{real.suffix}", text)
    text = re.sub(r"\breal\b", real.name, text)
    text = re.sub(r"\bword\b", real.word, text)
    prefixes = {"model_": f"{prefix}_", "MODEL_": f"{prefix.upper()}_"}
    text = re.sub(r"\b(?:model_|MODEL_)(?=\w)", lambda match: prefixes[match[0]], text)
    return text.replace("@", prefix)
