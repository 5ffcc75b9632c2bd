"""Each verdict can be reached, and follows the tables; thin tables give none."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from synthetic import (
    Truth,
    asked,
    published_tables,
    study_tables,
    write_cells,
)

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.common.formatting import signed
from tuning_dynamics.findings.caveats import out_of_line
from tuning_dynamics.findings.findings import FINDINGS, Context, Published, finding, finding_rows
from tuning_dynamics.findings.words import Noise, compared_words
from tuning_dynamics.stats.crossed import Estimate
from tuning_dynamics.stats.noise import SEEDS, UNKNOWN, Floor, noise_rows
from tuning_dynamics.stats.summarise import summary_tables
from tuning_dynamics.tables.catalogue import SUMMARIES

Tables = dict[str, pd.DataFrame]

FORGETTING = Published("forgetting", "name", "below", 0.02)


def made(folder: Path, truth: Truth) -> Tables:
    return study_tables(write_cells(folder, truth))


@pytest.fixture(scope="module")
def published() -> Tables:
    return published_tables()


def published_findings(tables: Tables) -> list[Any]:
    """The four published findings of each family."""
    rows = finding_rows(tables, asked())
    return list(rows[rows["number"].notna()].itertuples(index=False))


def further(tables: Tables) -> pd.DataFrame:
    """The other findings by slug."""
    rows = finding_rows(tables, asked())
    return rows[rows["number"].isna()].set_index("finding")


def test_what_was_published_is_supported_where_it_is_planted(published: Tables) -> None:
    found = published_findings(published)
    assert [item.number for item in found] == [1, 2, 3, 4]
    assert [item.verdict for item in found] == ["supported"] * 4
    forgetting, formats, latent, groups = found
    assert forgetting.low <= -0.12 <= forgetting.high
    assert forgetting.cells == 216
    assert formats.high < 0
    assert latent.low <= 0.05 <= latent.high
    assert groups.low > 0
    assert "−0.122" in forgetting.sentence  # noqa: RUF001
    assert "95 % interval" in forgetting.sentence
    assert "216 cells" in forgetting.sentence


def test_a_thin_study_has_no_verdict_and_says_why(tmp_path: Path) -> None:
    truth = Truth(
        steps=(100, 300, 1000, 3000, 10000),
        domains=("people",),
        trained=("people",),
        formats=("default",),
        items=40,
    )
    found = published_findings(made(tmp_path, truth))
    assert [item.verdict for item in found] == ["cannot tell"] * 4
    reasons = [item.sentence for item in found]
    assert "No interval: 2 evaluation sets where 4 are needed." in reasons[0]
    assert "two formats" in reasons[1]
    assert "No interval: 3 evaluation sets where 4 are needed." in reasons[2]
    assert "No interval: 1 evaluation set in the smaller group where 2 are needed." in reasons[3]
    assert all(np.isnan(item.low) for item in found)


def test_base_alone_gives_no_verdict(published: Tables) -> None:
    tables = {name: table.iloc[:0] for name, table in published.items()}
    for name in ("scores", "seed_means"):
        tables[name] = published[name][published[name]["recipe"] == "base"]
    tables["datasets"] = published["datasets"]
    found = published_findings({**tables, **summary_tables(tables, asked())})
    assert [item.verdict for item in found] == ["cannot tell"] * 4
    assert all(item.cells == 0 for item in found)


def test_no_group_learned_gives_no_verdict_on_the_dichotomy(published: Tables) -> None:
    groups = published["groups"].assign(group="other", compared_group="other")
    last = published_findings({**published, "groups": groups})[3]
    assert last.verdict == "cannot tell"
    assert "'learned'" in last.sentence


def test_two_checkpoints_have_no_slope(published: Tables) -> None:
    few = {
        name: table[table["step"].isin([0, 10000])] if "step" in table else table
        for name, table in published.items()
    }
    few["groups"] = published["groups"]
    found = published_findings({**few, **summary_tables(few, asked()), "groups": few["groups"]})
    assert [item.verdict for item in found[1:3]] == ["cannot tell"] * 2
    assert found[0].verdict == "supported"
    assert "no model was tuned at the 3 checkpoints that a slope needs" in found[1].sentence


def test_pairs_with_fewer_checkpoints_are_counted_as_they_are(published: Tables) -> None:
    before = published_findings(published)
    for place, name in ((1, "format_trend"), (2, "latent_gain")):
        table = published[name].copy()
        own = (table["eval_set"] != "all") & (table.get("group", "other") == "other")
        first = table.index[own][0]
        table.loc[first, "checkpoints"] = 4
        item = published_findings({**published, name: table})[place]
        assert item.cells == before[place].cells - 2
        pairs = int(own.sum())
        some = f"on the {pairs - 1} of {pairs} pairs that are evaluated at every checkpoint, it was"
        assert some in item.sentence
        assert "that are evaluated" not in before[place].sentence
        table.loc[first, ["slope", "low", "high"]] = np.nan
        assert (
            published_findings({**published, name: table})[place].cells == before[place].cells - 6
        )
        table.loc[own, "checkpoints"] = 4
        assert "no pair is evaluated at every checkpoint" in (
            published_findings({**published, name: table})[place].sentence
        )


def test_each_family_has_findings_of_its_own(published: Tables) -> None:
    both = {
        name: pd.concat([table, table.assign(family="zoo")], ignore_index=True)
        if "family" in table
        else table
        for name, table in published.items()
    }
    found = published_findings(both)
    assert [item.family for item in found] == ["toy"] * 4 + ["zoo"] * 4
    assert [item.value for item in found[:4]] == [item.value for item in found[4:]]


def noise_of(tables: Tables, difference: float, sets: Any = None) -> pd.DataFrame:
    """noise.csv where two seeds differ by this much on some sets, by default on all."""
    tuned = tables["scores"][tables["scores"]["recipe"] == "full"]
    tuned = tuned if sets is None else tuned[tuned["eval_set"].isin(sets)]
    again = tuned.assign(seed=tuned["seed"] + 1, score=tuned["score"] + difference)
    return noise_rows(pd.concat([tuned, again], ignore_index=True))


def with_noise(tables: Tables, noise: pd.DataFrame) -> Tables:
    """The tables with this noise.csv, and the floors of slopes that follow from it."""
    tables = {**tables, "noise": noise}
    slopes = ("format_trend", "latent_gain")
    return {**tables, **{name: SUMMARIES[name].make(tables, asked()) for name in slopes}}


def test_without_seeds_and_near_checkpoints_the_noise_is_unknown(published: Tables) -> None:
    for item in published_findings(published):
        assert re.search(
            r"Noise floor of the \d+ (generation )?sets: unknown, as none has", item.sentence
        )
        assert item.verdict == "supported"


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (Noise(UNKNOWN, 1), " Noise floor of the 1 set: unknown, as none has scores of two seeds"),
        (Noise(UNKNOWN, 4, "generation"), " Noise floor of the 4 generation sets: unknown, as"),
        (
            Noise(Floor(0.078, SEEDS, 8, 5), 12),
            " Noise floor of the 12 sets: 0.078, the typical difference between scores of seeds "
            "(8 pairs on 5 of them).",
        ),
        (
            Noise(Floor(0.078, SEEDS, 1, 2), 2).of_slope(0.041),
            " Noise floor of the 2 sets: 0.041, the typical slope that scores of seeds make, which "
            "differ by 0.078 (1 pair).",
        ),
    ],
)
def test_a_noise_floor_is_said_in_one_way(noise: Noise, words: str) -> None:
    assert noise.sentence.startswith(words)


def test_an_untrained_checkpoint_is_said_to_be_in_a_mean(published: Tables) -> None:
    forgetting, *_, groups = published_findings(published)
    one = r"One of the 6 checkpoints is untrained \(0 tokens\), and has learned nothing to lose; "
    there, back = re.findall(one + r"without it, the change is (\S+) \(", forgetting.sentence)
    changes = published["changes"]
    kinds = published["datasets"].query("use == 'train'").set_index("dataset")["kind"]
    own = changes[(changes["train_set"].map(kinds) == "classification") & (changes["step"] > 0)]
    own = own[(own["kind"] == "generation") & (own["format"] == "default")]
    assert there == signed(own["change"].mean()) != back
    assert re.search(one + "without it, the difference is", groups.sentence)
    trained = {
        name: table[table["step"] != 0] if "step" in table else table
        for name, table in published.items()
    }
    assert "untrained" not in "".join(item.sentence for item in published_findings(trained))
    only = {
        name: table[table["step"] == 0] if name in ("changes", "seed_means", "halves") else table
        for name, table in published.items()
    }
    sentence = published_findings(only)[0].sentence
    assert "The only checkpoint is untrained (0 tokens), and has learned nothing" in sentence


#: What is said of the floor of changes, and of slopes.
CHANGES, SLOPES = "typical difference between scores of seeds", "make, which differ by"


def test_a_value_under_the_noise_floor_is_no_finding(published: Tables) -> None:
    loud = published_findings(with_noise(published, noise_of(published, 0.9)))
    assert [item.verdict for item in loud] == ["cannot tell"] * 4
    for item in loud:
        assert "under the noise floor)" in item.sentence
        assert "A value under the noise floor is no finding." in item.sentence
        assert "The interval includes 0." not in item.sentence
    assert all(item.low > 0 or item.high < 0 for item in loud)
    for item in (loud[0], loud[3]):
        assert f"sets: 0.900, the {CHANGES}" in item.sentence
    # 0 tokens count as a third of the first ones.
    tokens = published["checkpoints"]["tokens"].astype(float).clip(lower=102_400 / 3)
    slope = 0.9 / np.sqrt(2 * 6 * np.log10(tokens).var(ddof=0))
    for item in loud[1:3]:
        assert f"sets: {slope:.3f}, the typical slope" in item.sentence
        assert f"{SLOPES} 0.900" in item.sentence
        assert item.floor == pytest.approx(slope)


def test_a_value_over_the_noise_floor_stays_a_finding(published: Tables) -> None:
    quiet = published_findings(with_noise(published, noise_of(published, 0.02)))
    assert [item.verdict for item in quiet] == ["supported"] * 4
    # Sets learned in pre-training gain .01, which is less.
    assert "(under the noise floor)" in quiet[3].sentence
    assert all(f"sets: 0.020, the {CHANGES}" in quiet[k].sentence for k in (0, 3))
    assert all(f"{SLOPES} 0.020" in item.sentence for item in quiet[1:3])


def test_an_effect_under_the_noise_floor_is_none() -> None:
    found = Estimate(-0.1, -0.15, -0.05, 40)
    for value, verdict in ((0.05, "supported"), (0.2, "cannot tell")):
        noise = Noise(Floor(value, SEEDS, 4, 2), 2)
        row = finding(FORGETTING, found, "Text.", noise)
        assert row["verdict"] == verdict
    assert "A value under the noise floor is no finding." in str(row["sentence"])


@pytest.mark.parametrize(
    ("side", "ends", "verdict"),
    [
        ("above", (-0.03, 0.019), "contradicted"),
        ("above", (-0.03, 0.021), "cannot tell"),
        ("above", (-0.019, 0.03), "cannot tell"),
        ("below", (-0.019, 0.03), "contradicted"),
        ("below", (-0.021, 0.03), "cannot tell"),
        # Small, but shown.
        ("above", (0.001, 0.019), "supported"),
        ("above", (math.nan, math.nan), "cannot tell"),
    ],
)
def test_an_effect_that_the_interval_excludes_is_contradicted(
    side: Literal["above", "below"], ends: tuple[float, float], verdict: str
) -> None:
    published = replace(FORGETTING, side=side)
    found = Estimate(sum(ends) / 2, *ends, 40)
    row = finding(published, found, "Text.", Noise(UNKNOWN, 2))
    assert row["verdict"] == verdict
    least = "+0.020 or more" if side == "above" else "−0.020 or less"  # noqa: RUF001
    excluded = f"The interval excludes {least}" in str(row["sentence"])
    assert excluded == (verdict == "contradicted")
    # An interval of means excludes less than single scores of equal models differ by.
    loud = finding(published, found, "Text.", Noise(Floor(0.2, SEEDS, 4, 2), 2))
    assert (loud["verdict"] == "contradicted") == published.excluded(found)


def test_a_slope_counts_by_what_it_makes_of_the_tuned_checkpoints(published: Tables) -> None:
    context = Context("toy", published, asked(change_margin=0.1))
    # From a third of 100 steps, where the untrained checkpoint is placed, to 10,000.
    assert context.slope_margin() == pytest.approx(0.1 / np.log10(300))
    flat = published["format_trend"].assign(slope=0.0, low=-0.04, high=0.04)
    found = {
        margin: finding_rows({**published, "format_trend": flat}, asked(change_margin=margin))
        for margin in (0.1, 0.09)
    }
    verdicts = [rows.set_index("finding").loc["format_sensitivity"] for rows in found.values()]
    assert [row["verdict"] for row in verdicts] == ["contradicted", "cannot tell"]
    assert "The interval excludes −0.040 or less" in verdicts[0]["sentence"]  # noqa: RUF001


def test_a_slope_says_where_its_untrained_checkpoint_is(published: Tables) -> None:
    words = "The untrained checkpoint (0 tokens) is placed at a third of the first one's tokens."
    found = published_findings(published)
    assert [words in item.sentence for item in found] == [False, True, True, False]
    means = published["seed_means"]
    trained = means[(means["recipe"] == "base") | (means["tokens"] > 0)]
    found = published_findings({**published, "seed_means": trained})
    assert not any(words in item.sentence for item in found)


def test_the_lower_of_two_changes_is_named_also_where_both_are_gains() -> None:
    low, high, wide = (
        Estimate(sum(ends) / 2, *ends, 9) for ends in ((0.1, 0.2), (0.3, 0.4), (0, 1))
    )
    assert compared_words(low, high) == "the former is the lower"
    assert compared_words(high, low) == "the latter is the lower"
    for other in (wide, Estimate(0.3, math.nan, math.nan, 9)):
        assert compared_words(low, other).startswith("which of the two is lower is not shown")


def test_tuned_scores_of_0_are_counted(published: Tables) -> None:
    assert "tuned score" not in published_findings(published)[0].sentence
    changes = published["changes"].copy()
    there = changes["eval_set"].eq("summary_people") & changes["train_set"].eq("nli_people")
    changes.loc[there, "tuned_score"] = 0.0
    found = published_findings({**published, "changes": changes})[0]
    assert f"{there.sum()} of the 216 tuned scores are 0." in found.sentence


def test_sets_that_half_of_the_items_put_elsewhere_are_named(published: Tables) -> None:
    groups = published["groups"].assign(compared_group=published["groups"]["group"])
    said = published_findings({**published, "groups": groups})[3].sentence
    assert "Groups are from one half of the items, changes from the other." in said
    places = groups["eval_set"] == "nli_places"
    moved = groups.assign(compared_group=groups["compared_group"].mask(places, "other"))
    said = published_findings({**published, "groups": moved})[3].sentence
    words = "(by that half, nli_places in another than by the whole curve), changes from the other."
    assert words in said


def test_what_groups_compare_is_named(published: Tables) -> None:
    both = published_findings(published)
    assert "Tuning changed the score (accuracy, planted) of sets" in both[3].sentence
    assert "the change of score (accuracy, planted) by tuning" in both[2].sentence
    of_one = asked(group_metric="accuracy")
    tables = {**published, **summary_tables(published, of_one, ["latent_gain", "group_rules"])}
    rows = finding_rows(tables, of_one).set_index("finding")
    assert "Tuning changed the accuracy of sets" in rows.loc["dichotomy", "sentence"]
    assert "On the 3 sets" in rows.loc["latent_gain", "sentence"]
    assert "the change of accuracy by tuning" in rows.loc["latent_gain", "sentence"]


def test_the_floor_is_that_of_the_sets_spoken_of(published: Tables) -> None:
    classified = [f"{task}_{place}" for task in ("nli", "paraphrase") for place in ("people",)]
    found = published_findings({**published, "noise": noise_of(published, 0.9, classified)})
    # No generation set was tuned at two seeds.
    assert found[0].verdict == "supported"
    assert "Noise floor of the 6 generation sets: unknown" in found[0].sentence
    assert "Noise floor of the 6 classification sets: 0.900" in found[0].sentence
    assert found[3].verdict == "cannot tell"
    assert "Noise floor of the 12 sets: 0.900" in found[3].sentence
    assert "pairs on 2 of them)." in found[3].sentence


def test_weak_denominators_are_counted_with_the_ratios(published: Tables) -> None:
    sentence = published_findings(published)[0].sentence
    assert "as a ratio of means" in sentence
    assert sentence.count("% interval") >= 4  # the changes' and the ratios', both ways
    # Base is at chance on paraphrases and, at first, on NLI: 6 train sets of generation.
    assert "not shown to be above chance" in sentence
    assert "at 0" not in sentence
    weak = published["denominators"].copy()
    for name, flag in (("summary_people", "zero"), ("summary_places", "near_zero")):
        weak.loc[(weak["eval_set"] == name) & (weak["step"] == 100), "flag"] = flag
    sentence = published_findings({**published, "denominators": weak})[0].sentence
    assert (
        "Weak base scores among the 216: 6 at 0 (in no mean of ratios), 6 below 0.02; ratios with "
        "these as denominators are unreliable." in sentence
    )


def test_sound_denominators_need_no_words(published: Tables) -> None:
    sound = published["denominators"].assign(flag="")
    tables = {**published, "denominators": sound}
    assert "base scores" not in published_findings(tables)[0].sentence
    row = further(tables).loc["denominators"]
    assert (row["verdict"], row["value"]) == ("supported", 0)
    assert further(published).loc["denominators", "verdict"] == "contradicted"


def test_the_turning_point_of_the_mean_curve_is_stated(published: Tables) -> None:
    row = further(published).loc["turning_point"]
    # The planted trend goes on to the end.
    assert row["verdict"] == "contradicted"
    # Texts have another metric, and no mean with accuracies.
    start = "The mean accuracy of base over 6 of 12 sets still rises at the end: over the last"
    assert start in row["sentence"]
    points = published["turning_points"].copy()
    shapes = points.query("recipe == 'base' and eval_set != 'all'")["shape"].value_counts()
    assert (
        f"Of base's 12 sets, still rising at the end: {shapes['still_rising']}" in row["sentence"]
    )
    assert f"; not shown to rise: {shapes['not_shown']}" in row["sentence"]
    assert "judged by" not in row["sentence"]
    pooled = (points["recipe"] == "base") & (points["eval_set"] == "all")
    own = points.index[(points["recipe"] == "base") & ~pooled]
    for number, words in ((1, "1 of these sets is"), (2, "2 of these sets are")):
        judged = points["measure"].where(~points.index.isin(own[:number]), "probability")
        moved = {**published, "turning_points": points.assign(measure=judged)}
        sentence = further(moved).loc["turning_point", "sentence"]
        assert f"{words} judged by the probability of the right option, not by" in sentence
        assert start in sentence
    points.loc[pooled, ["shape", "tokens", "low", "high"]] = ["stops", 5e5, 1e5, 1e6]
    points.loc[pooled, ["gap_low", "gap_high"]] = [3e5, 1e6]
    row = further({**published, "turning_points": points}).loc["turning_point"]
    assert (row["verdict"], row["value"], row["low"], row["high"]) == ("supported", 5e5, 1e5, 1e6)
    assert "at about 500k tokens (interval 100k to 1M" in row["sentence"]
    assert row["cells"] == 6 * 6
    sets = (points["recipe"] == "base") & (points["metric"] == "accuracy") & ~pooled
    points.loc[points.index[sets][:2], "checkpoints"] = 4
    row = further({**published, "turning_points": points}).loc["turning_point"]
    assert row["cells"] == 6 * 4
    assert "The mean accuracy of base over 4 of 12 sets stops rising at" in row["sentence"]
    points.loc[pooled, ["shape", "checkpoints", "reason"]] = ["too_few", 0, "no set is whole"]
    row = further({**published, "turning_points": points}).loc["turning_point"]
    assert (row["verdict"], row["cells"]) == ("cannot tell", 0)
    assert "No turning point of the mean accuracy of base: no set is whole." in row["sentence"]


def test_rules_that_disagree_are_reported(published: Tables) -> None:
    row = further(published).loc["group_rules"]
    assert row["verdict"] == "supported"
    assert "above 0 under 10 of them" in row["sentence"]
    rules = published["group_rules"].copy()
    rules.loc[3, ["difference", "low", "high"]] = [-0.2, -0.3, -0.1]
    row = further({**published, "group_rules": rules}).loc["group_rules"]
    assert row["verdict"] == "contradicted"
    assert "above 0 under 9 of them and below 0 under 1" in row["sentence"]
    rules.loc[3, ["difference", "low", "high"]] = [0.1, np.nan, np.nan]
    row = further({**published, "group_rules": rules.iloc[3:4].assign(rule="study")})
    assert row.loc["group_rules", "verdict"] == "cannot tell"


def test_the_noise_floor_and_unpaired_cells_are_reported(published: Tables) -> None:
    quiet = further(published)
    assert quiet.loc["noise_floor", "verdict"] == "cannot tell"
    assert "unpaired" not in quiet.index
    lost = published["changes"].head(2).assign(reason="no base at this step")
    loud = further({**published, "noise": noise_of(published, 0.1), "unpaired": lost})
    assert loud.loc["noise_floor", "value"] == pytest.approx(0.1)
    assert (
        "Scores of two seeds differ by 0.100 (root mean square of "
        in (loud.loc["noise_floor", "sentence"])
    )
    assert "pairs, on 12 of 12 sets)." in loud.loc["noise_floor", "sentence"]
    assert loud.loc["unpaired", "sentence"] == (
        "2 tuned cells are in no change: 2: no base at this step."
    )


def test_checkpoints_out_of_line_are_named_at_the_head(published: Tables) -> None:
    table = published["checkpoints"]
    assert out_of_line(table) == {}
    broken = table.assign(breaks_curve=["", "yes", "", "", "", "yes"])
    assert list(out_of_line(broken).values()) == ["toy 100, toy 10000"]


def test_a_missing_table_is_refused(published: Tables) -> None:
    with pytest.raises(StudyError, match="'groups'"):
        published_findings({name: table for name, table in published.items() if name != "groups"})


def test_rows_are_in_order_and_titled(published: Tables) -> None:
    rows = finding_rows(published, asked())
    assert rows["finding"].tolist() == [
        *FINDINGS,
        *("turning_point", "group_rules", "denominators", "noise_floor"),
    ]
    assert rows["number"].tolist()[:4] == [1, 2, 3, 4]
    assert (rows["title"] != "").all()
    assert not rows["sentence"].str.contains("nan|None", regex=True).any()
