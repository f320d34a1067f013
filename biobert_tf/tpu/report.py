# SPDX-License-Identifier: Apache-2.0
"""What a check has found, in words and as a table in Markdown."""

from collections.abc import Iterator
from typing import Any


def table(results: dict[str, Any]) -> str:
    """Returns the table of a check's results, as `check.check` returns them."""
    about = results["about"]
    lines = [
        f"{about['machine']}; TensorFlow {about['tensorflow']}, JAX {about['jax']}, "
        f"libtpu {about['libtpu']}, Python {about['python']}.",
        "",
        "| step, and a core's batch | chip | arguments, GiB | temporaries, GiB | "
        "peak of limit, GiB | TFLOP of the compiler (counted) | GB moved | "
        "CPU s to compile |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in results["steps"]:
        name = f"{entry['title']}, {entry['step']}: {size(entry)}"
        if "error" in entry:
            lines.append(f"| {name} | | {entry['error']} | | | | | |")
        for chip, found, limit in _by_chip(results, entry):
            lines.append(f"| {name} | {chip} | {_cells(entry, found, limit)} |")
    return "\n".join(lines) + "\n"


def text(results: dict[str, Any]) -> str:
    """Returns the results for people: a line for each step and chip."""
    lines = []
    for entry in results["steps"]:
        lines.append(f"{entry['title']}, {entry['step']}: {size(entry)} per core")
        if "error" in entry:
            lines.append(f"  {entry['error']}")
        for chip, found, limit in _by_chip(results, entry):
            lines.append(f"  {chip:4} {_said(entry, found, limit)}")
    lines.append(
        "Nothing was executed. The sums over all cores are not in these steps."
    )
    return "\n".join(lines) + "\n"


def num_failed(results: dict[str, Any]) -> int:
    """Returns how many steps do not compile; one that is too large does."""
    return sum(
        ("error" in entry)
        + sum(found["status"] == "fails" for found in entry["chips"].values())
        for entry in results["steps"]
    )


def _by_chip(
    results: dict[str, Any], entry: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Yields the chips that a step is compiled for, in one order, and their limits."""
    for chip, limit in results["about"]["limits"].items():
        if chip in entry["chips"]:
            yield chip, entry["chips"][chip], limit


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.3g}"


def _said(entry: dict[str, Any], found: dict[str, Any], limit: float) -> str:
    if found["status"] == "fails":
        return f"fails: {first_line(found)}"
    if found["status"] == "does not fit":
        said = f"does not fit: needs {_needed(found, limit)}"
    else:
        said = (
            f"fits: {_gib(found['peak_bytes'])} GiB of {limit} at the peak (arguments "
            f"{_gib(found['argument_bytes'])}, temporaries "
            f"{_gib(found['temporary_bytes'])}); {found['flops'] / 1e12:.3g} TFLOP, "
            f"counted {entry['counted_flops'] / 1e12:.3g}; compiled in "
            f"{found['seconds']} s"
        )
    if "largest_texts" in found:
        total = found["largest_texts"] * entry["cores"]
        said += f"; at most {found['largest_texts']} texts per core, {total} in all"
    return said


def size(entry: dict[str, Any]) -> str:
    """Returns what a core computes in a step."""
    texts = entry["texts"]
    if "rows" not in entry:
        return f"{texts} texts"
    rows = f"{entry['rows']} x {entry['width']}"
    return rows if entry["rows"] == texts else f"{texts} texts in {rows}"


def _cells(entry: dict[str, Any], found: dict[str, Any], limit: float) -> str:
    # Not those of the clock: compilations share the machine.
    seconds = found.get("cpu_seconds", "")
    if found["status"] == "does not fit":
        return (
            f"| | **does not fit**: {_needed(found, limit)} | "
            f"({entry['counted_flops'] / 1e12:.3g}) | | {seconds}"
        )
    if found["status"] == "fails":
        return f"**fails**: {first_line(found)} | | | | | {seconds}"
    most = (
        f"; at most {found['largest_texts']} texts" if "largest_texts" in found else ""
    )
    return (
        f"{_gib(found['argument_bytes'])} | {_gib(found['temporary_bytes'])} | "
        f"{_gib(found['peak_bytes'])} of {limit}{most} | "
        f"{found['flops'] / 1e12:.3g} ({entry['counted_flops'] / 1e12:.3g}) | "
        f"{found['bytes_moved'] / 1e9:.1f} | {seconds}"
    )


def _needed(found: dict[str, Any], limit: float) -> str:
    """Returns the need of a step that does not fit, as far as the compiler says it."""
    if "needed_bytes" not in found:
        return f"more than {limit} GiB"
    return f"{_gib(found['needed_bytes'])} of {_gib(found['limit_bytes'])} GiB"


def first_line(found: dict[str, Any]) -> str:
    """Returns an error's first line, so that it stands in a table."""
    return str(found["error"]).splitlines()[0].replace("|", "/")[:300]
