"""md2n: multimodal learning with missing modalities.

>>> import md2n
>>> model = md2n.fit({"audio": audio, "text": text}, labels)       # doctest: +SKIP
>>> model.evaluate({"audio": audio, "text": text}, labels)         # doctest: +SKIP
>>> model.predict({"audio": audio, "text": None}).labels           # doctest: +SKIP
>>> model.recover({"audio": audio, "text": None}).features["text"] # doctest: +SKIP
>>> model = md2n.load("runs/first")  # of `md2n train`              # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from md2n.diffusion.process import DuplexProcess
    from md2n.methods.md2n.model import MD2N
    from md2n.modality import Schema
    from md2n.serve.fitting import fit
    from md2n.serve.predictor import load
    from md2n.serve.pretrained import from_pretrained

__version__ = "0.2.0"
__all__ = ["MD2N", "DuplexProcess", "Schema", "__version__", "fit", "from_pretrained", "load"]

# Lazy, so that `import md2n` and `md2n --help` do not import torch.
_PLACES = {
    "fit": "md2n.serve.fitting",
    "load": "md2n.serve.predictor",
    "from_pretrained": "md2n.serve.pretrained",
    "MD2N": "md2n.methods.md2n.model",
    "DuplexProcess": "md2n.diffusion.process",
    "Schema": "md2n.modality",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'md2n' has no attribute '{name}'")
