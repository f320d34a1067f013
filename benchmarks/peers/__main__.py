# SPDX-License-Identifier: Apache-2.0
"""Compares this package with others, side by side; `make bench BENCH='FLAGS'`.

    make bench
    make bench BENCH='--data=NCBI-disease --model=MiniLM --only=training,start'

Every work is done by all sides in turns, each side in a process of its own. The results
go to OUTPUT/results.json, a Markdown table to OUTPUT/table.md. With --only, the other
works keep their results of the same machine.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import turns
from benchmarks.peers import machine, running, table
from benchmarks.peers.sides import WORKS

Results = dict[str, Any]

QUICK: Final = ("training", "prediction", "start")


def make_inputs(
    folder: Path, flags: argparse.Namespace, pythons: Mapping[str, str]
) -> None:
    """Makes what all sides get, and converts the model for the engines."""
    given = [
        f"--{name}={value.resolve()}"
        for name in ("data", "model")
        if (value := vars(flags)[name])
    ]
    given += ["--quick"] * flags.quick
    for python, *program in (
        (pythons["ours"], "inputs", f"--output={folder}", *given),
        (pythons["peers"], "runtimes", str(folder)),
    ):
        command = [python, "-m", f"benchmarks.peers.{program[0]}", *program[1:]]
        log = flags.output / f"{program[0]}.log"
        with log.open("w") as stream:
            done = subprocess.run(
                command, stdout=stream, stderr=stream, cwd=running.ROOT
            )
        if done.returncode:
            raise SystemExit(f"error: the inputs cannot be made; see {log}")


def arguments() -> argparse.Namespace:
    """Returns the flags; `only` is a list of works."""
    parser = turns.parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of train.tsv and test.tsv")
    parser.add_argument("--model", type=Path, help="a NER model or an encoder")
    parser.add_argument(
        "--only", help=f"of {','.join(WORKS)}; default: all, if quick {','.join(QUICK)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the work, by default 2 turns"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/bench"))
    parser.add_argument(
        "--inputs", type=Path, help="folder of inputs to use again; made if missing"
    )
    parser.add_argument("--peers", default=sys.executable, help="Python of the peers")
    parser.add_argument(
        "--page", type=Path, help="page whose tables, and JSON beside it, are made anew"
    )
    flags = parser.parse_args()
    flags.turns = flags.turns or (2 if flags.quick else 5)
    default = QUICK if flags.quick else WORKS
    flags.only = flags.only.split(",") if flags.only else [*default]
    if unknown := [name for name in flags.only if name not in WORKS]:
        parser.error(f"--only={unknown[0]}: none of {', '.join(WORKS)}")
    # As it is written: a link tells Python which environment it belongs to.
    flags.peers = os.path.abspath(flags.peers)
    return flags


def earlier(target: Path, now: Results) -> Results:
    """Returns the results of the same machine and inputs in a file, else new ones."""
    if target.exists():
        before: Results = json.loads(target.read_text("utf-8"))
        if all(before.get(key) == now[key] for key in ("machine", "inputs")):
            return before
    return now


def main() -> None:
    """Makes the inputs, runs the works, and writes the results after each."""
    flags = arguments()
    # So that an end from outside ends the sides too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    flags.output.mkdir(parents=True, exist_ok=True)
    pythons = {"ours": sys.executable, "peers": flags.peers}
    target = flags.output / "results.json"
    given = {
        "data": flags.data.resolve().name if flags.data else "made up",
        "model": flags.model.resolve().name if flags.model else "random weights",
        "quick": flags.quick,
    }
    now = {"machine": machine.describe(pythons), "inputs": given, "works": {}}
    results = earlier(target, now)
    works = results["works"]
    with tempfile.TemporaryDirectory(dir=flags.output.resolve()) as folder:
        inputs = (flags.inputs or Path(folder) / "inputs").resolve()
        if not inputs.exists():
            make_inputs(inputs, flags, pythons)
        for name in flags.only:
            start, logs = time.monotonic(), flags.output / "logs" / name
            works[name] = running.run(WORKS[name], flags.turns, pythons, inputs, logs)
            print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
            # In the order of the works, whichever came first.
            results["works"] = {key: works[key] for key in WORKS if key in works}
            target.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (flags.output / "table.md").write_text(table.full(results), "utf-8")
    print(table.short(results))
    if flags.page:
        shutil.copy(target, flags.page.with_suffix(".json"))
        table.update_file(flags.page, results)


if __name__ == "__main__":
    main()
