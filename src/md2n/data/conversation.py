"""Which samples are utterances of one conversation, and in which order."""

import numpy as np
import numpy.typing as npt

from md2n.data.samples import Samples
from md2n.seeding import numpy_generator

COLUMNS = ("conversation", "dialogue", "video")  # group columns that are conversations; the first that there is

Codes = npt.NDArray[np.int64]


def conversations(samples: Samples) -> tuple[Codes, Codes] | None:
    """Code of the conversation and place inside it, ``[N]`` each; None where the data declare no conversation.

    The place is the order of the rows.  A sample whose conversation is the empty string is of none: code -1.
    """
    column = next((c for c in COLUMNS if c in samples.groups), None)
    if column is None:
        return None
    names = np.asarray(samples.groups[column], np.str_)
    _, codes = np.unique(names, return_inverse=True)
    codes = np.where(names == "", -1, codes.reshape(-1)).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], codes[order])
    place = np.empty_like(codes)
    place[order] = np.arange(len(codes)) - first
    return codes, place


def conversation_order(conversation: Codes, seed: int, epoch: int) -> Codes:
    """The order of an epoch's samples: conversations in a random order, the samples of each as they are stored.

    Args:
        conversation: ``[N]`` codes; a sample of none (-1) is a piece of its own.
        seed: of the run.
        epoch: number of the epoch.
    """
    _, pieces = np.unique(_own(conversation), return_inverse=True)
    rank = numpy_generator(seed, "order", epoch).permutation(int(pieces.max(initial=-1)) + 1)
    return np.argsort(rank[pieces.reshape(-1)], kind="stable").astype(np.int64)


def order_by_conversation(conversation: Codes) -> Codes:
    """The order of the data with every conversation in one piece, at the place of its first utterance.

    Args:
        conversation: ``[N]`` codes; a sample of none (-1) is a piece of its own.
    """
    _, first, pieces = np.unique(_own(conversation), return_index=True, return_inverse=True)
    return np.argsort(first[pieces.reshape(-1)], kind="stable").astype(np.int64)


def spans(length: int, size: int, conversation: Codes | None = None) -> list[tuple[int, int]]:
    """``(start, stop)`` of the batches of ``length`` samples in their order.

    Args:
        length: N.
        size: of a batch, at least 1.
        conversation: ``[N]`` codes, to cut between conversations only; batches are then smaller, or larger where one
            conversation is.
    """
    if conversation is None:
        return [(start, min(start + size, length)) for start in range(0, length, size)]
    bounds, start, ends = [], 0, _ends(conversation)
    while start < length:
        next_end, beyond = np.searchsorted(ends, [start, start + size], side="right")
        stop = int(ends[max(next_end, beyond - 1)])
        bounds.append((start, stop))
        start = stop
    return bounds


def cuts(conversation: Codes, batches: int) -> Codes:
    """Cuts of an epoch's order into batches at ends of conversations: those nearest to even cuts.

    Where one end is nearest to several even cuts, the nearest of these takes it.  The others stay, inside a
    conversation of at least N / ``batches`` samples (rounded down).  A batch may have one sample.

    Args:
        conversation: ``[N]`` codes in the epoch's order, as ``conversation_order`` gives it.
        batches: how many, at most N.

    Returns:
        ``batches - 1`` rising positions from 1 to N - 1: no batch is empty.
    """
    length = len(conversation)
    even = np.array([len(part) for part in np.array_split(np.arange(length), batches)[:-1]], np.int64).cumsum()
    ends = _ends(conversation)[:-1]
    if not len(ends):
        return even
    right = np.searchsorted(ends, even).clip(max=len(ends) - 1)
    left = (right - 1).clip(min=0)
    nearest = np.where(np.abs(ends[left] - even) <= np.abs(ends[right] - even), ends[left], ends[right])
    closest_first = np.lexsort((np.abs(nearest - even), nearest))
    _, taken = np.unique(nearest[closest_first], return_index=True)
    chosen = even.copy()
    chosen[closest_first[taken]] = nearest[closest_first[taken]]
    return np.sort(chosen)


def _own(conversation: Codes) -> Codes:
    """Codes with one for every sample of no conversation."""
    return np.where(conversation < 0, -1 - np.arange(len(conversation)), conversation)


def _ends(conversation: Codes) -> Codes:
    """Positions before which a conversation ends, rising to N."""
    own = _own(conversation)
    return np.append(np.flatnonzero(own[1:] != own[:-1]) + 1, len(own))
