"""md2n: multimodal learning with missing modalities.

>>> import md2n
>>> model = md2n.load("runs/first")                                # doctest: +SKIP
>>> model.predict({"audio": audio, "text": None}).labels           # doctest: +SKIP
>>> model.recover({"audio": audio, "text": None}).features["text"] # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from md2n.serve.predictor import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `import md2n` and `md2n --help` do not import torch.
    if name == "load":
        from md2n.serve.predictor import load

        return load
    raise AttributeError(f"module 'md2n' has no attribute '{name}'")
