"""Nearest rows of an array: all of them compared, or by a graph of neighbours where that is too slow.

Compared are products of ``BLOCK`` queries with all items, in float32; the distances of those that are returned are
then taken from the difference of the two vectors itself, because a product cannot tell small ones apart.
"""

import numpy as np
import numpy.typing as npt
import torch

from md2n.errors import UsageError, install_hint

BLOCK = 128  # queries at a time: 51 MB of products with 100,000 items
SPARE = 8  # candidates beyond those asked for, so that rounding leaves no nearest one out
LINKS, EFFORT = 32, 128  # of the graph: neighbours of an item; candidates looked at per query

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


def nearest(query: Floats, items: Floats, count: int, approximate: bool = False) -> tuple[Places, Floats]:
    """``[Q, count]`` places and distances of the nearest items, the nearest first; of equal ones the first stored.

    Args:
        query: ``[Q, q]``.
        items: ``[N, q]``.
        count: at most N.
        approximate: by faiss' graph of neighbours (Malkov, Yashunin 2018), which may miss some.

    Raises:
        UsageError: faiss is not installed.
    """
    wanted = min(count + SPARE, len(items))
    places = _by_graph(query, items, wanted) if approximate else _by_products(query, items, wanted)
    distance = np.empty(places.shape, np.float32)
    for start in range(0, len(query), BLOCK):
        part = slice(start, start + BLOCK)
        distance[part] = np.linalg.norm(query[part, None] - items[places[part]], axis=2)
    order = np.lexsort((places, distance))[:, :count]
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(distance, order, axis=1)


def ranks_of_matches(query: Floats, items: Floats, match: Places) -> npt.NDArray[np.float64]:
    """``[Q]`` rank of each query's own item, from 1: those nearer count 1, others as near one half; NaN where none is.

    Args:
        query: ``[Q, q]``.
        items: ``[N, q]``.
        match: ``[Q]`` place of the own item; -1 for none.
    """
    ranks = np.full(len(query), np.nan)
    rows = np.flatnonzero(match >= 0)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        scores = _scores(query[part], items)
        own = scores[torch.arange(len(part)), torch.from_numpy(match[part])][:, None]
        near = 1e-6 * own.abs().clamp(min=1)  # rounding of a product
        ahead = (scores > own + near).sum(dim=1)
        level = (scores >= own - near).sum(dim=1) - ahead - 1
        ranks[part] = (1 + ahead + level / 2).numpy()
    return ranks


def _by_products(query: Floats, items: Floats, count: int) -> Places:
    places = [
        _scores(query[start : start + BLOCK], items).topk(count, dim=1).indices.numpy()
        for start in range(0, len(query), BLOCK)
    ]
    return np.concatenate(places) if places else np.zeros((0, count), np.int64)


def _scores(query: Floats, items: Floats) -> torch.Tensor:
    """``[Q, N]``, less by half the squared distance than what depends on the query alone: higher is nearer."""
    x = torch.from_numpy(items)
    return torch.from_numpy(query) @ x.T - x.square().sum(dim=1) / 2


def _by_graph(query: Floats, items: Floats, count: int) -> Places:
    try:
        import faiss
    except ImportError as error:
        raise UsageError("an approximate search needs faiss, which is not installed", install_hint("search")) from error
    graph = faiss.IndexHNSWFlat(items.shape[1], LINKS)
    graph.hnsw.efSearch = max(EFFORT, count)
    graph.add(np.ascontiguousarray(items))
    return np.asarray(graph.search(np.ascontiguousarray(query), count)[1], np.int64)
