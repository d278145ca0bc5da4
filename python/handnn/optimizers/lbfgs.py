"""L-BFGS: steps that know the curvature, found with all rows at once, by SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array, non_negative_number, whole_number
from handnn.optimizers.optimizer import UNDECAYED

Vector = NDArray[np.float64]
"""All params, or all gradients, one after the other."""

Evaluate = Callable[[], tuple[float, Mapping[str, Array | None]]]
"""Gives the loss and the gradients for the params as they are."""


class LBFGS:
    """Steps that know the curvature, for problems whose rows all fit into one batch.

        param = param - a·H·grad

    H is the inverse of a Hessian, guessed from the last `history` steps and changes of the
    gradient; a is 1, or what a line search finds where 1 is too long. Needs SciPy, which does this
    in float64 (method "L-BFGS-B"); loss and gradients have the dtype of the network.

    An epoch of `Trainer.fit` is one iteration: one forward and backward with all rows, more when it
    searches. Training ends early when no entry of the gradient is above tol_gradient, or when the
    loss has fallen by at most tol_loss·max(loss, 1) in an iteration (0: only when it stands still);
    `message` then says so, and `converged` is True. It also ends after so many forwards and
    backwards as max_evaluations allows (None: any number); when that or the epochs were the end,
    `is_used_up` is True. `final_loss` is the loss at the end; the History has those from before
    each iteration. Every fit starts anew, with no steps in memory.

    weight_decay adds weight_decay/2·param² to what is minimized, except for biases, params called
    "b", unless decay_all; the History has the losses without it. The loss must depend on the params
    alone: random bricks lead the line search astray. Raises ValueError when a number is negative or
    not finite or history is below 1, TypeError when one is no number. (Liu and Nocedal 1989; Byrd,
    Lu, Nocedal and Zhu 1995.)
    """

    def __init__(
        self,
        history: SupportsIndex = 10,
        tol_gradient: float = 1e-7,
        tol_loss: float = 1e-9,
        weight_decay: float = 0.0,
        decay_all: bool = False,
        max_evaluations: SupportsIndex | None = None,
    ) -> None:
        self.history = history
        self.tol_gradient = tol_gradient
        self.tol_loss = tol_loss
        self.weight_decay = weight_decay
        self.decay_all = decay_all
        self.max_evaluations = max_evaluations
        self.message = "no fit yet"
        self.converged = False
        self.is_used_up = False
        self.final_loss = math.nan
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that L-BFGS can take."""
        whole_number(self.history, "LBFGS: history")
        if self.max_evaluations is not None:
            whole_number(self.max_evaluations, "LBFGS: max_evaluations")
        for setting in ("tol_gradient", "tol_loss", "weight_decay"):
            non_negative_number(getattr(self, setting), f"LBFGS: {setting}")
        if not isinstance(self.decay_all, bool):
            raise TypeError(f"LBFGS: decay_all must be a bool, but is {self.decay_all!r}")

    def step(self, params: dict[str, Array], grads: dict[str, Any], /) -> None:
        """Raise RuntimeError: a line search needs more than the gradient at one place."""
        raise RuntimeError("LBFGS takes no single steps; write Trainer(...).fit(...)")

    def minimize(
        self,
        params: Mapping[str, Array],
        evaluate: Evaluate,
        iterations: int,
        after: Callable[[list[tuple[float, float]]], bool],
    ) -> None:
        """Change the arrays of `params` in place, in at most so many iterations.

        ``after([(loss, seconds)])`` follows each, with the loss from before it; True ends training.
        However this ends, the params are those of the last whole iteration. Raises ImportError
        without SciPy, ValueError when there are no params or a loss or gradient is not finite, and
        RuntimeError when a param has no gradient.
        """
        try:
            from scipy.optimize import minimize
        except ImportError:
            raise ImportError("LBFGS needs SciPy: pip install scipy") from None
        self.check()
        self.message, self.converged, self.is_used_up = "interrupted", False, False
        self.final_loss = math.nan
        spared = () if self.decay_all else UNDECAYED
        decays = {
            name: 0.0 if name.rpartition(".")[2] in spared else float(self.weight_decay)
            for name in params
        }
        objective = _Objective(params, evaluate, decays)
        whole = objective.params()
        start = perf_counter()
        is_ended = False
        raised: StopIteration | None = None

        def iterated(intermediate_result: Any) -> None:  # SciPy looks for an argument of this name
            nonlocal whole, start, is_ended, raised
            whole = intermediate_result.x.copy()  # SciPy goes on with its own
            objective.set_params(whole)
            losses = [(objective.next_iteration(), perf_counter() - start)]
            try:
                is_ended = after(losses)
            except StopIteration as error:  # which SciPy would take for its own
                raised = error
                raise
            if is_ended:
                raise StopIteration
            start = perf_counter()

        options = {
            "maxcor": whole_number(self.history, "LBFGS: history"),
            "gtol": self.tol_gradient,
            "ftol": self.tol_loss,
            "maxiter": iterations,
            "maxfun": math.inf if self.max_evaluations is None else int(self.max_evaluations),
        }
        try:
            result: Any = minimize(
                objective, whole, jac=True, method="L-BFGS-B", callback=iterated, options=options
            )
        finally:  # the last place where the line search looked need not be a whole iteration's
            objective.set_params(whole)
            self.final_loss = objective.loss_so_far()
        if raised is not None:
            raise raised
        if is_ended:
            self.message = "a callback ended training"
        elif result.status == 0:
            self.converged = True
            self.message = f"the loss no longer falls by more than tol_loss={self.tol_loss}"
            if np.abs(result.jac).max() <= self.tol_gradient:
                self.message = f"no entry of the gradient is above tol_gradient={self.tol_gradient}"
        elif result.nit >= iterations:
            self.message, self.is_used_up = "all epochs are done", True
        elif result.status == 1:
            self.message, self.is_used_up = "all evaluations of the loss are done", True
        else:
            self.message = (
                "the line search found no lower loss: what is left to gain is less than rounding "
                "errors, or the loss is random or has a kink here"
            )

    def __repr__(self) -> str:
        """Show how to build it again."""
        names = ("history", "tol_gradient", "tol_loss", "weight_decay")
        shown = {name: getattr(self, name) for name in names}
        if self.decay_all:
            shown["decay_all"] = True
        if self.max_evaluations is not None:
            shown["max_evaluations"] = self.max_evaluations
        return f"LBFGS({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class _Objective:
    """What is minimized, as SciPy sees it: a function of one float64 vector."""

    def __init__(
        self, params: Mapping[str, Array], evaluate: Evaluate, decays: Mapping[str, float]
    ) -> None:
        self._params = params
        self._evaluate = evaluate
        sizes = [param.size for param in params.values()]
        if not sum(sizes):
            raise ValueError("LBFGS: the network has no params")
        self._decay = np.repeat(list(decays.values()), sizes) if any(decays.values()) else None
        self._losses: list[float] = []

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        """Return the value and its gradient; the params are then those of `vector`."""
        self.set_params(vector)
        loss, grads = self._evaluate()
        value, gradient = loss, _joined(grads, self._params)
        if self._decay is not None:
            value += float((self._decay * vector) @ vector) / 2
            gradient += self._decay * vector
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            if not self._losses:
                raise ValueError(
                    f"LBFGS: the loss is {loss} at the start, or its gradient not finite; look for "
                    "NaN, inf and huge numbers in x, y and the params"
                )
            raise ValueError(
                f"LBFGS: in the line search the loss is {loss}, or its gradient not finite; the "
                "params are those of the last whole iteration. Do x and y have huge numbers?"
            )
        self._losses.append(loss)
        return value, gradient

    def next_iteration(self) -> float:
        """Return the loss from before the iteration that has just ended, and begin another."""
        loss = self._losses[0]
        del self._losses[:-1]  # the line search ends with the place that it takes
        return loss

    def loss_so_far(self) -> float:
        """Return the loss behind the last whole iteration."""
        return self._losses[0] if self._losses else math.nan

    def params(self) -> Vector:
        return _joined(self._params, self._params)

    def set_params(self, vector: Vector) -> None:
        first = 0
        for param in self._params.values():
            param[...] = vector[first : first + param.size].reshape(param.shape)
            first += param.size


def _joined(arrays: Mapping[str, Array | None], params: Mapping[str, Array]) -> Vector:
    """Return one array for each param, checked and in the order of `params`, as one vector."""
    parts = []
    for name, param in params.items():
        array = arrays.get(name)
        if array is None:
            raise RuntimeError(f"LBFGS: no gradient for {name} after backward")
        if np.shape(array) != param.shape:
            raise ValueError(
                f"LBFGS: the gradient of {name} must have shape {param.shape}, "
                f"but has {np.shape(array)}"
            )
        parts.append(np.ravel(array))
    return np.concatenate(parts, dtype=np.float64)
