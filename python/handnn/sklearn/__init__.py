"""Estimators for scikit-learn: drop-in replacements for its MLPRegressor and MLPClassifier.

They accept the parameters of `sklearn.neural_network`'s estimators and more: see
docs/scikit-learn.md. They need scikit-learn 1.6 or later.
"""

from __future__ import annotations

import importlib

try:
    importlib.import_module("sklearn.utils.validation").validate_data  # noqa: B018
except (AttributeError, ImportError):  # releases before 1.6 have no validate_data
    raise ImportError(
        "handnn.sklearn needs scikit-learn 1.6 or later: pip install 'scikit-learn>=1.6'"
    ) from None

from handnn.sklearn.classifier import MLPClassifier
from handnn.sklearn.parameters import AS_SCIKIT_LEARN
from handnn.sklearn.regressor import MLPRegressor

__all__ = ["AS_SCIKIT_LEARN", "MLPClassifier", "MLPRegressor"]
