"""Each rule's facts stand in RULES, and the rule files and the profile agree with it."""

import re
from pathlib import Path

from tuning_dynamics.common.rules import ANALYSIS, RULES, STAGES, VARIANT
from tuning_dynamics.config.load import read_yaml

ROOT = Path(__file__).parents[3]


def test_every_rule_is_in_the_table() -> None:
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    named = set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)\b", text, re.M))
    assert named | {"evaluate"} == set(RULES)
    assert {rule.stage for rule in RULES.values()} == set(STAGES)


def test_the_profile_groups_what_the_table_groups() -> None:
    profile = read_yaml(ROOT / "profiles" / "slurm" / "config.yaml")
    grouped = dict(line.split("=") for line in profile["groups"])
    assert grouped == {name: ANALYSIS for name, rule in RULES.items() if rule.group == ANALYSIS}
    in_rules = [name for name, rule in RULES.items() if rule.group == VARIANT]
    assert in_rules == ["tune", "evaluate", "text_loss"]
    for stage, rules in (("tune", 1), ("evaluate", 2)):
        text = (ROOT / "workflow" / "rules" / f"{stage}.smk").read_text(encoding="utf-8")
        assert len(re.findall(r"^    +group:", text, re.M)) == rules
