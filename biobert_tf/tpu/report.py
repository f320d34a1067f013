# SPDX-License-Identifier: Apache-2.0
"""What a check has found, in words and as a table in Markdown."""

from typing import Any, Final

_GIB: Final = 2**30


def table(results: dict[str, Any]) -> str:
    """Returns the table of a check's results, as `check.check` returns them."""
    about = results["about"]
    lines = [
        f"{about['machine']}; TensorFlow {about['tensorflow']}, JAX {about['jax']}, "
        f"libtpu {about['libtpu']}, Python {about['python']}.",
        "",
        "| step, and a core's batch | chip | arguments, GiB | temporaries, GiB | "
        "peak of limit, GiB | TFLOP of the compiler (counted) | GB moved | "
        "compiled in, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in results["steps"]:
        name = f"{entry['title']}, {entry['step']}: {size(entry)}"
        if "error" in entry:
            lines.append(f"| {name} | | {entry['error']} | | | | | |")
        for chip, found in entry["chips"].items():
            limit = about["limits"][chip]
            lines.append(f"| {name} | {chip} | {_cells(entry, found, limit)} |")
    return "\n".join(lines) + "\n"


def text(results: dict[str, Any]) -> str:
    """Returns the results for people: a line for each step and chip."""
    lines = []
    for entry in results["steps"]:
        lines.append(f"{entry['title']}, {entry['step']}: {size(entry)} per core")
        if "error" in entry:
            lines.append(f"  {entry['error']}")
        for chip, found in entry["chips"].items():
            limit = results["about"]["limits"][chip]
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


def _said(entry: dict[str, Any], found: dict[str, Any], limit: float) -> str:
    if found["status"] == "fails":
        return f"fails: {first_line(found)}"
    if found["status"] == "does not fit":
        said = f"does not fit: needs {_needed(found, limit)}"
    else:
        said = (
            f"fits: {found['peak_bytes'] / _GIB:.2f} GiB of {limit:.2f} at the peak "
            f"(arguments {found['argument_bytes'] / _GIB:.2f}, temporaries "
            f"{found['temporary_bytes'] / _GIB:.2f}); {found['flops'] / 1e12:.3g} "
            f"TFLOP, counted {entry['counted_flops'] / 1e12:.3g}; compiled in "
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
    seconds = found.get("seconds", "")
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
        f"{found['argument_bytes'] / _GIB:.2f} | "
        f"{found['temporary_bytes'] / _GIB:.2f} | "
        f"{found['peak_bytes'] / _GIB:.2f} of {limit:.2f}{most} | "
        f"{found['flops'] / 1e12:.3g} ({entry['counted_flops'] / 1e12:.3g}) | "
        f"{found['bytes_moved'] / 1e9:.1f} | {seconds}"
    )


def _needed(found: dict[str, Any], limit: float) -> str:
    """Returns the need of a step that does not fit, as far as the compiler says it."""
    if "needed_bytes" not in found:
        return f"more than {limit:.2f} GiB"
    needed, limit = found["needed_bytes"] / _GIB, found["limit_bytes"] / _GIB
    return f"{needed:.2f} of {limit:.2f} GiB"


def first_line(found: dict[str, Any]) -> str:
    """Returns an error's first line, so that it stands in a table."""
    return str(found["error"]).splitlines()[0].replace("|", "/")[:300]
