# SPDX-License-Identifier: Apache-2.0
"""Says numbers, times and names as people read them."""

from collections.abc import Mapping
from typing import Any, Final

from biobert_tf.reproduce.page.report import Finding, Published, Row, Spread

DAGGER: Final = "\u2020"
NONE: Final = "\u2013"
MINUS: Final = "\u2212"
SPACE: Final = "\u00a0"
"""Keeps what is around it on one line."""
_SHORT: Final = {
    "f1": "F1",
    "mrr": "MRR",
    "macro_f1": "Macro F1",
    "word_macro_f1": "Macro F1 of words",
    "example_f1": "Example-based F1",
}


def metric(name: str) -> str:
    """Returns the heading of a metric: `strict_accuracy` is "Strict accuracy"."""
    words = name.replace("_", " ")
    return _SHORT.get(name, words[:1].upper() + words[1:])


def percent(value: float) -> str:
    """Returns a score with two decimals; the pages say once that all are percent."""
    return f"{value:.2f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Returns a difference with its sign, two decimals."""
    return f"{round(value, 2) + 0:+.2f}".replace("-", MINUS)


def spread(value: Spread) -> str:
    """Returns a mean and, if known, its standard deviation."""
    mean = percent(value.mean)
    return (
        mean if value.std is None else f"{mean}{SPACE}\u00b1{SPACE}{percent(value.std)}"
    )


def interval(ends: tuple[float, float]) -> str:
    """Returns the ends of an interval."""
    return f"[{percent(ends[0])}, {percent(ends[1])}]"


def published(value: Published) -> str:
    """Returns a number of the paper, with a dagger if it is unverified."""
    return percent(value.value) + ("" if value.is_verified else DAGGER)


def probability(value: float) -> str:
    """Returns a p-value with three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Returns a time in seconds as hours and minutes, or seconds below a minute."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def number_of_seeds(value: Spread) -> str:
    """Returns how many seeds a mean is over."""
    return f"n{SPACE}={SPACE}{'unknown' if value.n is None else value.n}"


def counts(numbers: Mapping[Any, int]) -> str:
    """Returns how often each thing occurs: "2 failed, 1 to do"."""
    said = (f"{count:,} {name}" for name, count in numbers.items())
    return ", ".join(one.replace(" ", SPACE) for one in said)


def settings(values: Mapping[str, object]) -> str:
    """Returns settings on one line."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def test_size(row: Row) -> str:
    """Returns the sizes of a test set, and whether they are those published."""
    sizes = [f"{size:,} {name}" for name, size in row.test_size.items()]
    agree = {
        True: "the counts are those published",
        False: "the counts differ from those published",
        None: "the counts were not checked",
    }[row.counts_agree]
    return f"Test set: {', '.join(sizes) or 'size unknown'}; {agree}"


def finding(value: Finding) -> str:
    """Returns what a check of the data found."""
    share = f"{value.count:,} of {value.of:,}"
    return f"{share} {value.text}" if value.text else f"{share}: {value.finding}"
