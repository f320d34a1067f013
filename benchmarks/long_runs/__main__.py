# SPDX-License-Identifier: Apache-2.0
r"""Watches commands that run for long: do memory, threads and open files grow?

    python -m benchmarks.long_runs [--only=ner,annotate] [--steps=5000]
        [--annotated=100000] [--converted=1000000] [--data=DIR] [--output=runs/long]
        [--page=docs/long_runs.md]

The commands are those of a user, in processes of their own, with a model so small that
it takes minutes; whether memory grows does not depend on its size. Linux only: the
numbers come from /proc. DIR holds `train.tsv`, `devel.tsv` and `test.tsv`; without it
the demo's sentences are repeated. What is written stays in `--output`; the results of
works that are not run again are kept. `--page` makes a page's tables, and its picture
and JSON beside it, anew.
"""

import argparse
import json
import platform
import shutil
import sys
import time
from pathlib import Path

from benchmarks.long_runs import page, processes, watching, works
from benchmarks.peers import machine


def arguments() -> argparse.Namespace:
    """Returns the flags; `only` is a list of works."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--only", default=",".join(works.NAMES), help="default: all")
    parser.add_argument("--steps", type=int, default=5000, help="of a training")
    parser.add_argument("--annotated", type=int, default=100_000, help="sentences")
    parser.add_argument("--converted", type=int, default=1_000_000, help="sentences")
    parser.add_argument("--data", type=Path, help="folder of .tsv files")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--output", type=Path, default=Path("runs/long"))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    given.only = given.only.split(",")
    if unknown := [name for name in given.only if name not in works.NAMES]:
        parser.error(f"--only={unknown[0]}: none of {', '.join(works.NAMES)}")
    if not processes.is_available():
        parser.error(f"{platform.system()} has no /proc: run this on Linux")
    return given


def main() -> None:
    """Runs the works, and writes the results after each."""
    given = arguments()
    folder = given.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sizes = works.Sizes(given.steps, given.annotated, given.converted)
    target = folder / "results.json"
    found = json.loads(target.read_text("utf-8"))["works"] if target.exists() else {}
    about = described()
    for name in (name for name in works.NAMES if name in given.only):
        work = works.work(name, folder, given.data, sizes)
        start = time.monotonic()
        try:
            seen = watching.watch(work, folder / f"{name}.log", given.interval)
        except watching.CommandError as error:
            sys.exit(f"error: {error}")
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
        seen["words"] = [word.replace(str(folder), "DIR") for word in seen["words"]]
        seen["words"] = [
            word.replace(str(watching.ROOT), ".") for word in seen["words"]
        ]
        found[name] = seen
        ordered = {key: found[key] for key in works.NAMES if key in found}
        results = {"machine": about, "works": ordered}
        target.write_text(json.dumps(results) + "\n", "utf-8")
    print(page.tables(results))
    if given.page:
        shutil.copy(target, given.page.with_suffix(".json"))
        page.update_files(given.page, results)


def described() -> str:
    """Returns the machine in a line."""
    told = machine.describe({"ours": sys.executable})
    packages: dict[str, dict[str, str]] = told["packages"]  # type: ignore[assignment]
    return (
        f"{told['processor']}, {told['cores']} cores, {told['memory_gib']} GiB; "
        f"{told['system']}, Python {told['python']}, "
        f"tensorflow {packages['ours'].get('tensorflow')}."
    )


if __name__ == "__main__":
    main()
