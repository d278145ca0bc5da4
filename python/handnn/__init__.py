"""handnn: neural networks from bricks you can take apart, computed by short C++ kernels."""

from __future__ import annotations


def _is_subinterpreter() -> bool:
    try:
        import _interpreters as interpreters  # Python 3.13
    except ImportError:
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            return False
    is_main: bool = interpreters.get_current() == interpreters.get_main()
    return not is_main


def _is_command() -> bool:
    """Return whether the process is the command `handnn` or `python -m handnn`, which has begun."""
    import os
    import sys

    program = os.path.basename((getattr(sys, "argv", None) or [""])[0])
    return program in ("handnn", "handnn.exe", "-m")


if _is_subinterpreter():  # loading the extension, or NumPy, may deadlock
    raise ImportError(
        "handnn cannot be imported in a subinterpreter: it supports only the main one"
    )

try:
    from handnn._core import cpu_info as cpu_info
    from handnn._core import get_num_threads as get_num_threads
    from handnn._core import set_num_threads as set_num_threads
except ImportError as error:
    if _is_command() and str(error).startswith("HANDNN_"):  # an environment variable
        raise SystemExit(f"handnn: {error}") from None
    if isinstance(error.__cause__, KeyboardInterrupt):  # while the extension imported NumPy
        raise error.__cause__ from None
    if not isinstance(error, ModuleNotFoundError) or error.name != "handnn._core":
        raise
    raise ImportError(
        "handnn's C++ extension (handnn._core) is not built here: run `pip install .` in the folder"
        " of pyproject.toml; if handnn is installed, start Python outside the source tree"
    ) from error

__version__ = "0.2.0"

# The public names by module. A module is imported when one of its names is first used, which keeps
# `import handnn` fast. Type checkers read the same list from __init__.pyi.
_NAMES = {
    "ensemble": "Ensemble",
    "exchange": "from_torch load_weights to_c to_onnx to_torch",
    "files": "train_file",
    "inside": "gradient_check layer_statistics trace",
    "layers": "Affine BatchNorm Dropout ELU Embedding GELU LayerNorm LeakyReLU ReLU Residual SiLU "
    "Sigmoid Softmax Softplus Tanh",
    "losses": "BCEWithLogits GaussianNLL Huber MAE MSELoss PoissonNLL Quantile SoftmaxCrossEntropy",
    "network": "Network load mlp",
    "optimizers": "AdaGrad Adam AdamW LBFGS RMSProp SGD",
    "storage": "FormatError",
    "tables": "Columns TableModel Target",
    "training.divergence": "DivergenceError",
    "training.early_stopping": "EarlyStopping",
    "training.history": "History",
    "training.many": "train_many",
    "training.trainer": "Trainer",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}
_PUBLIC_MODULES = ("article", "functional", "metrics", "schedules")
_OTHER_MODULES = ("initializers", "storage", "tables", "inside", "layers", "losses", "optimizers")
_OTHER_MODULES += ("engine", "play")  # play is callable

__all__ = sorted(
    {"__version__", "cpu_info", "get_num_threads", "set_num_threads", *_PUBLIC_MODULES, *_MODULE_OF}
)


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULE_OF:
        value: object = getattr(import_module(f"handnn.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    if name in _PUBLIC_MODULES or name in _OTHER_MODULES:
        return import_module(f"handnn.{name}")
    from handnn.suggestions import suggestion

    meant = suggestion(name, [*__all__, *_OTHER_MODULES])
    raise AttributeError(f"module 'handnn' has no attribute {name!r}{meant}")


def __dir__() -> list[str]:
    return __all__
