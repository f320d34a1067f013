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
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import turns
from benchmarks.peers import machine, running, table
from benchmarks.peers.sides import WORKS


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


def main() -> None:
    """Makes the inputs, runs the works, and writes the results after each."""
    parser = turns.parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of train.tsv and test.tsv")
    parser.add_argument("--model", type=Path, help="a NER model or an encoder")
    parser.add_argument("--only", default=",".join(WORKS), help="works; default: all")
    parser.add_argument("--quick", action="store_true", help="a quarter of the work")
    parser.add_argument("--output", type=Path, default=Path("runs/bench"))
    parser.add_argument(
        "--inputs", type=Path, help="folder of inputs to use again; made if missing"
    )
    parser.add_argument("--peers", default=sys.executable, help="Python of the peers")
    parser.add_argument(
        "--page", type=Path, help="page whose tables, and JSON beside it, are made anew"
    )
    flags = parser.parse_args()
    # So that an end from outside ends the sides too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = flags.only.split(",")
    if unknown := [name for name in names if name not in WORKS]:
        parser.error(f"--only={unknown[0]}: none of {', '.join(WORKS)}")
    flags.output.mkdir(parents=True, exist_ok=True)
    pythons = {"ours": sys.executable, "peers": flags.peers}
    results = {"machine": machine.describe(pythons), "works": {}}
    target = flags.output / "results.json"
    if target.exists():
        before = json.loads(target.read_text("utf-8"))
        if before["machine"] == results["machine"]:
            results = before
    with tempfile.TemporaryDirectory(dir=flags.output.resolve()) as folder:
        inputs = (flags.inputs or Path(folder) / "inputs").resolve()
        if not inputs.exists():
            make_inputs(inputs, flags, pythons)
        for name in names:
            start = time.monotonic()
            results["works"][name] = running.run(
                WORKS[name], flags.turns, pythons, inputs, flags.output / "logs" / name
            )
            print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
            results["works"] = {
                n: results["works"][n] for n in WORKS if n in results["works"]
            }
            target.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (flags.output / "table.md").write_text(table.full(results), "utf-8")
    print(table.short(results))
    if flags.page:
        shutil.copy(target, flags.page.with_suffix(".json"))
        table.update_file(flags.page, results)


if __name__ == "__main__":
    main()
