"""Documents: signs that French sets off stay on the line of their word, drawings as they are."""

from __future__ import annotations

from scoring.reports.document import Marked, Page, Paragraph, Picture, Section, in_languages

FRENCH = "Ceci : « oui » ; à 95 % ?"
KEPT = "Ceci\xa0: «\xa0oui\xa0»\u202f; à 95\xa0%\u202f?"


def test_signs_stay_on_the_line_of_their_word() -> None:
    drawing = "<svg><style>path { fill : none }</style></svg>"
    blocks = (
        Paragraph(FRENCH),
        Marked(f"{FRENCH}\n\n| a |\n| :-- |\n| b |"),
        Picture(drawing, "x"),
    )
    text = in_languages([Page(FRENCH, [Section("", blocks)], "fr")])
    assert f"<h1>{KEPT}</h1>" in text
    assert text.count(f"<p>{KEPT}</p>") == 2
    assert "<table>" in text
    assert drawing in text
