"""The tables of docs/performance.md are those of the measured results."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "benchmarks"))

from sides import table  # noqa: E402


@pytest.mark.parametrize("name", ["comparisons", "limits", "growth"])
def test_performance_page_shows_the_results(name: str) -> None:
    results = json.loads((ROOT / "benchmarks/results/engine.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found[1] == table.TABLES[name](results)
