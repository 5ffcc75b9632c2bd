"""What the tables say on each finding.

What the tables say: for each family the four published findings, then what these rest on.

A published finding is `supported` or `contradicted` where its interval excludes 0 and its value is
not under the noise floor. `turning_point` is supported where the mean curve of `base` turns, and
contradicted where its rise reaches the last but one checkpoint at least. `group_rules` is supported
where the difference of the groups lies on one side of 0 by all rules that have an interval, the
study's own among them, contradicted where two rules lie on two sides. The others are counts:
`contradicted` means that there are weak denominators (of changes in format `default`), refused or
unpaired cells, `supported` that there are none or that the floor is known.
"""

from tuning_dynamics.tables.columns import Columns

#: The rule that makes it.
RULE = "findings"


class Row(Columns):
    """A row."""

    finding: str
    """`forgetting`, `format_sensitivity`, `latent_gain`, `dichotomy` (published); `turning_point`,
    `group_rules`, `denominators`, `noise_floor` and, if there are any, `refused` and `unpaired`"""
    number: int
    """of the published ones, 1 to 4; else empty"""
    family: str
    """name of the family"""
    title: str
    """the claim"""
    verdict: str
    """`supported`, `contradicted` or `cannot tell`"""
    statistic: str
    """what `value` is"""
    value: float
    """the number; empty where the study has none"""
    low: float
    """low end of its interval"""
    high: float
    """high end"""
    cells: int
    """cells in it"""
    floor: float
    """noise floor of its evaluation sets; empty where it is unknown"""
    sentence: str
    """the numbers in words, with why there is no verdict, and whether a number is under the noise
    floor"""
