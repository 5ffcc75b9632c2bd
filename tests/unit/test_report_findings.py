"""Each verdict can be reached, and follows the tables; thin tables can't tell."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

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

from tuning_dynamics.report.caveats import out_of_line
from tuning_dynamics.report.findings import Finding, findings
from tuning_dynamics.report.findings_page import findings_html, findings_rst
from tuning_dynamics.stats.noise import noise_rows
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
    assert "4 independent pairs of train set and evaluation set" in reasons[0]
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


def noise_of(tables: Tables, difference: float, sets: Any = None) -> pd.DataFrame:
    """noise.csv in which two seeds differ so much on some sets, by default on all."""
    tuned = tables["scores"][tables["scores"]["recipe"] == "full"]
    tuned = tuned if sets is None else tuned[tuned["eval_set"].isin(sets)]
    again = tuned.assign(seed=tuned["seed"] + 1, score=tuned["score"] + difference)
    return noise_rows(pd.concat([tuned, again], ignore_index=True))


def test_without_seeds_and_near_checkpoints_the_noise_is_unknown(published: Tables) -> None:
    for item in told(published):
        assert "noise floor is unknown" in item.sentence
        assert item.verdict == "supported"


def test_a_value_under_the_noise_floor_is_no_finding(published: Tables) -> None:
    loud = told({**published, "noise": noise_of(published, 0.9)})
    assert [item.verdict for item in loud] == ["cannot tell"] * 4
    for item in loud:
        assert "under the noise floor)" in item.sentence
        assert "A value under the noise floor is no finding." in item.sentence
        assert "The noise floor is 0.900: what scores of seeds differ by" in item.sentence
        assert "The interval holds 0." not in item.sentence
    assert all(item.low > 0 or item.high < 0 for item in loud)


def test_a_value_over_the_noise_floor_stays_a_finding(published: Tables) -> None:
    quiet = told({**published, "noise": noise_of(published, 0.02)})
    assert [item.verdict for item in quiet] == ["supported"] * 4
    # Sets learned in pre-training gain .01, which is less.
    assert "(under the noise floor)" in quiet[3].sentence
    assert all("The noise floor is 0.020" in item.sentence for item in quiet)


def test_a_contradiction_under_the_noise_floor_is_none(tmp_path: Path) -> None:
    tables = made(tmp_path, OPPOSITE)
    found = told({**tables, "noise": noise_of(tables, 0.9)})
    assert [item.verdict for item in found] == ["cannot tell"] * 4


def test_the_floor_is_that_of_the_sets_spoken_of(published: Tables) -> None:
    classified = [f"{task}_{place}" for task in ("nli", "paraphrase") for place in ("people",)]
    found = told({**published, "noise": noise_of(published, 0.9, classified)})
    # No generation set was tuned at two seeds.
    assert found[0].verdict == "supported"
    assert "unknown" in found[0].sentence
    assert found[3].verdict == "cannot tell"
    assert "on 2 of the 12 sets only" in found[3].sentence


def test_weak_denominators_are_counted_beside_the_ratios(published: Tables) -> None:
    sentence = told(published)[0].sentence
    assert "as a ratio of means" in sentence
    assert sentence.count("% interval") >= 4  # the changes' and the ratios', both ways
    # Base is at chance on paraphrases and, at first, on NLI: 2 train sets of generation.
    assert "at chance or below" in sentence
    assert "at 0" not in sentence
    changes = published["changes"].copy()
    chosen = (changes["eval_set"] == "summary_people") & (changes["step"] == 100)
    changes.loc[chosen, "base_score"] = 0.0
    chosen = (changes["eval_set"] == "summary_places") & (changes["step"] == 100)
    changes.loc[chosen, "base_score"] = 0.01
    sentence = told({**published, "changes": changes})[0].sentence
    assert (
        "Weak base scores among the 72: 2 at 0 (in no mean of ratios), 2 below 0.02; ratios over "
        "these say more about the base than about tuning." in sentence
    )


def test_sound_denominators_need_no_words(published: Tables) -> None:
    scores = published["scores"].assign(ci_low=0.6)
    assert "base scores" not in told({**published, "scores": scores})[0].sentence


def test_checkpoints_out_of_line_are_named_at_the_head(published: Tables) -> None:
    table = published["checkpoints"]
    assert out_of_line(table) == {}
    broken = table.assign(breaks_curve=["", "yes", "", "", "", "yes"])
    assert list(out_of_line(broken).values()) == ["toy 100, toy 10000"]


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
