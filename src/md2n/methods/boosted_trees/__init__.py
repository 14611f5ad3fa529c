"""``boosted_trees``: the model, its trees, and its settings."""
