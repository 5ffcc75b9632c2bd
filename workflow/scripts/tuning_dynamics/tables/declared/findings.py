"""What the tables say on each finding.

For each family: the four published findings, then the checks that these rest on.

A published finding is `supported` or `contradicted` if its interval excludes 0 and its value is not
under the noise floor. `turning_point` is supported if the mean curve of `base` turns, and
contradicted if its rise reaches at least the last checkpoint but one. `group_rules` is supported
if the difference of the groups lies on one side of 0 by all rules that have an interval, the
study's own among them, and contradicted if two rules lie on different sides. The others are counts:
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
    """its place in the abstract of Sun and Dredze (RepL4NLP 2025), 1 to 4; empty for a check"""
    family: str
    """name of the family"""
    title: str
    """the claim"""
    verdict: str
    """`supported`, `contradicted` or `cannot tell`; a published finding is contradicted, too, where
    the interval excludes the smallest effect that counts, `statistics.change_margin`"""
    statistic: str
    """what `value` is"""
    value: float
    """the number; empty if the study has none"""
    low: float
    """low end of its interval"""
    high: float
    """high end"""
    cells: int
    """number of cells that it is computed from"""
    floor: float
    """noise floor of its evaluation sets; empty if it is unknown"""
    sentence: str
    """the numbers in words, with the reason if there is no verdict, and whether a number is under
    the noise floor"""
