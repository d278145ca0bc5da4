"""Every activation with default settings, and with other settings if it has any."""

from __future__ import annotations

from handnn import layers
from handnn.layers import ELU, GELU, LeakyReLU

ACTIVATIONS = {
    **{repr(brick()): brick for brick in layers.ACTIVATIONS.values()},
    "ELU alpha=0.7": lambda: ELU(0.7),
    "GELU form=tanh": lambda: GELU("tanh"),
    "LeakyReLU slope=0.3": lambda: LeakyReLU(0.3),
}
"""Keys are the repr of the brick."""
