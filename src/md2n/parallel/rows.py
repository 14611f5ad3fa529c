"""Networks that treat every row of a batch by itself, asked in each process for its own part of the rows.

Every process has the whole batch and computes the whole loss.  Only the calls that take the time are divided: their
rows are split among the processes, and what they give is gathered again.  So all that is *not* by row stays what it is
in one process: means over known labels, batch statistics, correlations, conversations, random numbers, the order of
draws.  A training in N processes is that of one process up to rounding, for every method, and a method without such
networks is only no faster.

*Gradients.*  With the loss L computed in every process, let a divided call have rows x_r and parameters w in process r.
Back through the gathering each process takes the gradient of its own rows, N times; then w gets N dL_r / dw in process
r, and the mean over processes is their sum, the gradient of one process.  Parameters outside of divided calls have the
whole gradient in every process, and so has its mean.  The gradient of the rows is gathered and divided by N.

*Dropout.*  A process draws the numbers of all rows and takes those of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from md2n.brief import brief
from md2n.parallel.group import count, gathered, rank
from md2n.shapes import Tensor

# Class below ``md2n`` -> its methods by row.  Arguments and results are tensors whose first axis are rows, or records
# of them; a tensor of another length and anything else is handed on as it is.
BY_ROW: dict[str, tuple[str, ...]] = {
    "coders.decoder:SequenceDecoder": ("forward",),
    "coders.decoder:VectorDecoder": ("forward",),
    "coders.encoder:ConvolutionEncoder": ("forward",),
    "coders.encoder:LinearEncoder": ("forward",),
    "coders.encoder:QueryEncoder": ("forward",),
    "coders.encoder:VectorEncoder": ("forward",),
    "diffusion.condition:LearnedPartner": ("forward",),
    "diffusion.score:ScoreNetwork": ("forward",),
    "methods.dicmor.flow:Flow": ("forward", "inverse"),
    "methods.imder.score_net:ScoreNet": ("forward",),
    "methods.mctn.seq2seq:Decoder": ("forward",),
    "methods.mctn.seq2seq:Encoder": ("forward",),
    "methods.mctn.seq2seq:Reader": ("forward",),
    "methods.mmin.cascade:Cascade": ("forward",),
    "methods.parts.backbone:Backbone": ("encode", "fuse"),
    "methods.parts.refiner:Refiner": ("forward",),
    "methods.parts.utterance:VectorEncoder": ("forward",),
    "methods.transm.model:Translator": ("encode", "decode"),
}
# Networks whose ``encode`` prepares what ``forward`` is called with: in training, where one call follows one encoding,
# it is left to that call, so that what is encoded need not be gathered.
ENCODE_FIRST = ("diffusion.score:ScoreNetwork", "methods.imder.score_net:ScoreNet")


@dataclass(frozen=True)
class Share:
    """The rows of one process: ``first`` to ``last`` of ``rows``.

    Args:
        rows: of the whole call.
        edges: where the rows of each process begin, and the end.
    """

    rows: int
    edges: tuple[int, ...]

    __repr__ = brief

    @staticmethod
    def of(rows: int) -> "Share":
        """Even parts, in the order of ranks."""
        return Share(rows, tuple(rows * r // count() for r in range(count() + 1)))

    @property
    def sizes(self) -> list[int]:
        """Rows of each process."""
        return [last - first for first, last in zip(self.edges, self.edges[1:])]

    def own(self, x: Tensor, times: int = 1) -> Tensor:
        """The part of this process, of a tensor with ``times`` entries for each row."""
        return x[self.edges[rank()] * times : self.edges[rank() + 1] * times]


_divided: Share | None = None  # inside a divided call


@contextmanager
def rows_divided(model: nn.Module) -> Iterator[int]:
    """Within the block, the networks of a model that are in ``BY_ROW`` divide their rows among the processes.

    Yields:
        Number of networks that do; in a single process nothing is changed.
    """
    if count() == 1:
        yield 0
        return
    changed: list[tuple[nn.Module, str]] = []

    def change(module: nn.Module, name: str, call: Callable[..., Any]) -> None:
        setattr(module, name, call)
        changed.append((module, name))

    networks = 0
    for module in model.modules():
        kinds = [f"{c.__module__.removeprefix('md2n.')}:{c.__qualname__}" for c in type(module).__mro__]
        methods = next((BY_ROW[kind] for kind in kinds if kind in BY_ROW), ())
        networks += bool(methods)
        postponed = any(kind in ENCODE_FIRST for kind in kinds)
        for name in methods:
            change(module, name, _divide(getattr(module, name), postponed))
        if postponed:
            change(module, "encode", _postpone(module, getattr(module, "encode")))  # noqa: B009 - of any network
        if type(module) is nn.Dropout:
            change(module, "forward", _dropout(module))
    try:
        yield networks
    finally:
        for module, name in changed:
            delattr(module, name)


def _divide(call: Callable[..., Any], postponed: bool) -> Callable[..., Any]:
    """A call by row that is made for this process's rows; ``postponed`` where encodings are left to it."""

    def divided(*args: Any, **named: Any) -> Any:
        global _divided
        arguments = (args, named)
        rows = next((len(x) for x in _tensors(arguments) if x.dim()), 0)
        whole = _divided is not None or rows < count()
        if not whole:
            share = Share.of(rows)
            arguments = _rebuilt(arguments, rows, iter(_applied(_Part, share, _rows_of(arguments, rows))))
            _divided = share
        try:
            args, named = (_encoded(part) for part in arguments) if postponed else arguments
            answer = call(*args, **named)
        finally:
            if not whole:
                _divided = None
        if whole:
            return answer
        own = share.sizes[rank()]
        return _rebuilt(answer, own, iter(_applied(_Whole, share, _rows_of(answer, own))))

    return divided


@dataclass(frozen=True)
class Postponed:
    """An encoding that the call it is for will make; it has the arguments of ``encode`` as attributes.

    Args:
        encode: of the network.
        arguments: of it, by name.
    """

    encode: Callable[..., Any]
    arguments: dict[str, Any]

    __repr__ = brief

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.arguments:
            raise AttributeError(name)
        return self.arguments[name]


def _postpone(network: nn.Module, encode: Callable[..., Any]) -> Callable[..., Any]:
    def postponed(*args: Any, **named: Any) -> Any:
        if not network.training:
            return encode(*args, **named)
        return Postponed(encode, dict(signature(encode).bind(*args, **named).arguments))

    return postponed


def _encoded(tree: Any) -> Any:
    """Arguments with every postponed encoding made."""
    if isinstance(tree, Postponed):
        return tree.encode(**tree.arguments)
    if isinstance(tree, dict):
        return {name: _encoded(x) for name, x in tree.items()}
    return tuple(map(_encoded, tree)) if isinstance(tree, tuple) else tree


def _dropout(module: nn.Dropout) -> Callable[[Tensor], Tensor]:
    """Dropout that draws for all rows of a divided call, as one process would, and applies its own."""

    def forward(x: Tensor) -> Tensor:
        if _divided is None or not module.training or module.p == 0:
            return F.dropout(x, module.p, module.training)
        times = len(x) // _divided.sizes[rank()]
        shape = (_divided.rows * times, *x.shape[1:])
        # The numbers go by place in memory, so the whole has the order of axes that the part has.
        strides = x.stride()
        order = sorted(range(x.dim()), key=lambda axis: -strides[axis])
        whole = x.new_empty([shape[axis] for axis in order]).permute([order.index(axis) for axis in range(x.dim())])
        # As F.dropout does it, but only the draws are made for all rows.
        draws = _divided.own(whole.bernoulli_(1 - module.p), times)
        return x * draws.div(1 - module.p)

    return forward


class _Part(torch.autograd.Function):
    """Whole tensors to the rows of this process; their gradients are gathered."""

    @staticmethod
    def forward(ctx: Any, share: Share, *whole: Tensor) -> tuple[Tensor, ...]:
        ctx.share = share
        parts = tuple(share.own(x) for x in whole)
        ctx.mark_non_differentiable(*(x for x in parts if not x.is_floating_point()))
        return parts

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        wanted = [i for i, needed in enumerate(ctx.needs_input_grad[1:]) if needed]
        answer: list[Tensor | None] = [None] * len(gradients)
        # One call for all of them: side by side, a row each.
        flat = torch.cat([gradients[i].reshape(len(gradients[i]), -1) for i in wanted], dim=1)
        whole = gathered(flat, ctx.share.sizes) / count()
        for i, piece in zip(wanted, torch.split(whole, [gradients[i][0].numel() for i in wanted], dim=1)):
            answer[i] = piece.reshape(len(whole), *gradients[i].shape[1:]).to(gradients[i].dtype)
        return (None, *answer)


class _Whole(torch.autograd.Function):
    """The rows of this process to the whole tensors, gathered from all; see the module for the factor."""

    @staticmethod
    def forward(ctx: Any, share: Share, *own: Tensor) -> tuple[Tensor, ...]:
        ctx.share = share
        whole = tuple(gathered(x, share.sizes) for x in own)
        ctx.mark_non_differentiable(*(x for x in whole if not x.is_floating_point()))
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *(ctx.share.own(g) * count() if g.is_floating_point() else None for g in gradients))


def _applied(function: type[torch.autograd.Function], share: Share, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    answer: tuple[Tensor, ...] = function.apply(share, *tensors)  # type: ignore[no-untyped-call]
    return answer


def _parts(tree: Any) -> list[Any]:
    """What a container or a record holds, in order; nothing for anything else."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, list | tuple):
        return list(tree)
    return [getattr(tree, f.name) for f in fields(tree)] if is_dataclass(tree) and not isinstance(tree, type) else []


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    else:
        for part in _parts(tree):
            yield from _tensors(part)


def _rows_of(tree: Any, rows: int) -> Sequence[Tensor]:
    """The tensors of a tree whose first axis are the rows."""
    return [x for x in _tensors(tree) if x.dim() and len(x) == rows]


def _rebuilt(tree: Any, rows: int, others: Iterator[Tensor]) -> Any:
    """The tree with other tensors in the places of ``_rows_of``."""
    if isinstance(tree, Tensor):
        return next(others) if tree.dim() and len(tree) == rows else tree
    parts = [_rebuilt(part, rows, others) for part in _parts(tree)]
    if isinstance(tree, dict):
        return dict(zip(tree, parts))
    if isinstance(tree, list | tuple):
        return type(tree)(parts)
    if parts:
        return replace(tree, **dict(zip((f.name for f in fields(tree)), parts)))
    return tree
