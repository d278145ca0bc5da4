"""The bricks of a network, one a file."""

from __future__ import annotations

from handnn.layers.affine import Affine
from handnn.layers.layer import Activation, Brick, Layer
from handnn.layers.relu import ReLU
from handnn.layers.sigmoid import Sigmoid

__all__ = ["Activation", "Affine", "Brick", "Layer", "ReLU", "Sigmoid"]
