"""How long the page takes to redraw after what a person does, with the API's part in it."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import NumberInput

from dashboard.texts import TEXTS

_APP = Path(__file__).resolve().parents[1] / "dashboard" / "app.py"
_TEXTS = TEXTS["fr"]
_WITHIN, _BESIDE = "details_fr", "tabs_fr"


def interactions(url: str, applicant: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Measure each interaction so many times: its median and longest time, in milliseconds."""
    # Streamlit tells at each step that no browser is there.
    logging.getLogger("streamlit.runtime").setLevel(logging.ERROR)
    with _environment({"API_URL": url, "API_TIMEOUT": "30"}):
        page = AppTest.from_file(str(_APP), default_timeout=60).run()
        page.text_input(key="number").set_value(str(applicant)).run()
        values = cycle((90_000.0, 180_000.0, 270_000.0))
        steps: dict[str, Callable[[], AppTest]] = {
            "find an applicant by number": lambda: (
                page.text_input(key="number").set_value(str(applicant)).run()
            ),
            "decide, with reasons": lambda: page.button(key="ask").click().run(),
            "compare with others": lambda: _at(page, _WITHIN, "similar_tab"),
            "what if: open": lambda: _at(page, _WITHIN, "what_if_tab"),
            "what if: another value": lambda: _credit(page).set_value(next(values)).run(),
            "earlier decisions": lambda: _at(page, _WITHIN, "history_tab"),
            "monitoring": lambda: _at(page, _BESIDE, "monitoring_tab"),
            "model": lambda: _at(page, _BESIDE, "model_tab"),
        }
        return {name: _timed(step, rounds) for name, step in steps.items()}


def _credit(page: AppTest) -> NumberInput:
    """Find the field of the amount on the tab of suppositions; its key names the decision."""
    return next(field for field in page.number_input if str(field.key).endswith("_AMT_CREDIT"))


def _at(page: AppTest, key: str, tab: str) -> AppTest:
    page.session_state[key] = _TEXTS[tab]
    return page.run()


def _timed(step: Callable[[], AppTest], rounds: int) -> tuple[float, float]:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        page = step()
        times.append(1000 * (time.perf_counter() - start))
        if page.exception:
            raise RuntimeError(page.exception[0].message)
    return median(times), max(times)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """The page's settings, for as long as it runs; and the main module, which it takes over."""
    before, main = dict(os.environ), sys.modules["__main__"]
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.modules["__main__"] = main
