"""Documents of headings, sentences, tables and pictures, as Markdown and as one HTML file.

The HTML loads nothing: it opens from a disk, without a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from scoring.formats import locale_of
from scoring.language import LANGUAGES

# In this order they stand in a document of several languages: the first is shown unless asked.
READ_IN = tuple(sorted(LANGUAGES, key="en".__ne__))


class Paragraph(NamedTuple):
    """A paragraph."""

    text: str


class Verdict(NamedTuple):
    """The one sentence that a reader in a hurry takes along, and how grave it is."""

    text: str
    level: Literal["good", "warning", "critical"]


class Marked(NamedTuple):
    """Paragraphs, lists and tables as Markdown, in which a tag is only text."""

    text: str


class Bullets(NamedTuple):
    """A list of sentences."""

    items: tuple[str, ...]


class Table(NamedTuple):
    """A table: its caption, its column headers, its rows; the first cell heads its row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Picture(NamedTuple):
    """A drawing as SVG, and a sentence that says what it shows."""

    svg: str
    alternative: str


Block = Paragraph | Verdict | Marked | Bullets | Table | Picture


class Section(NamedTuple):
    """A heading, what stands below it, and whether a reader can fold it away."""

    title: str
    blocks: tuple[Block, ...]
    folds: bool = False


class Page(NamedTuple):
    """A document in one language."""

    title: str
    sections: Sequence[Section]
    language: str = "en"


def markdown(title: str, sections: Iterable[Section]) -> str:
    """Write a document as GitHub-flavoured Markdown; of pictures only what they show."""
    return _filled("document.md.jinja", title=title, sections=sections)


def html(
    title: str,
    sections: Iterable[Section],
    language: str = "en",
    template: str = "document.html.jinja",
    **further: object,
) -> str:
    """Write a document as one HTML file that loads nothing.

    The template extends the document's; `further` is what it needs beyond the document.
    """
    return in_languages([Page(title, tuple(sections), language)], template, **further)


def in_languages(
    pages: Sequence[Page], template: str = "document.html.jinja", **further: object
) -> str:
    """Write a document in several languages as one HTML file that shows one at a time.

    It shows the first; at its fragment, `#fr` for example, the one of that language. Parameters are
    those of `html`.
    """
    return _filled(template, pages=pages, **further)


def _filled(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scoring.reports"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",)),
        undefined=StrictUndefined,
        finalize=lambda value: _kept_together(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    environment.filters |= {
        "kind": lambda block: type(block).__name__,
        "autonym": lambda language: (locale_of(language).display_name or language).capitalize(),
        # Tags in it are escaped.
        "marked": lambda text: Markup(parser.render(_kept_together(text))),  # noqa: S704
        "line": _line,
        "cell": _cell,
    }
    return environment


def _kept_together(text: str) -> str:
    """Keep the signs that French sets off by a blank on the line of their word."""
    text = re.sub(r" (?=[;?!](?:\s|$))", "\u202f", text)
    return re.sub(r" (?=:(?:\s|$)|[»%])|(?<=«) ", "\xa0", text)


def _cell(text: str) -> str:
    return "<br>".join(map(_line, text.split("\n"))).replace("|", "\\|")


def _line(text: str) -> str:
    """Text on one line that holds no tag: a motive may say anything."""
    return re.sub(r"[^\S\xa0\u202f]+", " ", text).strip().replace("&", "&amp;").replace("<", "&lt;")
