"""The peers: each file implements the problems in the fastest way for its library."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.machine import version


@dataclass(frozen=True)
class Contestant:
    """One configuration of one library: its module and classes, run in their own process."""

    label: str
    library: str
    module: str
    trainer: str | None = None
    predictor: str | None = None
    forces_blas: bool = False
    adam_adds_eps_first: bool = False  # before the correction, not after it
    environment: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def version(self) -> str | None:
        """The library's version, or None if it is not installed."""
        return version(self.library)


CONTESTANTS = (
    Contestant("handnn", "handnn", "handnn_", "Auto", "Predictor"),
    Contestant("handnn bricks", "handnn", "handnn_", "Bricks"),
    Contestant("NumPy", "numpy", "numpy_", "Trainer", "Predictor"),
    Contestant("NumPy, forced BLAS", "numpy", "numpy_", "Trainer", "Predictor", forces_blas=True),
    Contestant("PyTorch eager", "torch", "pytorch", "Eager", "Predictor"),
    Contestant("PyTorch foreach", "torch", "pytorch", "EagerForeach"),
    Contestant("PyTorch compiled", "torch", "pytorch", "Compiled"),
    Contestant("JAX jit", "jax", "jax_", "Jit", "Predictor"),
    Contestant("JAX scan", "jax", "jax_", "Scan"),
    Contestant(
        "scikit-learn",
        "scikit-learn",
        "sklearn_",
        "Trainer",
        forces_blas=True,
        adam_adds_eps_first=True,
    ),
    Contestant("ONNX Runtime", "onnxruntime", "onnxruntime_", predictor="Predictor"),
    Contestant("ONNX Runtime, bound", "onnxruntime", "onnxruntime_", predictor="BoundPredictor"),
)
"""handnn comes first. Each label has its own process; they run alternately."""
