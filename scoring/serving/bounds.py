"""Which loans a lender agrees on in the place of the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a lender agrees on.

    Attributes
    ----------
    least_amount : float
        The share of the amount asked for below which nothing is offered, above 0 and below 1.
    step : float
        From one amount to the next, as a share of the one asked for.
    rounding : float
        What amounts are whole multiples of, in the lender's currency: by default what nearly all
        prices in Kaggle's applications are.
    longest_term : int
        The most monthly instalments.
    largest_instalment : float
        The largest instalment as a share of the one asked for; 1 burdens no month more.
    """

    least_amount: float = 0.5
    step: float = 0.02
    rounding: float = 4_500.0
    longest_term: int = 60
    largest_instalment: float = 1.25


USUAL = Bounds()
