"""Limits that keep the code readable: no import circles, short files and functions, few `Any`."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import Counter
from itertools import pairwise

import pytest

from tests.cpp_functions import Function, functions_in
from tests.test_rooms import CPP, PACKAGE, ROOT, imports_of, known_modules, modules

pytestmark = pytest.mark.skipif(
    not (PACKAGE.is_dir() and CPP.is_dir()), reason="the tests stand without their source tree"
)

MAX_LOOSE_MODULES = 12
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
MAX_ANY = 150
MAX_CAST = 15

EXEMPT = {"__init__", "fit", "train_file", "train_many"}
"""Constructors and public functions that are called with many keywords."""


def is_exempt(module, name):
    """Return whether users call this function with keywords, or it mirrors such a function."""
    mirrors = ("handnn.functional.", "handnn.reference.optimizers")
    return name.split(".")[-1] in EXEMPT or module.startswith(mirrors)


def trees():
    for module, file in modules().items():
        yield module, ast.parse(file.read_text(encoding="utf-8"))


def functions(tree, prefix=""):
    """Yield the qualified name and node of every function in a syntax tree."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def circles(graph):
    """Return the strongly connected components of more than one module, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph[node]):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def import_graph():
    """Map each module to its imports anywhere in the file, including those for type checkers."""
    known = known_modules()
    graph = {name.removesuffix(".__init__"): set() for name in modules()}
    for module, file in modules().items():
        name = module.removesuffix(".__init__")
        found = imports_of(file.read_text(encoding="utf-8"), module, known)
        graph[name] |= {target for target in found if target in graph and target != name}
    return graph


def test_the_root_has_at_most_12_modules():
    loose = [file.stem for file in PACKAGE.glob("*.py")]
    assert len(loose) <= MAX_LOOSE_MODULES, sorted(loose)


def test_no_modules_import_each_other_in_a_circle():
    assert circles(import_graph()) == []


def test_the_circle_check_finds_circles():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def cpp_sources():
    return sorted(file for file in CPP.rglob("*") if file.suffix in (".cpp", ".hpp"))


def test_files_are_short():
    files = [*PACKAGE.rglob("*.py"), *cpp_sources()]
    lines = {str(f.relative_to(ROOT)): f.read_text(encoding="utf-8").count("\n") for f in files}
    assert {name: n for name, n in lines.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short():
    lengths = {
        f"{module}:{name}": node.end_lineno - node.lineno + 1
        for module, tree in trees()
        for name, node in functions(tree)
        if not is_exempt(module, name)
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


def test_functions_have_at_most_8_parameters():
    counts = {}
    for module, tree in trees():
        for name, node in functions(tree):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            count = sum(argument.arg not in ("self", "cls") for argument in named)
            if not is_exempt(module, name):
                counts[f"{module}:{name}"] = count
    assert {name: n for name, n in counts.items() if n > MAX_PARAMETERS} == {}


def long_cpp_functions(source):
    """Return the functions of a C++ source that exceed a limit."""
    return [
        function
        for function in functions_in(source)
        if function.lines > MAX_FUNCTION_LINES or function.parameters > MAX_PARAMETERS
    ]


def test_cpp_functions_are_short_and_have_at_most_8_parameters():
    found = {}
    for file in cpp_sources():
        found[str(file.relative_to(ROOT))] = long_cpp_functions(file.read_text(encoding="utf-8"))
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_the_cpp_check_finds_long_functions():
    """Violations are inserted into the sources, because a parser that finds nothing would pass."""
    many = ", ".join(f"std::pair<int, int> p{i} = {{{i}, 0}}" for i in range(9))
    planted = {
        "free": (f"static inline double free({many}) noexcept {{ return 0; }}", 1, 9),
        "Made": (f"struct Made {{ Made({many}) : a(p0.first), b{{1}} {{}} int a, b; }};", 1, 9),
        "method": (f"struct S {{ auto method({many}) const -> int {{ return 1; }} }};", 1, 9),
        "operator()": (f"struct S {{ int operator()({many}) {{ return 1; }} }};", 1, 9),
        "lambda": (f"const auto f = [&]<class T>(T, {many}) mutable {{ return 0; }};", 1, 10),
        "tall": ("template <class T>\nint tall(\n    T t) {\n" + "  ++t;\n" * 57 + "}", 60, 1),
        "taller": ("void\ntaller() {\n// }\n#define X {\n" + "  ;\n" * 57 + "}", 61, 0),
    }
    source = (CPP / "kernels" / "matmul.hpp").read_text(encoding="utf-8")
    known = functions_in(source)
    for name, (definition, lines, parameters) in planted.items():
        added = [f for f in functions_in(f"{source}\n{definition}\n") if f not in known]
        assert added == [Function(name, added[0].line, lines, parameters)]
    long = [name for name, (definition, *_) in planted.items() if long_cpp_functions(definition)]
    assert long == ["free", "Made", "method", "operator()", "lambda", "taller"]


def test_the_cpp_check_sees_every_kernel():
    defined = {f.name for file in cpp_sources() for f in functions_in(file.read_text("utf-8"))}
    listed = set(handnn_kernels((CPP / "kernels" / "table.hpp").read_text(encoding="utf-8")))
    assert len(listed) > 20
    assert listed - defined == set()


def handnn_kernels(table):
    """Return the names that the table of kernels lists."""
    return re.findall(r"KERNEL\(\w+, (\w+),", table)


def words(name):
    """Count a word in the package's code by room, leaving out imports and comments."""
    found = Counter()
    for module, file in modules().items():
        with tokenize.open(file) as source:
            tokens = list(tokenize.generate_tokens(source.readline))
        statement = ""
        for previous, token in pairwise([tokens[0], *tokens]):
            if previous.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.NL):
                statement = statement if previous.type == tokenize.NL else token.string
            if token.string == name and previous.string != ".":
                found[".".join(module.split(".")[1:3])] += statement not in ("from", "import")
    return +found


def test_any_and_cast_are_rare():
    anys, casts = words("Any"), words("cast")
    assert sum(anys.values()) < MAX_ANY, anys.most_common()
    assert sum(casts.values()) < MAX_CAST, casts.most_common()
