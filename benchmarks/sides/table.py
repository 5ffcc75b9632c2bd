"""Results as the tables that are printed and that the documentation shows."""

from typing import Any


def comparisons(results: dict[str, Any]) -> str:
    """A Markdown table: each comparison's ways, their rate, the ratio and the physical limit."""
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


def growth(results: dict[str, Any]) -> str:
    """A Markdown table: seconds over a decade, and the exponent."""
    lines = ["| what grows | from, to | seconds | exponent |", "|---|---|---|---:|"]
    for grown in results["growth"]:
        sizes = f"{grown['sizes'][0]}, {grown['sizes'][-1]}"
        seconds = ", ".join(f"{second:.3g}" for second in grown["seconds"])
        lines.append(f"| {grown['what']} | {sizes} | {seconds} | {grown['exponent']:.2f} |")
    return "\n".join(lines)
