"""Numbers as people read them."""

import math

MINUS = "\N{MINUS SIGN}"


def signed(value: float, digits: int = 3) -> str:
    """With + or a true minus sign; `0.000` without a sign, `n/a` for NaN."""
    if math.isnan(value):
        return "n/a"
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def percent(value: float) -> str:
    """A share as a signed percentage with one decimal."""
    return f"{signed(100 * value, 1)} %" if not math.isnan(value) else "n/a"


def interval_text(low: float, high: float, level: float) -> str:
    """`95 % interval +0.100 to +0.200`, or a note that there is none."""
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{100 * level:g} % interval {signed(low)} to {signed(high)}"


def percent_interval(low: float, high: float, level: float) -> str:
    """`95 % interval +10.0 % to +20.0 %`, or a note that there is none."""
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{100 * level:g} % interval {percent(low)} to {percent(high)}"


def plural(number: int, noun: str) -> str:
    """A number of things: `1 set`, `2 sets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short_count(value: float) -> str:
    """A count with k, M, B or T: 1.2M."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            number = value / size
            return f"{number:.0f}{unit}" if number >= 100 else f"{number:.3g}{unit}"
    return f"{value:.0f}"


def time_text(seconds: float) -> str:
    """A time in the unit that suits it: `12 s`, `3.4 min`, `5.6 h`; `n/a` for NaN."""
    if math.isnan(seconds):
        return "n/a"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def shots_text(shots: int) -> str:
    """`no demonstrations`, `1 demonstration`, `5 demonstrations`."""
    if not shots:
        return "no demonstrations"
    return f"{shots} demonstration{'' if shots == 1 else 's'}"


def metric_text(metric: str) -> str:
    """The name of a metric, or of a measure, as people write it: `ROUGE-L`, `F1`, `exact match`."""
    words = {"rouge_l": "ROUGE-L", "f1": "F1", "probability": "probability of the right option"}
    return words.get(metric, metric.replace("_", " "))
