"""Nearest rows by Euclidean distance: the arithmetic of a search.

A score orders the rows of a gallery as their distance to a query does. It comes from one product of matrices, which
rounds; so the best few are measured again by their differences, which do not cancel, and ties are broken by id.

Axes: N rows, Q queries, D length of a feature, R of a projected one, M candidates.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUNDING = 4e-6
"""By how much a score may be wrong, relative to the squared lengths of query and row."""
MAX_TIED = 4096
"""Most candidates that are measured because they cannot be told apart by their scores."""


class Nearest(NamedTuple):
    """Rows, nearest first."""

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]
    """Euclidean, not squared."""


def scores(rows: NDArray[np.float32], biases: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """bias - 2 row.query: the squared distance less the squared length of the query, where a bias is a row's.

    Args:
        rows: (N, D) float32.
        biases: (N,).
        queries: (Q, D) float32.

    Returns:
        (Q, N).
    """
    found = np.ascontiguousarray((rows @ queries.T).T)
    found *= -2
    found += biases
    return found


def candidates(row_scores: NDArray[np.float32], *, least: int, margin: float) -> NDArray[np.int64]:
    """The `least` best rows, and those that rounding may have put behind them; infinite scores never.

    Args:
        row_scores: (N,) of one query.
        margin: by how much a score may be wrong.

    Returns:
        (M,) ascending.
    """
    if least < len(row_scores):
        limit = np.partition(row_scores, least - 1)[least - 1] + 2 * margin
        found = np.flatnonzero(row_scores <= limit)
        if len(found) > least + MAX_TIED:
            order = np.argsort(row_scores[found], kind="stable")[: least + MAX_TIED]
            found = np.sort(found[order])
    else:
        found = np.arange(len(row_scores))
    return found[np.isfinite(row_scores[found])]


def candidates_needed(exact: NDArray[np.float32], estimated: NDArray[np.float32], *, k: int, share: float) -> int:
    """How many of the best rows by estimated scores hold a share of the k best by exact ones.

    Args:
        exact, estimated: (Q, N).
    """
    places = []
    for exact_row, estimated_row in zip(exact, estimated, strict=True):
        best = np.argsort(exact_row, kind="stable")[:k]
        places += [int((estimated_row < one).sum()) + 1 for one in estimated_row[best]]
    return int(np.quantile(places, share, method="higher"))


def measured(features: NDArray[np.float32], query: NDArray[np.float32], found: NDArray[np.int64], *, k: int) -> Nearest:
    """The k nearest of some rows; of rows at the same distance the first ones.

    Args:
        features: (M, D) those of the candidates.
        query: (D,).
        found: (M,) their rows, ascending.
    """
    difference = features - query
    squared = np.einsum("md,md->m", difference, difference)
    order = np.argsort(squared, kind="stable")[:k]
    return Nearest(found[order], np.sqrt(squared[order]))
