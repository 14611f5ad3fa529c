r"""Standard normal noise, from either of two sources.

``SequentialNoise`` takes it from a generator in the order of the calls: for training, where a batch is a step.
``SampleNoise`` computes it: for use, where what is drawn for a sample must not depend on the samples beside it.  Row b
is a function of nothing but a seed, the key of the sample, the names of the stream and the number of the draw,

    state_b = mix(mix(key_b) + seed),    deeper streams: state <- mix(state + hash(names)),
    w_bi    = mix(state_b + (i + 1) g),  i = 0, 1, ...                   (SplitMix64: Steele, Lea, Flood, OOPSLA 2014)

and each w gives two uniforms of 32 bits, these two normals (Box and Muller 1958).  A longer row begins with the numbers
of a shorter one, so padding changes nothing.  It is integer arithmetic modulo 2^64, the same on every device; what
comes after it differs in the last digits at most.
"""

import abc
import math

import torch

from md2n.seeding import stream_seed
from md2n.shapes import Float, Int, Tensor

WORD = 1 << 64
GOLDEN, DRAW = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95  # odd, so that no two multiples of one are equal
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Noise(abc.ABC):
    """Unit normal numbers for B rows."""

    @abc.abstractmethod
    def like(self, x: Float[Tensor, "batch *rest"], *names: str | int) -> Float[Tensor, "batch *rest"]:
        """Noise of the shape, kind and device of ``x``; ``names`` say what it is for: equal names, equal noise."""

    @abc.abstractmethod
    def fork(self, *names: str | int) -> "Noise":
        """The same rows, in a stream that is independent of every stream of other names."""

    @abc.abstractmethod
    def rows(self, index: Int[Tensor, " chosen"]) -> "Noise":
        """The rows at ``index``."""

    @abc.abstractmethod
    def draws(self, count: int) -> "Noise":
        """``count`` independent draws of every row, one draw of the batch after another: ``count * B`` rows."""


class SequentialNoise(Noise):
    """Numbers of a generator, each call the next ones, whatever they are for.

    Args:
        generator: on the device of what noise is asked for.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def like(self, x: Float[Tensor, "batch *rest"], *names: str | int) -> Float[Tensor, "batch *rest"]:
        return torch.randn(x.shape, generator=self.generator, dtype=x.dtype, device=x.device)

    def fork(self, *names: str | int) -> "SequentialNoise":
        return self

    def rows(self, index: Int[Tensor, " chosen"]) -> "SequentialNoise":
        return self

    def draws(self, count: int) -> "SequentialNoise":
        return self


class SampleNoise(Noise):
    """Numbers by seed, sample, names and draw.

    Args:
        state: ``[B]``; see ``of``.
    """

    def __init__(self, state: Int[Tensor, " batch"]) -> None:
        self.state = state

    @classmethod
    def of(cls, keys: Int[Tensor, " batch"], generator: torch.Generator) -> "SampleNoise":
        """Noise of the samples with these keys; two rows with one key get the same.

        Args:
            keys: ``[B]`` any whole numbers.
            generator: on any device; one number is taken from it, the seed.
        """
        seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device).to(keys.device)
        return cls(_mixed(_mixed(keys.long() + _signed(GOLDEN)) + seed))

    def like(self, x: Float[Tensor, "batch *rest"], *names: str | int) -> Float[Tensor, "batch *rest"]:
        """See ``Noise``; a sequence of another length has the same numbers at the same places.

        Raises:
            ValueError: other rows than those that there is noise for.
        """
        if len(x) != len(self.state):
            raise ValueError(f"{len(x)} rows ask for the noise of {len(self.state)}")
        state = self.fork(*names).state if names else self.state
        return normal(state, math.prod(x.shape[1:]), x.dtype).view(x.shape)

    def fork(self, *names: str | int) -> "SampleNoise":
        return SampleNoise(_mixed(self.state + stream_seed(0, *names)))

    def rows(self, index: Int[Tensor, " chosen"]) -> "SampleNoise":
        return SampleNoise(self.state[index])

    def draws(self, count: int) -> "SampleNoise":
        numbers = torch.arange(1, count + 1, device=self.state.device)[:, None] * _signed(DRAW)
        return SampleNoise(_mixed((self.state + numbers).flatten()))


def normal(state: Int[Tensor, " row"], count: int, dtype: torch.dtype) -> Float[Tensor, "row number"]:
    """``[B, count]`` standard normal numbers.

    Args:
        state: ``[B]`` 64 random bits each.
        count: numbers of a row.
        dtype: of the numbers; they are computed in it, or in float32 where it is shorter.
    """
    exact = dtype if dtype in (torch.float32, torch.float64) else torch.float32
    places = torch.arange(1, (count + 1) // 2 + 1, device=state.device) * _signed(GOLDEN)
    words = _mixed(state[:, None] + places)
    angle = words.to(torch.int32).to(exact).mul_(math.pi / 2**31)  # the lower 32 bits, with a sign
    upper = (words >> 32).bitwise_and_(2**32 - 1).to(exact)
    radius = upper.add_(0.5).mul_(2.0**-32).log_().mul_(-2).sqrt_()
    pairs = torch.stack([angle.cos().mul_(radius), angle.sin().mul_(radius)], dim=2).flatten(1)
    return pairs[:, :count].to(dtype)


def _mixed(x: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
    """SplitMix64's finaliser, in place: every bit of the answer depends on every bit of ``x``, and no two are equal."""
    for shift, factor in ((30, FIRST), (27, SECOND)):
        x ^= (x >> shift).bitwise_and_((1 << (64 - shift)) - 1)  # a logical shift
        x *= _signed(factor)
    x ^= (x >> 31).bitwise_and_((1 << 33) - 1)
    return x


def _signed(word: int) -> int:
    """64 bits as torch holds them."""
    return word - WORD if word >= WORD // 2 else word
