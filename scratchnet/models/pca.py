"""Principal component analysis: the best linear autoencoder, found without training.

    encode   z = (x − m)·V        m the mean of x, V (D,k) the k widest directions, orthonormal
    decode   x̂ = z·Vᵀ + m

Derivation   Of all k-dimensional planes through m, Σ|x − x̂|² = Σ|x − m|² − Σ|z|² is least where Σ|z|² = N·Σᵢ vᵢᵀCvᵢ
             is largest, C the covariance.  With |v| = 1 held by a multiplier, ∂(vᵀCv − λ(vᵀv − 1))/∂v = 0 says
             Cv = λv: the v are eigenvectors of C, λ = vᵀCv is the variance along them, and the largest k count.
Shapes       x (N,D) or images (N,1,H,W), which are laid out as rows; z (N,k); axes (D,k), variance (k,).
Errors       ValueError: k not in 1 … min(N, D); numbers that are not finite; rows of another width than those of fit;
             to whiten, an axis along which nothing varies.
Source       Pearson 1901, Philosophical Magazine 2; Bishop 2006, §12.1.
"""
from __future__ import annotations

import numpy as np


class PCA:
    """The k widest directions of the rows it is fitted to: PCA(k).fit(x), then encode, decode, whiten.

        z = (x − m)·V,    x̂ = z·Vᵀ + m,    whitened: z / √variance
    Shapes  fit: x (N,D) → mean (D,), axes (D,k), variance (k,);  encode: x (N,D) → (N,k);  decode: z (N,k) → (N,D);
            whiten: x (N,D) → (N,k);  images (N,1,H,W) are laid out as rows.
    Errors  ValueError: k not in 1 … min(N, D); x not a float array with rows; fit to numbers that are not finite;
            encode, decode or whiten before fit or of other columns; to whiten, an axis along which nothing varies.
    Source  Pearson 1901, Philosophical Magazine 2; Bishop 2006, §12.1.
    """

    def __init__(self, k: int):
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"PCA: k is {k!r}, expected a number of directions, 1 or more")
        self.k = int(k)

    def fit(self, x: np.ndarray) -> PCA:
        """Find mean (D,), axes (D,k) and variance (k,), widest first; each axis with its largest entry positive."""
        rows = as_rows(x)
        N, D = rows.shape
        if not self.k <= min(N, D):
            raise ValueError(f"PCA: k is {self.k}, expected at most {min(N, D)} for {N} rows of {D} numbers")
        self.mean = rows.mean(axis=0, dtype=np.float64)                         # (D,)
        covariance = np.zeros((D, D))
        for start in range(0, N, 5000):                                         # float64, without a copy of it all
            d = rows[start:start + 5000] - self.mean
            covariance += d.T @ d / N
        if not np.isfinite(covariance).all():
            raise ValueError(f"PCA: x holds {int((~np.isfinite(rows)).sum())} numbers that are NaN or infinite; clean the data")
        values, vectors = np.linalg.eigh(covariance)                            # smallest first
        self.axes, self.variance = vectors[:, :-self.k - 1:-1], np.maximum(values[:-self.k - 1:-1], 0)
        largest = self.axes[np.abs(self.axes).argmax(axis=0), np.arange(self.k)]
        self.axes = self.axes * np.sign(largest)                                # v and −v are both right: settle it
        return self

    def encode(self, x: np.ndarray) -> np.ndarray:
        """z = (x − m)·V, in the dtype of x."""
        self.check_fitted("encode")
        rows = as_rows(x)
        if rows.shape[1] != len(self.mean):
            raise ValueError(f"PCA: rows of {rows.shape[1]} numbers, expected {len(self.mean)} as in fit")
        V = self.axes.astype(x.dtype)
        return rows @ V - (self.mean @ self.axes).astype(x.dtype)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """x̂ = z·Vᵀ + m: rows (N,D), which reshape to images."""
        self.check_fitted("decode")
        if z.ndim != 2 or z.shape[1] != self.k:
            raise ValueError(f"PCA: codes {z.shape}, expected (N, {self.k}): one number per axis")
        return z @ self.axes.T.astype(z.dtype) + self.mean.astype(z.dtype)

    def whiten(self, x: np.ndarray) -> np.ndarray:
        """z / deviations: along every axis mean 0 and variance 1."""
        return self.encode(x) / self.deviations.astype(x.dtype)

    def check_fitted(self, what: str) -> None:
        if not hasattr(self, "mean"):
            raise ValueError(f"PCA: {what} before fit; call fit(x) first")

    @property
    def deviations(self) -> np.ndarray:
        """√variance (k,).  ValueError if one is 0: what does not vary cannot be given variance 1."""
        flat = self.variance <= 1e-12 * self.variance[0]
        if flat.any():
            raise ValueError(f"PCA: the rows vary along {int((~flat).sum())} directions only, not along k = {self.k}; "
                             "take a smaller k (for codes of a network: some of its units are dead)")
        return np.sqrt(self.variance)


def as_rows(x: np.ndarray) -> np.ndarray:
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.ndim < 2 or not x.size:
        got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
        raise ValueError(f"PCA: got {got}, expected a float array (N, D) or images (N, 1, H, W) with N ≥ 1")
    return x.reshape(len(x), -1)
