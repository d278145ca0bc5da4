"""handnn.sklearn: scikit-learn's checks, its algorithm, and handnn's additions."""
