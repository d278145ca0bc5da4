"""The catalog of the page: bricks, losses, optimizers and schedules, with their settings.

Everything is derived from the library's own lists and the signatures of the constructors, so a new
brick appears here as soon as it is listed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

from handnn.initializers import VARIANCES
from handnn.layers import ACTIVATIONS, BRICKS, Affine, Dropout, Embedding, Residual
from handnn.losses import LOSSES, KernelLoss
from handnn.optimizers import OPTIMIZERS
from handnn.schedules import SCHEDULES, WarmUp

Value = float | str | bool
"""The value of a setting."""

MAX_UNITS = 256
"""The largest number of units of an Affine."""

LARGEST = 1e12
"""The largest absolute value of a number; JSON also allows 1e999, which is infinite."""

PREFERENCE = (
    "class probabilities", "rate", "mean", "median", "value", "quantiles", "mean and variance",
)  # fmt: skip
"""The kinds of prediction of the losses, the most suitable first; rates suit counts only."""


@dataclass(frozen=True)
class Setting:
    """One setting: a "float", an "int", a "bool", or a "choice" of words."""

    name: str
    kind: str
    default: Value
    choices: tuple[str, ...] = ()

    def check(self, value: object, where: str) -> Value:
        """Return the value; ValueError unless it is of this kind."""
        if self.kind == "bool" and isinstance(value, bool):
            return value
        if self.kind == "choice" and isinstance(value, str) and value in self.choices:
            return value
        wanted = "an int" if self.kind == "int" else f"a {self.kind}"
        if self.kind == "choice":
            wanted = f"one of {', '.join(self.choices)}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.kind in ("float", "int") and not abs(value) <= LARGEST:
                wanted = f"a number from {-LARGEST:g} to {LARGEST:g}"
            elif self.kind == "float":
                return float(value)
            elif self.kind == "int" and value == int(value):
                return int(value)
        raise ValueError(f"{where}: {self.name} must be {wanted}, but is {value!r:.40}")


Settings = dict[str, Value]
Entry = dict[str, Value]
"""A part of the state: its name under "name", and its settings."""


def _setting(name: str, default: object, hint: object) -> Setting | None:
    """Return the setting for a parameter of a constructor; None if it is an array."""
    if get_origin(hint) is Literal:
        return Setting(name, "choice", str(default), tuple(map(str, get_args(hint))))
    if isinstance(default, bool):
        return Setting(name, "bool", default)
    if isinstance(default, int):
        return Setting(name, "int", default)
    return Setting(name, "float", default) if isinstance(default, float) else None


def _settings_of(function: Callable[..., object], **defaults: Value) -> tuple[Setting, ...]:
    """Return the settings among a constructor's parameters; `defaults` for those without one."""
    hints: dict[str, object] = get_type_hints(function)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        default = defaults.get(name, parameter.default)
        setting = _setting(name, default, hints.get(name))
        if setting is not None:
            found.append(setting)
    return tuple(found)


def _brick_settings() -> dict[str, tuple[Setting, ...]]:
    found = {name: _settings_of(brick.__init__) for name, brick in BRICKS.items()}
    found[Embedding.__name__] = (*found[Embedding.__name__], Setting("units", "int", 2))
    units = Setting("units", "int", 8)
    found[Affine.__name__] = (units, Setting("init", "choice", "auto", ("auto", *VARIANCES)))
    names = tuple(ACTIVATIONS)
    found[Residual.__name__] = (units, Setting("activation", "choice", "relu", names))
    found[Dropout.__name__] = (Setting("p", "float", 0.2),)
    return found


BRICK_SETTINGS: Mapping[str, tuple[Setting, ...]] = _brick_settings()
"""The settings of every brick that can be added, by the name of the brick."""

LOSS_SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    loss.__name__: _settings_of(loss.__init__) for loss in LOSSES
}
OPTIMIZER_SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    optimizer.__name__: _settings_of(optimizer.__init__, lr=0.03) for optimizer in OPTIMIZERS
}
SCHEDULE_SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    schedule.__name__: _settings_of(schedule.__init__, steps=2000, every=500)
    for schedule in SCHEDULES
    if schedule is not WarmUp
} | {WarmUp.__name__: (Setting("steps", "int", 200),)}


def losses_for(task: str, *, has_counts: bool = False) -> list[str]:
    """Return the losses that suit a task, "regression", "binary" or "multiclass", best first."""

    def suits(loss: type[KernelLoss]) -> bool:
        if loss.predicts == "class probabilities":
            return task == ("multiclass" if loss.takes_labels else "binary")
        if loss.predicts == "rate":
            return has_counts
        needs_numbers = loss.predicts in ("mean and variance", "quantiles")
        return task == "regression" or (task == "binary" and not needs_numbers)

    fitting = [loss for loss in LOSSES if loss.predicts in PREFERENCE and suits(loss)]
    return [loss.__name__ for loss in sorted(fitting, key=lambda a: PREFERENCE.index(a.predicts))]


def loss_named(name: str, settings: Mapping[str, Value] | None = None) -> KernelLoss:
    """Return a loss by its name, with settings."""
    made: KernelLoss = next(kind for kind in LOSSES if kind.__name__ == name)(**(settings or {}))
    return made


def check_entry(
    entry: object, catalog: Mapping[str, tuple[Setting, ...]], where: str, key: str = "name"
) -> Entry:
    """Return an entry of the state with all its settings; ValueError for an invalid one."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be an object, but is {entry!r:.40}")
    name = entry.get(key)
    if not (isinstance(name, str) and name in catalog):
        raise ValueError(f"{where}: {name!r:.40} is not one of {', '.join(catalog)}")
    settings = {setting.name: setting for setting in catalog[name]}
    unknown = set(entry) - {key} - set(settings)
    if unknown:
        raise ValueError(f"{where}: {name} has no setting {min(map(str, unknown))!r:.40}")
    checked: Entry = {key: name}
    for setting in settings.values():
        checked[setting.name] = setting.check(entry.get(setting.name, setting.default), where)
    return checked


def described(
    catalog: Mapping[str, tuple[Setting, ...]], names: Iterable[str] | None = None
) -> dict[str, list[dict[str, object]]]:
    """Return a catalog for the page."""
    return {
        name: [
            {"name": s.name, "kind": s.kind, "default": s.default, "choices": list(s.choices)}
            for s in catalog[name]
        ]
        for name in (catalog if names is None else names)
    }
