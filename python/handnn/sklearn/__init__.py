"""Estimators for scikit-learn: MLPRegressor and MLPClassifier, by its names and in its habits.

They do what `sklearn.neural_network`'s do, so that another import line is enough, and more: see
docs/scikit-learn.md. Needs scikit-learn: ``pip install scikit-learn``.
"""

from __future__ import annotations

import importlib

try:
    importlib.import_module("sklearn.utils.validation").validate_data  # noqa: B018
except (AttributeError, ImportError):  # what is older than 1.6 has no validate_data
    raise ImportError(
        "handnn.sklearn needs scikit-learn 1.6 or later: pip install 'scikit-learn>=1.6'"
    ) from None

from handnn.sklearn.classifier import MLPClassifier
from handnn.sklearn.parameters import AS_SCIKIT_LEARN
from handnn.sklearn.regressor import MLPRegressor

__all__ = ["AS_SCIKIT_LEARN", "MLPClassifier", "MLPRegressor"]
