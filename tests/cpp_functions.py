"""The functions defined in a C++ source, found by its tokens: enough C++ for this repository."""

from __future__ import annotations

import re
from dataclasses import dataclass

SKIPPED = r"""
    //[^\n]*                                # comments
  | /\*.*?\*/
  | ^[ \t]*\#(?:[^\\\n]|\\.)*               # directives, with their continuation lines
"""
LITERAL = r"""
    R"(?P<delimiter>[^()\s\\]*)\(.*?\)(?P=delimiter)"
  | "(?:[^"\\\n]|\\.)*"
  | '(?:[^'\\\n]|\\.)*'
"""
TOKEN = re.compile(
    rf"(?P<skipped>{SKIPPED})|(?P<literal>{LITERAL})"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>\.?\d(?:[eEpP][+-]|[\w.]|'\w)*)|(?P<sign>->|::|\S)",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
CLOSING = {"(": ")", "[": "]", "{": "}"}

NOT_FUNCTIONS = frozenset(
    {"if", "for", "while", "switch", "catch", "return", "sizeof", "alignof", "alignas", "decltype"}
    | {"constexpr", "requires", "noexcept", "static_assert", "throw", "new", "delete"}
    | {"__attribute__", "__asm__"}
)
"""Words before parentheses that are not the name of a function."""

SPECIFIERS = {"const", "noexcept", "override", "final", "mutable", "constexpr", "&", "throw"}


@dataclass(frozen=True)
class Token:
    text: str
    line: int
    is_word: bool = False


@dataclass(frozen=True)
class Function:
    """A definition; a lambda is called "lambda". The lines run from its name to its last brace."""

    name: str
    line: int
    lines: int
    parameters: int


def tokens_of(source: str) -> list[Token]:
    tokens, line, end = [], 1, 0
    for match in TOKEN.finditer(source):
        line += source.count("\n", end, match.start())
        end = match.start()
        if match.lastgroup != "skipped" and not match["skipped"]:
            text = '""' if match["literal"] else match[0]
            tokens.append(Token(text, line, is_word=bool(match["word"])))
    return tokens


def closing_brackets(tokens: list[Token]) -> dict[int, int]:
    """Map the index of each opening bracket to that of the bracket that closes it."""
    pairs, open_ = {}, []
    for i, token in enumerate(tokens):
        if token.text in CLOSING:
            open_.append(i)
        elif token.text in CLOSING.values():
            start = open_.pop()
            if CLOSING[tokens[start].text] != token.text:
                raise ValueError(f"line {token.line}: unbalanced {token.text}")
            pairs[start] = i
    if open_:
        raise ValueError(f"line {tokens[open_[-1]].line}: never closed")
    return pairs


def name_before(tokens: list[Token], i: int) -> str | None:
    """Return the name of the function whose parameters begin at token i, if it can be one."""
    before = tokens[i - 1] if i else Token("", 0)
    if before.text == "]":
        return "lambda"
    if before.text == ">":  # the end of []<class T>
        depth, k = 1, i - 2
        while k >= 0 and depth:
            depth += {">": 1, "<": -1}.get(tokens[k].text, 0)
            k -= 1
        return "lambda" if k >= 0 and tokens[k].text == "]" else None
    for k in range(i - 1, max(i - 4, -1), -1):
        if tokens[k].text == "operator":
            return "operator" + "".join(token.text for token in tokens[k + 1 : i])
    return before.text if before.is_word and before.text not in NOT_FUNCTIONS else None


def body_after(tokens: list[Token], i: int, closing: dict[int, int]) -> int | None:
    """Return the index of the brace of the body, if one follows the parameters that end at i."""
    i += 1
    while i < len(tokens):
        text = tokens[i].text
        if text == "{":
            return i
        if text in SPECIFIERS:
            i += 1
        elif text == "(" and tokens[i - 1].text == "noexcept":
            i = closing[i] + 1
        elif text == "->":  # the type of the result
            while i < len(tokens) and tokens[i].text not in ("{", ";", ")", ","):
                i = closing.get(i, i) + 1
        elif text == ":":  # the initializers of a constructor: name(...) or name{...}
            while tokens[i].text in (":", ","):
                while tokens[i].text not in ("(", "{", ";"):
                    i += 1
                if tokens[i].text == ";":
                    return None
                i = closing[i] + 1
        else:
            return None
    return None


def parameters_between(tokens: list[Token], start: int, end: int, closing: dict[int, int]) -> int:
    """Count the parameters between two parentheses."""
    texts = [token.text for token in tokens[start + 1 : end]]
    if texts in ([], ["void"]):
        return 0
    count, depth, i = 1, 0, start + 1
    while i < end:
        text = tokens[i].text
        depth += {"<": 1, ">": -1}.get(text, 0)
        count += text == "," and depth == 0
        i = closing.get(i, i) + 1
    return count


def functions_in(source: str) -> list[Function]:
    """Return the functions and lambdas that a source defines, in its order."""
    tokens = tokens_of(source)
    closing = closing_brackets(tokens)
    found = []
    for start, end in closing.items():
        if tokens[start].text != "(":
            continue
        name = name_before(tokens, start)
        body = body_after(tokens, end, closing) if name else None
        if name and body is not None:
            first, last = tokens[start - 1].line, tokens[closing[body]].line
            count = parameters_between(tokens, start, end, closing)
            found.append(Function(name, first, last - first + 1, count))
    return sorted(found, key=lambda function: function.line)
