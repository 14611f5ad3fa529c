"""``factor_analysis``: the model and its Gaussian."""
