"""Documents of headings, sentences, tables and pictures, as Markdown and as one HTML file.

The HTML loads nothing: it opens from a disk, without a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import NamedTuple


class Paragraph(NamedTuple):
    """A paragraph, in English unless it says otherwise."""

    text: str
    language: str = "en"


class Bullets(NamedTuple):
    """A list of sentences."""

    items: tuple[str, ...]


class Table(NamedTuple):
    """A table: its caption, its column headers, its rows; the first cell heads its row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Picture(NamedTuple):
    """A drawing as SVG; what it shows is said for those who cannot see it."""

    svg: str
    alternative: str


class Link(NamedTuple):
    """An address beside the document, what it is called, and what is found there."""

    address: str
    text: str
    explanation: str


class Links(NamedTuple):
    """A list of links."""

    items: tuple[Link, ...]


Block = Paragraph | Bullets | Table | Picture | Links


class Section(NamedTuple):
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]
    language: str = "en"


def markdown(title: str, sections: Iterable[Section]) -> str:
    """A document as GitHub-flavoured Markdown; of pictures only what they show."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_markdown_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def html(title: str, sections: Iterable[Section]) -> str:
    """A document as one HTML file that loads nothing."""
    body = "\n".join(
        f"<section{_lang(section.language)}>\n<h2>{escape(section.title)}</h2>\n"
        + "\n".join(map(_html_block, section.blocks))
        + "\n</section>"
        for section in sections
    )
    return page_of(title, body)


def page_of(title: str, body: str) -> str:
    """A body of HTML that loads nothing, as a page."""
    return _PAGE.format(title=escape(title), body=body)


def _markdown_block(block: Block) -> Iterable[str]:
    if isinstance(block, Paragraph):
        return [_markdown_text(block.text)]
    if isinstance(block, Picture):
        return [f"*{_markdown_text(block.alternative)}*"]
    if isinstance(block, Bullets):
        return [f"- {_markdown_text(item)}" for item in block.items]
    if isinstance(block, Links):
        return [
            f"- [{_markdown_text(one.text)}]({one.address}): {_markdown_text(one.explanation)}"
            for one in block.items
        ]
    return [
        f"*{block.caption}*",
        "",
        _markdown_row(block.header),
        _markdown_row(["---"] * len(block.header)),
        *map(_markdown_row, block.rows),
    ]


def _markdown_row(cells: Iterable[str]) -> str:
    lines = ("<br>".join(map(_markdown_text, cell.split("\n"))) for cell in cells)
    return "| " + " | ".join(line.replace("|", "\\|") for line in lines) + " |"


def _markdown_text(text: str) -> str:
    """Text on one line that holds no tag: a motive may say anything."""
    return re.sub(r"[^\S\xa0\u202f]+", " ", text).strip().replace("&", "&amp;").replace("<", "&lt;")


def _html_block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"<p{_lang(block.language)}>{escape(block.text)}</p>"
    if isinstance(block, Picture):
        # The drawing comes from our own code; the words in it were escaped where it was made.
        label = escape(block.alternative)
        return f'<figure role="img" aria-label="{label}">{block.svg}</figure>'
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Links):
        items = (
            f'<li><a href="{escape(one.address)}">{escape(one.text)}</a>: '
            f"{escape(one.explanation)}</li>"
            for one in block.items
        )
        return f"<ul>{''.join(items)}</ul>"
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in block.header)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in block.rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(block.caption)}"><table>'
        f"<caption>{escape(block.caption)}</caption>\n"
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _lang(language: str) -> str:
    return "" if language == "en" else f' lang="{language}"'


# Dark text on white: a contrast of 15 to 1. Wide tables scroll by themselves on narrow screens.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; color: #1f2328; background: #ffffff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1, h2 {{ line-height: 1.25; }}
h2 {{ border-bottom: 1px solid #6e7781; padding-bottom: .25rem; margin-top: 2.5rem; }}
.wide {{ overflow-x: auto; margin: 1rem 0; }}
table {{ border-collapse: collapse; }}
caption {{ text-align: left; font-weight: 600; padding: .25rem 0; }}
figure {{ margin: 1rem 0; }}
figure svg {{ max-width: 100%; height: auto; }}
th, td {{ border: 1px solid #6e7781; padding: .25rem .6rem; text-align: left;
  overflow-wrap: anywhere; vertical-align: top; }}
thead th {{ background: #eaeef2; overflow-wrap: break-word; }}
tbody th {{ font-weight: 600; }}
td {{ white-space: pre-wrap; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
