"""``with_recovery``: the model and its settings."""
