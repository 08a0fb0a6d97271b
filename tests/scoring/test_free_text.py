"""What people write is read alike at every door, kept as it was meant, and shown line by line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from rich.console import Console
from typer.testing import CliRunner

from api.decisions import example
from scoring.__main__ import app
from scoring.cli.console import _show_log
from scoring.registry.promotions import RegistryError, check_motive
from scoring.reports.document import Section, Table, html, markdown
from tests.helpers import serving

# What is written, and what is kept of it; None where it is refused.
TEXTS = {
    "lines": ("Paid off.\nSee mail.", "Paid off.\nSee mail."),
    "lines of Windows": ("Paid off.\r\nSee mail.\r", "Paid off.\nSee mail."),
    "lines of old": ("Paid\roff.", "Paid\noff."),
    "separators of lines": ("Paid\u2028off.\u2029", "Paid\noff."),
    "a tab": ("Paid\toff.", "Paid\toff."),
    "no-break spaces": ("10\u202f000\u00a0€", "10\u202f000\u00a0€"),
    "blanks around": (" \n\u00a0Paid off.\t\n", "Paid off."),
    "directions": ("\u202eP\u2066a\u200ei\u200fd\u061c\u2069 \u202aoff\u202c.", "Paid off."),
    "joiners": ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
    "an emoji of two": ("\U0001f468\u200d\U0001f469 paid.", "\U0001f468\u200d\U0001f469 paid."),
    "fillers": ("\u3164\u115f\u1160\uffa0", None),
    "fillers and one letter": ("\u3164\u3164a\uffa0", None),
    "blanks": ("\n\t\u00a0\u202f\n", None),
    "directions alone": ("\u202e\u2066\u200f", None),
    "NUL": ("Paid\0off.", None),
    "a bell": ("Paid\aoff.", None),
    "an escape": ("\x1b[2JPaid off.", None),
    "a form feed": ("Paid off.\f", None),
    "a separator at the end": ("Paid off.\x1c", None),
    "DEL": ("Paid\x7foff.", None),
    "next line of C1": ("Paid\x85off.", None),
    "an introducer of C1": ("Paid\x9boff.", None),
    "half a pair": ("Paid \ud83d off.", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("texts")
    with serving.running_app(serving.settings(small_model, folder)) as served:
        yield served.test_client()


def override(client: FlaskClient, text: str, _: Path) -> str | None:
    number = client.post("/predict", json=example.REQUEST).json["id"]  # type: ignore[index]
    body = json.dumps({"decision": "accept", "actor": text, "motive": text})
    answer = client.post(
        f"/predictions/{number}/override", data=body, content_type="application/json"
    )
    kept = client.get(f"/predictions/{number}").json["overrides"]  # type: ignore[index]
    assert answer.status_code in (200, 201, 400, 422), answer.text
    assert bool(kept) == (answer.status_code < 400)
    if not kept:
        return None
    assert kept[0]["actor"] == kept[0]["motive"]
    return str(kept[0]["motive"])


def policy(client: FlaskClient, text: str, _: Path) -> str | None:
    body = json.dumps({"actor": text, "motive": text, "refer_all": False})
    answer = client.put("/policy", data=body, content_type="application/json")
    if answer.status_code in (400, 422):
        return None
    assert answer.status_code == 200, answer.text
    store = client.application.extensions["service"].store
    told = store.models.events(1)[0].detail
    by, _, why = told[told.index("(") + 1 : -1].partition(": ")
    assert by == why
    return str(why)


def promotion(_: FlaskClient, text: str, folder: Path) -> str | None:
    try:
        by, why = check_motive(text, text)
    except RegistryError:
        # The command says it before it reads or writes anything.
        words = ["promote", "--data", "none", "--by", "ana", "--why", text, "--mlruns", str(folder)]
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, list(folder.iterdir())) == (1, [])
        assert "--why must h" in done.stderr
        return None
    assert by == why
    return why


def key(_: FlaskClient, text: str, folder: Path) -> str | None:
    database = f"sqlite:///{folder / 'scoring.db'}"
    words = ["keys", "add", text, "--scope", "score", "--database", database]
    done = CliRunner().invoke(app, words)
    if done.exit_code:
        assert "a key's name says whose it is: must " in done.stderr
        return None
    return done.stderr.partition(" of ")[2].partition(" for score;")[0]


@pytest.mark.parametrize("door", [override, policy, promotion, key])
@pytest.mark.parametrize("case", TEXTS)
def test_every_door_keeps_and_refuses_the_same(
    client: FlaskClient,
    door: Callable[[FlaskClient, str, Path], str | None],
    case: str,
    tmp_path: Path,
) -> None:
    text, kept = TEXTS[case]
    if case == "fillers and one letter" and door is key:
        # A name has one letter at the least.
        kept = text
    if kept is not None and "\n" in kept and door is key:
        # It stands in lists and in logs: a line each.
        kept = None
    assert door(client, text, tmp_path) == kept


def test_the_length_is_that_of_what_is_kept(client: FlaskClient, tmp_path: Path) -> None:
    text = "x\r\n" * 100
    assert override(client, text, tmp_path) == text.replace("\r\n", "\n").strip()
    assert override(client, "x" * 201, tmp_path) is None


def test_a_log_says_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    _show_log(Console(stderr=True))
    logging.getLogger("scoring.texts").info("by %s", "ana\nerror: forged\u2028twice")
    assert capsys.readouterr().err == "info: by ana error: forged twice\n"


def test_documents_keep_its_lines_in_its_cell() -> None:
    table = Table("Who", ("Field", "Value"), (("Why", "One | <b>\n| two | 1\u202f000"),))
    section = [Section("Approval", (table,))]
    row = "| Why | One \\| &lt;b><br>\\| two \\| 1\u202f000 |"
    assert row in markdown("Card", section).splitlines()
    page = html("Card", section)
    assert "<td>One | &lt;b&gt;\n| two | 1\u202f000</td>" in page
    assert "td { white-space: pre-wrap;" in page
