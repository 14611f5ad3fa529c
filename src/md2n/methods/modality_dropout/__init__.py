"""``modality_dropout``: the model."""
