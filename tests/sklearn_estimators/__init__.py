"""handnn.sklearn: scikit-learn's checks, its algorithm, and what is ours."""
