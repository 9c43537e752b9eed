"""A projection that makes the search of a large gallery cheap: principal components, and what they leave out.

The squared distance of two features is that of their projections plus that of what the projection leaves out. The
latter is estimated as the sum of the two squared lengths (as if what is left out of the two were at right angles),
which orders candidates far better than the projections alone, and costs one number a row.

Source: principal components by randomised subspace iteration, Halko, Martinsson and Tropp 2011, algorithm 4.4.

Axes: N rows, D length of a feature, R of a projected one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_COMPONENTS = 256
MAX_FITTED = 4096
"""Most rows that the components are found from."""
_EXTRA, _ROUNDS = 16, 3
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Reduction:
    """The projection x -> (x - mean) @ components."""

    mean: NDArray[np.float32]
    """(D,)."""
    components: NDArray[np.float32]
    """(D, R), orthonormal columns."""

    @staticmethod
    def fit(rows: NDArray[np.float32], *, num_components: int = NUM_COMPONENTS, seed: int = 0) -> "Reduction":
        """The directions in which some rows (N, D) differ most; fewer where there are fewer rows or numbers."""
        rng = np.random.default_rng(seed)
        mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = rows - mean
        num = min(num_components, *rows.shape)
        wide = min(num + _EXTRA, *rows.shape)
        basis = rng.standard_normal((rows.shape[1], wide), dtype=np.float32)
        for _ in range(_ROUNDS):
            basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
        _, _, turned = np.linalg.svd(centred @ basis, full_matrices=False)
        return Reduction(mean, np.ascontiguousarray(basis @ turned.T[:, :num]))

    def project(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, D) -> (N, R) the projected rows, and (N,) their biases: the squared lengths before projection.

        With them `nearest.scores` is the estimated squared distance, less what is the same for all rows.
        """
        parts = list(self._blocks(rows))
        nothing = np.empty((0, self.components.shape[1]), np.float32), np.empty(0, np.float32)
        reduced, biases = zip(*(parts or [nothing]), strict=True)
        return np.concatenate(reduced), np.concatenate(biases)

    def _blocks(self, rows: NDArray[np.float32]) -> Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for start in range(0, len(rows), _BLOCK):
            centred: NDArray[np.float32] = rows[start : start + _BLOCK] - self.mean
            yield centred @ self.components, np.einsum("nd,nd->n", centred, centred)
