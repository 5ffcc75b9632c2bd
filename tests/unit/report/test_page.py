"""The pages: what they show of a study, that they need no other file, and that they stay small."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pages import FINDINGS, Made, make_pages

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.report import page as pages_module
from tuning_dynamics.report import table_json as embed
from tuning_dynamics.report.account import grid_rows, stage_costs
from tuning_dynamics.report.captions import (
    caption_html,
    column_meanings,
    plain_text,
    table_caption,
)
from tuning_dynamics.report.interval import MARGIN, WIDTH, drawing
from tuning_dynamics.report.table_json import embedded_table, embedded_tables
from tuning_dynamics.tables.catalogue import all_tables, columns_of
from tuning_dynamics.tables.tables import from_rows, write_table

NAN = float("nan")


class Page(HTMLParser):
    """A page's elements, its text, and its headings' levels; a tag that does not fit fails."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})
    #: Shapes that SVG writes as one tag.
    SHAPES = frozenset({"line", "rect", "circle"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID | self.SHAPES:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.SHAPES:
            assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if not set(self.open) & {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_pages(tmp_path_factory.mktemp("study"))


def test_the_findings_come_first_with_verdict_number_interval_and_figure(made: Made) -> None:
    for path in (made.report, made.findings):
        page = Page(path)
        articles = [name for name, _ in page.elements].count("article")
        assert articles == 2 * len(FINDINGS)
        for finding in FINDINGS:
            assert finding["sentence"] in page.text
        drawn = [svg["aria-label"] for svg in page.named("svg")]
        assert drawn == 2 * [
            "mean change: −0.120, interval from −0.160 to −0.080",  # noqa: RUF001
            "slope of spread: +0.050, interval from +0.020 to +0.080",
            "slope of change: +0.010, without an interval",
        ]
    headings = re.findall(r"<h2[^>]*>([^<]*)", made.report.read_text(encoding="utf-8"))
    assert headings[:3] == ["What tuning changed", "Findings", "Examples"]


def test_the_page_leads_with_what_tuning_changed(made: Made) -> None:
    page = Page(made.report)
    assert "On its own set, accuracy went from" in page.text
    assert "Of 7 other sets:" in page.text
    # One table for each of the eight sets that the one family was tuned on.
    titles = [each["aria-label"] or "" for each in page.named("div") if each.get("aria-label")]
    assert sum("before and after tuning" in title for title in titles) == 8
    verdicts = re.findall(r'<strong class="(raised|lowered|no-difference-shown)">', raw(made))
    assert len(verdicts) == 64
    assert "of 64 comparisons without any true change, about 3.2 would be" in page.text


def test_one_sentence_on_all_train_sets_stands_above_all_else(made: Made) -> None:
    for path in (made.report, made.findings):
        header = re.findall(r"<header>(.*?)</header>", path.read_text(encoding="utf-8"), re.S)[0]
        sentence = re.findall(r"<p>(.*?)</p>", header, re.S)
        assert len(sentence) == 1
        assert sentence[0].startswith("Of the findings of Amuro &amp; Char, 1 is supported here; ")
        assert "left open. At checkpoint 1000, tuning toy by full on 8 sets " in sentence[0]
        assert header.index(sentence[0]) < header.index("<dl")


def test_sentences_on_many_families_are_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "overview", lambda *_: ["a <1>.", "b.", "c.", "d."])
    made = make_pages(tmp_path)
    for path in (made.report, made.findings):
        assert "What tuning did to each of 4 families, in a sentence a <1>. b. c. d." in (
            Page(path).text
        )
        assert path.read_text(encoding="utf-8").count("<p>a &lt;1&gt;.</p>") == 1


def test_the_paper_is_named_once_and_findings_have_its_numbers(made: Made) -> None:
    for path in (made.report, made.findings):
        page = Page(path)
        assert page.text.count("Analyzing the Relationship") == 1
        for number in (1, 2, 3):
            assert page.text.count(f"finding {number} of the paper") == 2  # of two families
        assert page.text.count("cannot tell a check") == 2
    assert "finding 4 of the paper" not in raw(made)


def test_the_answers_say_of_how_many_seeds_they_are(made: Made) -> None:
    table = re.findall(r"<table>\s*<thead>.*?evaluated on.*?</table>", raw(made), re.S)[0]
    titles = re.findall(r"<th scope=\"col\"[^>]*>([^<]*)", table)
    cells = re.findall(r"<t[dh][^>]*>(?:<strong[^>]*>)?([^<]*)", table.partition("<tbody>")[2])
    rows = [cells[start : start + len(titles)] for start in range(0, len(cells), len(titles))]
    assert {row[titles.index("seeds")] for row in rows} == {"1"}
    assert all(
        row[titles.index("verdict")] in ("raised", "lowered", "no difference shown") for row in rows
    )


def test_a_study_of_many_comparisons_lists_no_single_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "MOST_ANSWERS", 31)
    made = make_pages(tmp_path)
    text = Page(made.report).text
    assert "These are too many to list each." in text
    assert "On its own set, accuracy went from" in text
    assert '<details class="answers"' not in raw(made)


def test_findings_without_data_are_folded_and_their_figures_stay_with_the_others(
    made: Made,
) -> None:
    folded = re.findall(r'<details class="lacking">(.*?)</details>', raw(made), re.S)
    assert len(folded) == 2
    for text in folded:
        assert "2 findings on which this study can't say anything" in text
        assert FINDINGS[2]["sentence"] in text
        assert "<img" not in text
    assert 'id="figure-toy-latent_gain"' in raw(made)


def test_examples_have_prompt_answer_and_right_answer(made: Made) -> None:
    text = raw(made)
    assert "<pre>Ada is tall.\nIs she?</pre>" in text
    assert "<pre>no &lt;i&gt;</pre>" in text
    page = Page(made.report)
    assert "unknown: no text made from the frozen items has the digest in the records" in page.text
    assert "the prompt was shortened to fit the model's context" in page.text
    assert "(nothing)" in page.text
    assert "The cell was refused: item 3 has no answer" in page.text


def raw(made: Made) -> str:
    """The report's source."""
    return made.report.read_text(encoding="utf-8")


def test_the_report_needs_no_other_file(made: Made) -> None:
    page = Page(made.report)
    sources = [image["src"] or "" for image in page.named("img")]
    assert len(sources) == len(made.figures)
    assert all(source.startswith("data:image/") for source in sources)
    assert all("src" not in script for script in page.named("script"))
    assert [link["href"] for link in page.named("link")] == ["data:,"]


def test_links_lead_somewhere(made: Made) -> None:
    page = Page(made.report)
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = {link["href"] or "" for link in page.named("a")}
    # The merged config is the workflow's, and is next to the page of a real study.
    for target in targets - {"config.yaml"}:
        if target.startswith("#"):
            assert target[1:] in ids, target
        else:
            assert (made.report.parent / target).is_file(), target


def test_headings_leave_no_level_out(made: Made) -> None:
    for path in (made.report, made.findings):
        levels = [int(tag[1]) for tag, _ in Page(path).elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(later - sooner <= 1 for sooner, later in pairwise(levels))


def test_text_of_the_study_is_text_on_the_page(made: Made) -> None:
    page = Page(made.report)
    assert "A made-up study <&>" in page.text
    assert "# <script>" in page.text


def test_every_row_of_a_table_is_in_the_page(made: Made) -> None:
    text = made.report.read_text(encoding="utf-8")
    for name, table in made.tables.items():
        found = re.search(rf'id="rows-{name}">(.*?)</script>', text)
        assert found is not None
        rows = json.loads(found[1])
        assert rows["rows"] == rows["all"] == len(table)
        assert [column["name"] for column in rows["columns"]] == list(columns_of(name))


def test_what_is_missing_is_said(made: Made) -> None:
    page = Page(made.report)
    assert "1 of 2" in page.text
    assert "None of the 2 checkpoints." in page.text


def test_a_rate_at_the_edge_of_its_candidates_is_said_at_the_top(
    made: Made, tmp_path: Path
) -> None:
    choice = {"family": "toy", "recipe": "select", "train_set": "pairs", "checkpoint": "all"}
    rates = [
        {**choice, "tried_on": "9", "rate": 1e-5, "loss": 1.0, "chosen": "", "edge": ""},
        {**choice, "tried_on": "9", "rate": 2e-5, "loss": 0.5, "chosen": "yes", "edge": "yes"},
    ]
    tables = {**made.tables, "rates": from_rows(rates, "rates")}
    paths = [tmp_path / f"{name}.csv" for name in tables]
    for table, path in zip(tables.values(), paths, strict=True):
        write_table(table, path)
    report, findings = tmp_path / "report.html", tmp_path / "findings.html"
    pages_module.write_pages(made.about, paths, [], report, findings)
    words = "at the edge of their candidates"
    for page, before in ((report, made.report), (findings, made.findings)):
        assert f"{words} select of toy on pairs: 2e-05. A better one" in Page(page).text
        assert words not in Page(before).text


def test_a_seed_is_the_same_whatever_type_it_has() -> None:
    key: dict[str, Any] = {
        **{"family": "f", "checkpoint": "1", "recipe": "full", "train_set": "t", "eval_set": "e"},
        **{"format": "default", "shots": 0, "draw": 0, "prediction": "greedy", "metric": "rouge_l"},
    }
    asked = pd.DataFrame([{**key, "seed": 1}, {**key, "recipe": "base", "seed": None}])
    scores = pd.DataFrame([{**key, "seed": 1, "score": 0.5}]).astype({"seed": "Int64"})
    counted = {row.recipe: row.squares["e"] for row in grid_rows(asked, scores)}
    assert {name: (own.there, own.asked) for name, own in counted.items()} == {
        "base": (0, 1),
        "full": (1, 1),
    }


def test_cost_is_added_by_stage_and_compared_where_there_is_a_plan() -> None:
    jobs = [
        {"stage": "tune", "job": "a", "planned_seconds": 10.0, "seconds": 20.0, "tokens": 5},
        {"stage": "tune", "job": "b", "planned_seconds": NAN, "seconds": 7.0, "tokens": None},
        {"stage": "data", "job": "c", "planned_seconds": NAN, "seconds": 1.0, "tokens": None},
    ]
    empty = {"gpu": "", "peak_memory_mb": 100.0, "tokens_per_second": None, "mfu": None}
    costs = stage_costs(from_rows([{**job, **empty} for job in jobs], "cost"))
    assert [cost.stage for cost in costs] == ["data", "tune", "all"]
    tune, total = costs[1:]
    assert (tune.jobs, tune.priced, tune.planned, tune.took, tune.seconds) == (2, 1, 10, 20, 27)
    assert (total.jobs, total.seconds, total.longest, total.tokens) == (3, 28, 20, 5)
    assert stage_costs(from_rows([], "cost")) == []


def test_a_large_table_is_cut_and_says_so(made: Made) -> None:
    scores = made.tables["scores"]
    large = pd.concat([scores] * (100_000 // len(scores) + 1), ignore_index=True)
    tables = embedded_tables({**made.tables, "scores": large}, pages_module.TABLE_CHARACTERS)
    assert tables["scores"]["rows"] == 5000
    assert tables["scores"]["all"] == len(large) > 100_000
    assert len(json.dumps(tables)) < pages_module.TABLE_CHARACTERS


def test_a_page_says_which_rows_it_shows(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "_ROWS", (50,))
    text = Page(make_pages(tmp_path).report).text
    assert f"first 50 of {len(made.tables['scores']):,} rows" in text


def test_tables_that_are_too_large_together_show_fewer_rows(made: Made) -> None:
    scores = pd.concat([made.tables["scores"]] * 10, ignore_index=True)
    whole = embedded_tables({"scores": scores}, 10**9)
    fewer = embedded_tables({"scores": scores}, len(json.dumps(whole)) // 2)
    assert whole["scores"]["rows"] == whole["scores"]["all"] == fewer["scores"]["all"]
    assert fewer["scores"]["rows"] == 500


def test_numbers_are_shown_with_four_digits_and_empty_ones_are_null() -> None:
    row: dict[str, object] = dict.fromkeys(columns_of("noise"), "") | {
        **{"step": None, "seed": None, "shots": 1, "draw": 0, "n": 123456, "pairs": 1},
        **{"sd": 0.123456, "range": None, "difference": 1e-9},
    }
    shown = {
        column["name"]: column
        for column in embedded_table(from_rows([row], "noise"), "noise", 9)["columns"]
    }
    assert shown["sd"]["values"] == [0.1235]
    assert shown["n"]["values"] == [123456]
    assert shown["range"]["values"] == shown["step"]["values"] == [None]


def test_text_sorts_numbers_by_size() -> None:
    rows = [
        {
            "family": name,
            "eval_set": "x",
            "group": "other",
            "compared_group": "other",
            "shape": "flat",
            "trend": 0.0,
        }
        for name in ("100", "all", "20")
    ]
    columns = embedded_table(from_rows(rows, "groups"), "groups", 9)["columns"]
    assert columns[0]["levels"] == ["20", "100", "all"]
    assert columns[0]["values"] == [1, 2, 0]


def test_figures_beyond_the_room_are_shown_from_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "FIGURE_CHARACTERS", 20_000)
    made = make_pages(tmp_path)
    page = Page(made.report)
    sources = [image["src"] or "" for image in page.named("img")]
    files = [source for source in sources if not source.startswith("data:")]
    assert 0 < len(files) < len(sources)
    assert all((tmp_path / source).is_file() for source in files)
    assert f"{len(files)} figures are not in this file" in page.text


def test_a_drawing_keeps_order_and_stays_inside() -> None:
    found = drawing(-0.12, -0.16, -0.08, 0.01)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert MARGIN <= found.low < found.value < found.high < found.zero <= WIDTH - MARGIN
    assert drawing(NAN, NAN, NAN, 0.1) is None
    alone = drawing(0.0, NAN, NAN, NAN)
    assert alone is not None
    assert alone.low is None
    assert alone.zero == alone.value


def test_captions_become_html_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    caption = tmp_path / "caption.rst"
    caption.write_text("A *mark* and ``code`` < 1.", encoding="utf-8")
    assert plain_text(caption_html(caption)) == "A mark and code < 1."
    assert "<em>mark</em>" in caption_html(caption)
    with pytest.raises(StudyError, match="caption is missing"):
        caption_html(tmp_path / "none.rst")


def test_a_table_says_what_it_is_and_what_its_columns_mean() -> None:
    meanings = column_meanings("changes")
    assert meanings["format"] == "of the tuned cell"
    assert meanings["recipe"] == "how it was tuned; <code>base</code> is not tuned"
    for name in all_tables():
        assert list(column_meanings(name)) == list(columns_of(name))
        assert "](" not in json.dumps([table_caption(name), column_meanings(name)])
    assert table_caption("noise").startswith("<p>Differences between scores that should be equal")
