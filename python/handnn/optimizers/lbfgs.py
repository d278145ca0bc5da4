"""L-BFGS: quasi-Newton steps on all rows, computed by SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array, non_negative_number, whole_number
from handnn.optimizers.optimizer import UNDECAYED, check_params

Vector = NDArray[np.float64]
"""All params, or all gradients, concatenated."""

Evaluate = Callable[[], tuple[float, Mapping[str, Array | None]]]
"""Returns the loss and the gradients at the current params."""

After = Callable[[list[tuple[float, float]]], bool]
"""Called after an iteration with [(loss before it, seconds)]; returns True to end training."""


class LBFGS:
    """Limited-memory BFGS, for problems whose rows all fit into one batch.

        param = param - a·H·grad

    H approximates the inverse of the Hessian from the last `history` steps and gradient changes; a
    is 1, or the result of a line search. SciPy does this in float64 (method "L-BFGS-B"); loss and
    gradients have the dtype of the network. (Liu and Nocedal 1989; Byrd, Lu, Nocedal and Zhu 1995.)

    An epoch of `Trainer.fit` is one iteration: one forward and backward with all rows, and more for
    the line search. The loss must depend on the params alone: random bricks, such as Dropout,
    mislead the line search. Every fit starts without the history of earlier fits.

    history: the number of steps remembered.
    tol_gradient: stop if no entry of the gradient exceeds it.
    tol_loss: stop if an iteration lowers the loss by at most tol_loss·max(loss, 1).
    weight_decay: adds weight_decay/2·param² to the objective; params named "b", "gamma" or "beta"
        are exempt unless `decay_all`. The History has the losses without it.
    max_evaluations: the limit of forward and backward passes; None for no limit.

    After a fit, `message` gives the reason why it ended, `converged` is True if a tolerance was
    met, `is_used_up` is True if the epochs or evaluations ran out, and `final_loss` is the loss at
    the end. (The History has the losses before each iteration.)

    Raises TypeError if a setting has the wrong type, and ValueError if a number is out of range.

    Examples:
        >>> x, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
        >>> network = handnn.mlp([1, 1], rng=0, dtype="float64")
        >>> optimizer = handnn.LBFGS()
        >>> _ = handnn.Trainer(network, handnn.MSELoss(), optimizer).fit(x, y, 100, batch_size=3)
        >>> optimizer.converged, network.params["0.w"].round(6), network.params["0.b"].round(6)
        (True, array([[2.]]), array([1.]))
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
        """Raise TypeError or ValueError if a setting is invalid."""
        whole_number(self.history, "LBFGS: history")
        if self.max_evaluations is not None:
            whole_number(self.max_evaluations, "LBFGS: max_evaluations")
        for setting in ("tol_gradient", "tol_loss", "weight_decay"):
            non_negative_number(getattr(self, setting), f"LBFGS: {setting}")
        if not isinstance(self.decay_all, bool):
            raise TypeError(f"LBFGS: decay_all must be a bool, but is {self.decay_all!r}")

    def step(self, params: dict[str, Array], grads: Mapping[str, Array | None], /) -> None:
        """Raise RuntimeError, because a line search needs more than one gradient."""
        raise RuntimeError("LBFGS takes no single steps; write Trainer(...).fit(...)")

    def minimize(
        self, params: Mapping[str, Array], evaluate: Evaluate, iterations: int, after: After
    ) -> None:
        """Minimize the loss in at most `iterations` iterations; update `params` in place.

        However this ends, the params are those after the last complete iteration. Raises
        ImportError without SciPy, ValueError without params or if a loss or gradient is not
        finite, and RuntimeError if a param has no gradient.
        """
        try:
            from scipy.optimize import minimize
        except ImportError:
            raise ImportError("LBFGS needs SciPy: pip install scipy") from None
        self.check()
        check_params(params, "LBFGS.minimize")
        self.message, self.converged, self.is_used_up = "interrupted", False, False
        self.final_loss = math.nan
        objective = _Objective(params, evaluate, self._decays(params))
        iterates = _Iterates(objective, after)
        options = {
            "maxcor": whole_number(self.history, "LBFGS: history"),
            "gtol": self.tol_gradient,
            "ftol": self.tol_loss,
            "maxiter": iterations,
            "maxfun": math.inf if self.max_evaluations is None else int(self.max_evaluations),
        }
        try:
            result = minimize(
                objective,
                iterates.params,
                jac=True,
                method="L-BFGS-B",
                callback=iterates.add,
                options=options,
            )
        finally:  # the last evaluation of the line search need not be that of an iteration
            objective.set_params(iterates.params)
            self.final_loss = objective.loss_so_far()
        if iterates.raised is not None:
            raise iterates.raised
        self._explain(result, iterates.is_ended, iterations)

    def _decays(self, params: Mapping[str, Array]) -> dict[str, float]:
        """Return the weight decay of each param."""
        exempt = () if self.decay_all else UNDECAYED
        return {
            name: 0.0 if name.rpartition(".")[2] in exempt else float(self.weight_decay)
            for name in params
        }

    def _explain(self, result: _ScipyResult, is_ended: bool, iterations: int) -> None:
        """Set `message`, `converged` and `is_used_up` from SciPy's result."""
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
                "the line search found no lower loss: the remaining decrease is below the rounding "
                "error, or the loss is random or has a kink here"
            )

    def __repr__(self) -> str:
        """Show the constructor call."""
        names = ("history", "tol_gradient", "tol_loss", "weight_decay")
        shown = {name: getattr(self, name) for name in names}
        if self.decay_all:
            shown["decay_all"] = True
        if self.max_evaluations is not None:
            shown["max_evaluations"] = self.max_evaluations
        return f"LBFGS({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class _ScipyResult(Protocol):
    """The fields of SciPy's result that `_explain` reads."""

    x: Vector
    jac: Vector
    status: int
    nit: int


class _Iterates:
    """The params after each complete iteration, and how `after` ended the training."""

    def __init__(self, objective: _Objective, after: After) -> None:
        self.params = objective.params()
        self.is_ended = False
        self.raised: StopIteration | None = None
        self._objective, self._after = objective, after
        self._start = perf_counter()

    def add(self, intermediate_result: _ScipyResult) -> None:  # SciPy requires this name
        """Keep the params of an iteration, and report it; StopIteration tells SciPy to end."""
        self.params = intermediate_result.x.copy()  # SciPy continues to use its array
        self._objective.set_params(self.params)
        losses = [(self._objective.next_iteration(), perf_counter() - self._start)]
        try:
            self.is_ended = self._after(losses)
        except StopIteration as error:  # raised by a user's brick; SciPy would swallow it
            self.raised = error
            raise
        if self.is_ended:
            raise StopIteration
        self._start = perf_counter()


class _Objective:
    """The objective as a function of one float64 vector, as SciPy requires."""

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
        """Set the params to `vector`, and return the value of the objective and its gradient."""
        self.set_params(vector)
        loss, grads = self._evaluate()
        value, gradient = loss, _joined(grads, self._params)
        if self._decay is not None:
            value += float((self._decay * vector) @ vector) / 2
            gradient += self._decay * vector
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            if not self._losses:
                raise ValueError(
                    f"LBFGS: the loss is {loss} at the start, or its gradient is not finite; look "
                    "for NaN, inf and very large values in x, y and the params"
                )
            raise ValueError(
                f"LBFGS: in the line search the loss is {loss}, or its gradient is not finite; the "
                "params are those of the last complete iteration; look for very large values"
            )
        self._losses.append(loss)
        return value, gradient

    def next_iteration(self) -> float:
        """Return the loss before the iteration that has just ended, and start the next one."""
        loss = self._losses[0]
        del self._losses[:-1]  # the line search ends at the params it accepts
        return loss

    def loss_so_far(self) -> float:
        """Return the loss after the last complete iteration."""
        return self._losses[0] if self._losses else math.nan

    def params(self) -> Vector:
        """Return the current params as one vector."""
        return _joined(self._params, self._params)

    def set_params(self, vector: Vector) -> None:
        """Copy `vector` into the arrays of the params."""
        first = 0
        for param in self._params.values():
            param[...] = vector[first : first + param.size].reshape(param.shape)
            first += param.size


def _joined(arrays: Mapping[str, Array | None], params: Mapping[str, Array]) -> Vector:
    """Concatenate the arrays of all params in their order, after checking them."""
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
