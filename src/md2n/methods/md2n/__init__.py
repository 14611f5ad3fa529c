"""``md2n``: the model, its recovery and its settings."""
