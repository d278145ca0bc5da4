"""The package has the documented subpackages, and imports only from lower ones."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "handnn"
CPP = ROOT / "cpp"

pytestmark = pytest.mark.skipif(
    not (PACKAGE.is_dir() and CPP.is_dir()), reason="the tests stand without their source tree"
)

FLOORS = [
    {"_core"},
    {"arrays"},
    {"functional"},
    {"charts", "initializers", "progress", "schedules", "suggestions"},
    {"layers", "losses", "optimizers", "article"},
    {"engine", "jacobian"},
    {"storage"},
    {"network"},
    {"ensemble", "metrics", "datasets", "reference"},
    {"training"},
    {"inside", "tables"},
    {"exchange"},
    {"files", "sklearn"},
    {"__init__"},
    {"play"},
    {"cli"},
    {"__main__"},
]
MAY_IMPORT_CORE = {"functional", "engine", "__init__"}  # __init__ for facts about the machine
BASES = {"__init__", "layer", "sequence", "loss", "optimizer", "options", "update", "rates"}
WITHOUT_KERNEL = {"lbfgs"}  # computed by SciPy


def room_of(module):
    """Return the subpackage of a dotted name within handnn: handnn.layers.affine is in layers."""
    return [*module.split("."), "__init__"][1]


def modules():
    return {
        ".".join(["handnn", *file.relative_to(PACKAGE).with_suffix("").parts]): file
        for file in sorted(PACKAGE.rglob("*.py"))
    }


def imports_of(source, module, known):
    """Return every name within handnn that a module imports, anywhere in the file."""
    package = module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "handnn"}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
            if base.split(".")[0] != "handnn":
                continue
            for alias in node.names:
                name = f"{base}.{alias.name}"
                found.add(name if name in known else base)
    return found


def known_modules():
    names = set(modules()) | {"handnn._core"}
    return names | {name.removesuffix(".__init__") for name in names}


def wrong_arrows(source, module):
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    here = room_of(module)
    wrong = []
    for target in sorted(imports_of(source, module, known_modules())):
        there = room_of(target)
        down = floor[there] < floor[here] or there == here
        if not down or (there == "_core" and here not in MAY_IMPORT_CORE):
            wrong.append(f"{module} imports {target}")
    return wrong


def test_every_python_file_has_a_floor():
    assert {room_of(module) for module in modules()} <= set().union(*FLOORS)


def test_python_imports_only_from_floors_below():
    wrong = []
    for module, file in modules().items():
        wrong += wrong_arrows(file.read_text(encoding="utf-8"), module)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("handnn.training.trainer", "from handnn import _core"),
        ("handnn.training.trainer", "from handnn._core import relu_forward"),
        ("handnn.layers.relu", "import handnn._core"),
        ("handnn.layers.relu", "from handnn.network import Network"),
        ("handnn.layers.relu", "from handnn import Network"),
        ("handnn.layers.relu", "from ..losses import MSELoss"),
        ("handnn.functional", "def f():\n    from .layers import Affine"),
        ("handnn.network", "import handnn"),
        ("handnn.network", "from handnn.cli.command import main"),
        ("handnn.network", "from .training.trainer import Trainer"),
    ],
)
def test_that_check_can_fail(module, source):
    assert wrong_arrows(source, module)


def test_init_imports_only_machine_facts_from_core():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    taken = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "handnn._core"
        for alias in node.names
    ]
    assert taken == ["cpu_info", "get_num_threads", "set_num_threads"]


def sources(room):
    return sorted(file for file in (CPP / room).rglob("*") if file.suffix in (".hpp", ".cpp"))


def includes(file):
    return re.findall(r'^\s*#\s*include\s*([<"][^>"]+[>"])', file.read_text(encoding="utf-8"), re.M)


def code(file):
    """Return the file without its comments and strings."""
    text = file.read_text(encoding="utf-8")
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', "", text, flags=re.S)


CONTAINERS = {
    "any", "deque", "forward_list", "functional", "list", "map", "memory", "memory_resource",
    "optional", "queue", "set", "sstream", "stack", "string", "unordered_map", "unordered_set",
    "variant", "vector",
}  # fmt: skip
THREADS = {"atomic", "condition_variable", "future", "mutex", "semaphore", "thread"}


def room_of_include(file, included):
    """Return the folder of a quoted include, relative to cpp/ or else to the file."""
    name = included.strip('"')
    for folder in (CPP, file.parent):
        path = (folder / name).resolve()
        if path.is_file():
            return path.relative_to(CPP).parts[0]
    raise AssertionError(f"{file.relative_to(ROOT)} includes {included}, which does not exist")


def test_kernels_include_kernels_and_the_plain_standard_library():
    wrong = []
    for file in sources("kernels"):
        for included in includes(file):
            name = included.strip('<>"')
            outside = included[0] == '"' and room_of_include(file, included) != "kernels"
            if outside or re.match(r"pybind11|Python\.h|numpy", name):
                wrong.append(f"{file.relative_to(ROOT)} includes {included}: not a kernel")
            if included[0] == "<" and name in CONTAINERS | THREADS:
                wrong.append(f"{file.relative_to(ROOT)} includes {included}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "word", [r"\bnew\b", r"\bmalloc\b", r"\bcalloc\b", r"std::thread", r"\bPy[A-Z_]\w*", r"\bpy::"]
)
def test_kernels_do_not_allocate_start_threads_or_use_python(word):
    wrong = [file.relative_to(ROOT) for file in sources("kernels") if re.search(word, code(file))]
    assert not wrong


def test_each_room_of_cpp_includes_only_what_is_below_it():
    below = {"kernels": {"kernels"}, "engine": {"kernels", "engine"}}
    below["bindings"] = {"kernels", "engine", "bindings"}
    for room, allowed in below.items():
        for file in sources(room):
            for included in includes(file):
                if included[0] == '"':
                    assert room_of_include(file, included) in allowed, (file, included)


def test_every_buffer_passes_the_one_gate():
    """Only arrays.hpp and the types in arguments.hpp use NumPy; other files receive pointers."""
    for file in sources("bindings"):
        if file.stem in ("arrays", "arguments"):
            continue
        assert "<pybind11/numpy.h>" not in includes(file), file
        assert not re.search(r"py::array_t|py::buffer|mutable_data|PyArray|\.data\(", code(file)), (
            file
        )


def test_only_simd_uses_vectors():
    """Intrinsics and vector types occur only in simd.hpp, signs.hpp and transpose.hpp."""
    for file in sources("kernels"):
        if file.name not in ("simd.hpp", "signs.hpp", "transpose.hpp"):
            assert not {"<immintrin.h>", "<arm_neon.h>"} & set(includes(file)), file
            assert not re.search(r"\b_mm\d*_|vector_size|\bv\w+q_f(32|64)\b", code(file)), file


def bricks():
    return sorted(
        (room, file.stem)
        for room in ("layers", "losses", "optimizers")
        for file in (PACKAGE / room).glob("*.py")
        if file.stem not in BASES | WITHOUT_KERNEL
    )


def test_the_list_of_bricks_is_not_empty():
    found = {("layers", "affine"), ("layers", "relu"), ("layers", "sigmoid")}
    assert found | {("losses", "mse_loss"), ("optimizers", "sgd")} <= set(bricks())


def test_a_brick_has_the_same_word_in_every_room():
    missing = []
    for room, name in bricks():
        places = [
            CPP / "kernels" / room / f"{name}.hpp",
            ROOT / "tests" / room / f"test_{name}.py",
        ]
        if room != "optimizers":
            places.append(ROOT / "docs" / "bricks" / f"{name}.md")
        missing += [str(place.relative_to(ROOT)) for place in places if not place.is_file()]
    assert not missing, missing


def test_every_room_names_only_known_bricks():
    words = {f"{room}/{name}" for room, name in bricks()}
    kernels = {
        f"{room}/{file.stem}"
        for room in ("layers", "losses", "optimizers")
        for file in (CPP / "kernels" / room).glob("*.hpp")
        if file.stem not in BASES
    }
    pages = {file.stem for file in (ROOT / "docs" / "bricks").glob("*.md")}
    assert kernels == words
    assert pages <= {word.split("/")[1] for word in words}


def test_the_functions_are_named_after_their_bricks():
    from handnn import functional
    from tests.common.test_list import public_functions

    names = [name for _, name in bricks()] + [
        "sum_of_squares",
        "clip_scale",
    ]  # shared by all optimizers
    for function in public_functions(functional):
        assert any(f"{function}_".startswith(f"{name}_") for name in names), function


def test_every_kernel_has_a_cpp_test_against_its_naive_twin():
    """Each kernel is tested explicitly or through the lists in table.hpp."""
    included = {name for file in sources("tests") for name in includes(file)}
    table = (CPP / "kernels" / "table.hpp").read_text(encoding="utf-8")
    listed = set(re.findall(r"^  (?:ACTIVATION|LOSS|OPTIMIZER)\((\w+),", table, re.M))
    for room, name in bricks():
        by_hand = f'"kernels/{room}/{name}.hpp"' in included
        assert by_hand or name in listed, f"{name} has no C++ test"
