"""The steps that a sampler visits, of all steps 0..T."""

from bisect import bisect_left
from collections.abc import Sequence

from md2n.errors import ConfigError


def timesteps(start: int, count: int, end: int = 0, clock: Sequence[float] | None = None) -> tuple[int, ...]:
    """``count`` strides from ``start`` down to ``end``, as equal as whole steps can be: ``count + 1`` falling integers.

    Args:
        start: first step.
        count: strides.
        end: last step.
        clock: what the strides are equal in, rising, one number for each of the steps 0..start or more; t itself
            unless given.

    Raises:
        ConfigError: more strides than steps, or none.
    """
    if not 1 <= count <= start - end:
        raise ConfigError(
            f"{count} sampling steps do not fit between step {start} and step {end}",
            f"choose between 1 and {start - end}",
        )
    if clock is None:
        return tuple(end + round((start - end) * left / count) for left in range(count, -1, -1))
    path = [start]
    for left in range(count - 1, -1, -1):
        time = clock[end] + (clock[start] - clock[end]) * left / count
        lowest, highest = end + left, path[-1] - 1  # so that every stride is left at least one step
        above = bisect_left(clock, time, lowest, highest)
        path.append(min(max(above - 1, lowest), above, key=lambda t: abs(clock[t] - time)))
    return tuple(path)
