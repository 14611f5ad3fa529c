"""What makes pages and results; run from the project's root: ``python -m scripts.generate``."""
