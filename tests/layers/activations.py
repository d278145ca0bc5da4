"""The list of activations, each as it is built by default and with its settings."""

from __future__ import annotations

from handnn.layers import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh

ACTIVATIONS = {
    "ReLU": ReLU,
    "LeakyReLU slope=0.01": LeakyReLU,
    "LeakyReLU slope=0.3": lambda: LeakyReLU(0.3),
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
    "ELU alpha=1.0": ELU,
    "ELU alpha=0.7": lambda: ELU(0.7),
    "GELU form=erf": GELU,
    "GELU form=tanh": lambda: GELU("tanh"),
    "SiLU": SiLU,
    "Softplus": Softplus,
}
"""By their repr."""
