"""What a study's statistics name is in the study, or refused before anything runs."""

from typing import Any

import pytest
from planted import ROOT, PlantedJobs, demo

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.config.load import load_study, read_yaml

INSTRUCTION = {
    **{"family": "mini", "checkpoints": "last", "recipes": ["instruction_small"]},
    **{"train_sets": ["instruct_world"], "eval_sets": ["facts_qa"]},
}


def asking(**statistics: Any) -> PlantedJobs:
    """The demo and instruction tuning, with these settings of `statistics`."""
    config = read_yaml(ROOT / "config" / "config.yaml")
    config["statistics"] |= statistics
    config["blocks"].append(INSTRUCTION)
    return PlantedJobs(load_study(config, ROOT, "config/config.yaml"), "config/config.yaml")


@pytest.mark.parametrize(
    ("statistics", "says"),
    [
        ({"transfer": {"train_sets": ["nli_peeple"]}}, ["nli_peeple", "did you mean 'nli_people'"]),
        # Tuned on, but not with the main recipe.
        ({"transfer": {"train_sets": ["instruct_world"]}}, ["train_sets", "known: facts_qa"]),
        (
            {"transfer": {"eval_sets": ["xsum"]}},
            ["statistics.transfer.eval_sets", "summary_people"],
        ),
        ({"transfer": {"eval_sets": []}}, ["statistics.transfer.eval_sets"]),
        (
            {"groups": {"learned": ["xsum"], "not_learned": ["facts_qa"]}},
            ["groups.learned", "xsum"],
        ),
        (
            {"groups": {"learned": ["facts_qa"], "not_learned": ["facts_qa"]}},
            ["in both groups", "facts_qa"],
        ),
        ({"group_recipes": ["full"]}, ["group_recipes", "did you mean 'full_small'"]),
        ({"group_roles": ["ood", "other"]}, ["group_roles"]),
        ({"group_metric": "acuracy"}, ["group_metric", "did you mean 'accuracy'"]),
        # A metric, but of no set of the study.
        ({"group_metric": "f1"}, ["group_metric", "known: accuracy, rouge_l"]),
    ],
)
def test_a_name_that_the_study_does_not_have_is_refused(
    statistics: dict[str, Any], says: list[str]
) -> None:
    with pytest.raises(StudyError) as error:
        asking(**statistics)
    for words in ["config/config.yaml", *says]:
        assert words in str(error.value)


def test_what_is_asked_reaches_the_summaries() -> None:
    plain = demo().asked
    assert (plain.recipe, plain.group_recipes, plain.roles) == (
        "full_small",
        ("full_small",),
        ("id", "ood"),
    )
    assert plain.train_sets is plain.eval_sets is plain.groups is None
    asked = asking(
        transfer={"train_sets": ["nli_people"]},
        groups={"learned": ["nli_people"], "not_learned": ["facts_qa"]},
        group_recipes=["full_small", "instruction_small"],
        group_roles=["id", "bench"],
    ).asked
    assert (asked.train_sets, asked.eval_sets) == (("nli_people",), None)
    assert asked.groups == {"learned": ["nli_people"], "not_learned": ["facts_qa"]}
    assert asked.group_recipes == ("full_small", "instruction_small")
    assert asked.roles == ("id", "bench")
