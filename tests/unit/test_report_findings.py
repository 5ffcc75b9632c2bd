"""Each verdict can be reached, and follows the tables; thin tables can't tell."""

from html.parser import HTMLParser
from pathlib import Path

import docutils.core
import numpy as np
import pandas as pd
import pytest
from unit.synthetic import (
    DRAWING,
    NOTHING_PLANTED,
    OPPOSITE,
    Truth,
    published_tables,
    study_tables,
    train_kinds,
    write_cells,
)

from tuning_dynamics.report.findings import Finding, findings
from tuning_dynamics.report.findings_page import findings_html, findings_rst
from tuning_dynamics.study.errors import StudyError

Tables = dict[str, pd.DataFrame]


def made(folder: Path, truth: Truth) -> Tables:
    return study_tables(write_cells(folder, truth), truth)


@pytest.fixture(scope="module")
def published() -> Tables:
    return published_tables()


def told(tables: Tables) -> list[Finding]:
    return findings(tables, train_kinds=train_kinds(Truth()), recipe="full", **DRAWING)


def test_what_was_published_is_supported_where_it_is_planted(published: Tables) -> None:
    found = told(published)
    assert [item.number for item in found] == [1, 2, 3, 4]
    assert [item.verdict for item in found] == ["supported"] * 4
    forgetting, formats, latent, groups = found
    assert forgetting.low <= -0.12 <= forgetting.high
    assert forgetting.cells == 72
    assert formats.high < 0
    assert latent.low <= 0.05 <= latent.high
    assert groups.low > 0
    assert "−0.120" in forgetting.sentence  # noqa: RUF001
    assert "95 % interval" in forgetting.sentence
    assert "72 cells" in forgetting.sentence


def test_the_opposite_is_contradicted_where_it_is_planted(tmp_path: Path) -> None:
    assert [item.verdict for item in told(made(tmp_path, OPPOSITE))] == ["contradicted"] * 4


def test_nothing_can_be_told_where_nothing_is_planted(tmp_path: Path) -> None:
    found = told(made(tmp_path, NOTHING_PLANTED))
    assert [item.verdict for item in found] == ["cannot tell"] * 4
    assert all("The interval holds 0." in item.sentence for item in found)
    assert all(item.low < 0 < item.high for item in found)


def test_a_thin_study_cannot_tell_and_says_why(tmp_path: Path) -> None:
    truth = Truth(
        steps=(100, 1000, 3000, 10000), domains=("people",), formats=("default",), items=40
    )
    found = told(made(tmp_path, truth))
    assert [item.verdict for item in found] == ["cannot tell"] * 4
    reasons = [item.sentence for item in found]
    assert "independent pairs" in reasons[0]
    assert "two formats" in reasons[1]
    assert "2 independent pairs of train set and evaluation set" in reasons[2]
    assert all(np.isnan(item.low) for item in found)


def test_base_alone_cannot_tell(published: Tables) -> None:
    tables = {name: table.iloc[:0] for name, table in published.items()}
    scores = published["scores"]
    tables["scores"] = scores[scores["recipe"] == "base"]
    found = told(tables)
    assert [item.verdict for item in found] == ["cannot tell"] * 4
    assert all(item.cells == 0 for item in found)


def test_no_group_learned_cannot_tell_the_dichotomy(published: Tables) -> None:
    groups = published["groups"].assign(group="not_learned")
    last = told({**published, "groups": groups})[3]
    assert last.verdict == "cannot tell"
    assert "'learned'" in last.sentence


def test_two_checkpoints_have_no_slope(published: Tables) -> None:
    few = {
        name: table[table["step"].isin([0, 10000])]
        if "step" in table and name != "transfer"
        else table
        for name, table in published.items()
    }
    found = told(few)
    assert [item.verdict for item in found[1:3]] == ["cannot tell"] * 2
    assert found[0].verdict == "supported"


def test_each_family_is_told_for_itself(published: Tables) -> None:
    both = {
        name: pd.concat([table, table.assign(family="zoo")], ignore_index=True)
        if "family" in table
        else table
        for name, table in published.items()
    }
    found = told(both)
    assert [item.family for item in found] == ["toy"] * 4 + ["zoo"] * 4
    assert [item.value for item in found[:4]] == [item.value for item in found[4:]]


def test_a_missing_table_is_refused(published: Tables) -> None:
    with pytest.raises(StudyError, match="'groups'"):
        told({name: table for name, table in published.items() if name != "groups"})


class Tags(HTMLParser):
    """Counts open tags, checks that they close, and keeps the attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.articles = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.articles += tag == "article"
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(published: Tables) -> None:
    page = findings_html(told(published), {"Study": "<toy & co>"})
    tags = Tags()
    tags.feed(page.replace("/>", ">"))
    assert tags.open == []
    assert tags.links == []
    assert tags.articles == 4
    assert "&lt;toy &amp; co&gt;" in page
    assert "nan" not in page.lower().replace("finance", "")
    assert "prefers-color-scheme: dark" in page


def test_a_page_of_thin_findings_shows_no_interval(published: Tables) -> None:
    tables = {name: table.iloc[:0] for name, table in published.items()}
    tables["scores"] = published["scores"]
    page = findings_html(told(tables), {})
    assert page.count("cannot tell</strong>") == 5
    assert "<svg" not in page


def test_the_text_version_is_sound_restructuredtext(published: Tables) -> None:
    text = findings_rst(told(published), {"Study": "a_b*c"})
    html = docutils.core.publish_string(
        text, writer="html5", settings_overrides={"halt_level": 2, "output_encoding": "unicode"}
    )
    assert "a_b*c" in html
    assert html.count("supported") == 4
