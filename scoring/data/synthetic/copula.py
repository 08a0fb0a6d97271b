"""A Gaussian copula whose correlations are set so that the drawn columns correlate as real ones.

Correlating ranks is blurred by ties, missing values and everything that is derived on the way
from a latent normal variable to a column. Instead of a formula for each case, `nudged` compares
real and drawn correlations and moves the latent ones by the difference (the idea of NORTA,
Cario and Nelson 1997); `scoring.data.synthetic.profile` repeats that a few times.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.random import Generator
from scipy.special import ndtri

from scoring.data.synthetic.marginals import FloatArray

# Pairs of columns that fewer rows have in common say too little about a correlation.
FEWEST_PAIRS = 200
LARGEST = 0.998
# Scores vary by about 1; a column that hardly varies over the common rows has no correlation.
LEAST_VARIANCE = 0.1


def normal_scores(values: pl.DataFrame, keys: pl.DataFrame) -> FloatArray:
    """Ranks within strata as standard normal values; ties share their middle rank, nulls give NaN.

    `keys` has the stratum of each row for each column of `values`; strata are ranked apart.
    """
    ranked = []
    for name in values.columns:
        frame = pl.DataFrame({"value": values[name], "key": keys[name]})
        rank = pl.col("value").rank("average").over("key")
        share = (rank - 0.5) / pl.col("value").count().over("key")
        ranked.append(frame.select(share.cast(pl.Float64).alias(name)))
    shares = pl.concat(ranked, how="horizontal").fill_null(float("nan")).to_numpy()
    scores: FloatArray = ndtri(shares)
    return scores


def correlations(scores: FloatArray) -> FloatArray:
    """Pearson correlation of each pair of columns over the rows that have both.

    NaN for pairs with fewer than 200 common rows or without variation.
    """
    present = (~np.isnan(scores)).astype(float)
    filled = np.nan_to_num(scores)
    count = present.T @ present
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.T @ present / count
        variance = (filled**2).T @ present / count - mean**2
        covariance = filled.T @ filled / count - mean * mean.T
        result: FloatArray = covariance / np.sqrt(variance * variance.T)
    result[
        (count < FEWEST_PAIRS) | ~(variance > LEAST_VARIANCE) | ~(variance.T > LEAST_VARIANCE)
    ] = np.nan
    return result


def nudged(latent: FloatArray, real: FloatArray, drawn: FloatArray, step: float) -> FloatArray:
    """Latent correlations moved by the difference between real and drawn ones.

    Where the difference is unknown (NaN) the latent correlation stays.
    """
    moved = latent + step * np.nan_to_num(real - drawn)
    return nearest_correlation(np.clip(moved, -LARGEST, LARGEST))


def nearest_correlation(matrix: FloatArray, floor: float = 1e-3) -> FloatArray:
    """A positive definite correlation matrix close to a symmetric one, by clipped eigenvalues."""
    symmetric = (matrix + matrix.T) / 2
    np.fill_diagonal(symmetric, 1.0)
    values, vectors = np.linalg.eigh(symmetric)
    rebuilt = (vectors * np.maximum(values, floor)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(rebuilt))
    result: FloatArray = rebuilt * scale[:, None] * scale[None, :]
    return result


def packed(matrix: FloatArray) -> list[int]:
    """The lower triangle in thousandths, row by row, for a compact JSON."""
    rows, columns = np.tril_indices(len(matrix), -1)
    return [round(value) for value in (matrix[rows, columns] * 1000).tolist()]


def factor(thousandths: list[int], size: int) -> FloatArray:
    """The Cholesky factor, shape (size, size), of what `packed` gave."""
    return cholesky(nearest_correlation(unpacked(thousandths, size)))


def unpacked(thousandths: list[int], size: int) -> FloatArray:
    """The matrix, shape (size, size), of which `packed` gave the lower triangle."""
    matrix = np.eye(size)
    rows, columns = np.tril_indices(size, -1)
    matrix[rows, columns] = matrix[columns, rows] = np.array(thousandths) / 1000
    return matrix


def cholesky(matrix: FloatArray) -> FloatArray:
    """The lower triangular factor of a correlation matrix."""
    return np.linalg.cholesky(matrix).astype(np.float64)


def latents(rng: Generator, lower: FloatArray, rows: int) -> FloatArray:
    """Correlated standard normal values, shape (rows, size).

    einsum keeps to one order of summation whatever the number of threads, so equal seeds give
    equal bits.
    """
    drawn: FloatArray = np.einsum("ij,kj->ik", rng.standard_normal((rows, len(lower))), lower)
    return drawn


def mixed(
    latent: FloatArray,
    loading: float,
    rng: Generator,
    own: FloatArray | None = None,
) -> FloatArray:
    """Row-level normal values of which `loading` squared is common to an applicant's rows.

    `own` is what is not common, drawn afresh by default.
    """
    if own is None:
        own = rng.standard_normal(len(latent))
    result: FloatArray = loading * latent + np.sqrt(1 - loading**2) * own
    return result


def loading(values: pl.Series, groups: pl.Series) -> float:
    """The square root of the intra-class correlation of rows' normal scores (one-way ANOVA)."""
    frame = pl.DataFrame({"value": values.cast(pl.Float64).fill_nan(None), "group": groups})
    frame = frame.drop_nulls("value")
    score = ndtri(((frame["value"].rank("average") - 0.5) / frame.height).to_numpy())
    table = (
        frame.with_columns(score=score)
        .group_by("group")
        .agg(
            pl.len().cast(pl.Float64),
            mean=pl.col("score").mean(),
            within=pl.col("score").var(ddof=0),
        )
    )
    size, means, within = (table[name].to_numpy() for name in ("len", "mean", "within"))
    rows, count = size.sum(), len(size)
    inside = float((size * within).sum() / (rows - count))
    grand = float((size * means).sum() / rows)
    between = float((size * (means - grand) ** 2).sum() / (count - 1))
    typical = (rows - (size**2).sum() / rows) / (count - 1)
    shared = (between - inside) / (between + (typical - 1) * inside)
    return float(np.sqrt(np.clip(shared, 0.0025, 0.9)))
