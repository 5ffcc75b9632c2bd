"""Results as the tables that are printed and that docs/performance.md shows.

    python benchmarks/sides/table.py benchmarks/results/engine.json docs/performance.md

puts them into the page, between its marks.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any


def comparisons(results: dict[str, Any]) -> str:
    """Each comparison's ways: their rate, the ratio and the physical limit."""
    lines = [
        "| what | by | a second | times as long | least to most | of the limit |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for comparison in results["comparisons"]:
        what = comparison["what"]
        for name, way in comparison["ways"].items():
            rate = comparison["amount"] / way["seconds"]
            spread = f"{way['times_ours_low']:.2f} to {way['times_ours_high']:.2f}"
            lines.append(
                f"| {what} | {name} | {rate:.3g} {comparison['unit']} | {way['times_ours']:.2f} "
                f"| {spread} | {way['share_of_limit']:.0%} |"
            )
            what = ""
    return "\n".join(lines)


def limits(results: dict[str, Any]) -> str:
    """What each comparison needs at least, the rates behind it, and what was checked."""
    rates = results["rates"]
    lines = [
        f"Rates: {rates['products'] / 1e9:.0f} GFLOP/s ({rates['dtype']}), "
        f"{rates['copying'] / 1e9:.1f} GB/s; {results['cpu']}, {results['threads']} threads, "
        f"{results['sets']} sets, {results['date']}.",
        "",
        "| what | GFLOP | GB | limit, s | of it products, s | checked |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for comparison in results["comparisons"]:
        limit = comparison["limit"]
        checks = ", ".join(
            f"{name.replace('_', ' ')}: {value:.3g}" for name, value in comparison["checks"].items()
        )
        lines.append(
            f"| {comparison['what']} | {limit['flops'] / 1e9:.0f} | {limit['bytes'] / 1e9:.2g} "
            f"| {limit['seconds']:.2f} | {limit['product_seconds']:.2f} | {checks} |"
        )
    return "\n".join(lines)


def growth(results: dict[str, Any]) -> str:
    """Seconds over a decade, and the exponent."""
    lines = ["| what grows | sizes | seconds | exponent |", "|---|---|---|---:|"]
    for grown in results["growth"]:
        sizes = ", ".join(map(str, grown["sizes"]))
        seconds = ", ".join(f"{second:.3g}" for second in grown["seconds"])
        lines.append(f"| {grown['what']} | {sizes} | {seconds} | {grown['exponent']:.2f} |")
    return "\n".join(lines)


TABLES = {"comparisons": comparisons, "limits": limits, "growth": growth}


def main() -> None:
    """Put the tables into the page."""
    results, page = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    text = page.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        shown = make(results)
        text = marked.sub(lambda match, shown=shown: f"{match[1]}{shown}\n{match[2]}", text)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
