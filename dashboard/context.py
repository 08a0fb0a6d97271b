"""What every part of the page works with: the API, the language, who is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.client import Api, ApiError
from dashboard.settings import Settings
from dashboard.texts import TEXTS, Language, moment, number, percent, percents, separators, signed


class Page(NamedTuple):
    """The page as somebody has opened it."""

    api: Api
    settings: Settings
    language: Language
    actor: str

    @property
    def texts(self) -> dict[str, str]:
        """All texts in the page's language."""
        return TEXTS[self.language]

    def say(self, key: str, **values: object) -> str:
        """A text in the page's language, with its places filled."""
        return self.texts[key].format(**values)

    def percent(self, share: float, decimals: int = 1) -> str:
        """A share as the language writes it."""
        return percent(share, self.language, decimals)

    def percents(self, *shares: float) -> list[str]:
        """Shares that are held against each other: different ones never read alike."""
        return percents(shares, self.language)

    def number(self, value: float, decimals: int | None = None) -> str:
        """A number as the language writes it."""
        return number(value, self.language, decimals)

    def signed(self, value: float, decimals: int = 2) -> str:
        """A difference."""
        return signed(value, self.language, decimals)

    def moment(self, text: str) -> str:
        """A time of the API's as the language writes it."""
        return moment(text, self.language)

    def value(self, found: object) -> str:
        """Any value of a feature or a field."""
        if found is None:
            return self.say("unknown")
        if isinstance(found, int | float) and not isinstance(found, bool):
            return self.number(found)
        return str(found)

    def signature(self, key: str, usual: str = "") -> str:
        """Who acts: asked for here unless it is said on the left, which a telephone folds away."""
        if said := self.actor.strip():
            return said
        asked = st.text_input(self.say("actor"), usual, key=key, autocomplete="name", max_chars=200)
        return asked.strip()

    def table(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows by the names of texts, which are above the columns."""
        shown = [{self.say(name): value for name, value in row.items()} for row in rows]
        st.dataframe(shown, hide_index=True)

    def chart(self, figure: go.Figure, alternative: str, key: str | None = None) -> None:
        """A chart, its numbers as the language writes them, and words for who does not see it."""
        figure.update_layout(separators=separators(self.language))
        config = {"displayModeBar": False}
        st.plotly_chart(figure, config=config, theme=None, alt=alternative, key=key)


def as_typed(text: str, longest: int = 300) -> str:
    """Somebody else's words in a sentence: none of their marks means anything."""
    return f"`{text[:longest].replace('`', chr(39))}`"


def plain(text: str) -> str:
    """Take the meaning from signs that Markdown would read."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>$#~|:" else sign for sign in text)


def beside() -> DeltaGenerator:
    """A place where figures stand side by side, as many as there is room for."""
    return st.container(horizontal=True, gap="medium")


@contextmanager
def failures_told(page: Page) -> Iterator[None]:
    """Say in words what the API did not do, and go on after it."""
    try:
        yield
    except ApiError as error:
        show_failure(page, error)


def show_failure(page: Page, error: ApiError, labels: Mapping[str, str] = {}) -> None:
    """What went wrong, and what to do about it; an application's columns by their labels."""
    advice = page.say(
        f"{error.failure}_help",
        url=page.settings.shown_url,
        timeout=f"{page.settings.timeout:g}",
        wait=error.wait or "60",
    )
    st.error(f"**{page.say(error.failure)}.** {advice}", icon=":material/error:")
    if error.errors:
        lines = []
        for wrong in error.errors:
            name = labels.get(wrong.pointer.removeprefix("/application/"), wrong.pointer)
            said = plain(wrong.detail or page.say("required"))
            lines.append(f"- **{plain(name)}**{page.say('colon')} {said}")
        st.markdown("\n".join(lines))
    elif error.failure in ("refused", "failed", "missing", "no_scope") and error.detail:
        st.write(page.say("said"), error.detail)
