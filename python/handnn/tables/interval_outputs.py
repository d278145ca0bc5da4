"""The ends of intervals as outputs of networks, so that every export has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handnn.layers import Affine
from handnn.network import Network
from handnn.tables.cells import Floats
from handnn.tables.target import Target

ENDS = ("", " low", " high")
"""What follows the name of a target for each of its three outputs."""


def with_ends(
    networks: Sequence[Network], target: Target, bound: Floats
) -> tuple[list[Network], Target]:
    """Return networks with three outputs for each, and their target: value, lower and upper end.

    The three outputs are equal, and the means of the target are m, m - bound and m + bound; or, if
    it has logarithms, its scales have the factors 1, exp(-bound) and exp(bound). The last Affine is
    copied, the other layers are shared. Raises ValueError for another last layer.
    """
    found = []
    for network in networks:
        *layers, last = network.layers
        if not isinstance(last, Affine):
            raise ValueError(f"the ends of intervals need an Affine as the last layer, not {last}")
        three = (np.repeat(array, len(ENDS), axis=-1) for array in (last.w, last.b))
        found.append(Network([*layers, Affine(*three)]))
    shifts = np.stack([np.zeros_like(bound), -bound, bound], axis=1)
    mean, scale = (np.repeat(part[:, None], len(ENDS), 1) for part in (target.mean, target.scale))
    mean, scale = (mean, scale * np.exp(shifts)) if target.is_log else (mean + shifts, scale)
    return found, Target(
        "regression",
        mean=mean.ravel(),
        scale=scale.ravel(),
        n_out=len(ENDS) * target.n_out,
        is_flat=False,
        objective=target.objective,
        is_log=target.is_log,
    )
