# SPDX-License-Identifier: Apache-2.0
r"""Measures how long `run_ner.py` takes to stop after Ctrl-C, at random moments.

    python -m benchmarks.stopping --data_dir=NER/NCBI-disease --model=MiniLM \
        --times=10 -- --do_lower_case --strategy=cpu

Every time the same command is started in the same directory, so a later training goes
on from the state that the one before has saved. Each line is one stop: the seconds
from the start to the signal and from the signal to the end, the exit status, the step
of the newest state and what the command said last. What follows `--` is given to
`run_ner.py` too.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def stop(command: list[str], after: float) -> tuple[float, int, str]:
    """Starts a command, sends Ctrl-C after some seconds, waits for its end.

    Returns the seconds from the signal to the end, the status and the last line.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            # A shell's background jobs ignore Ctrl-C, and so would the command.
            ["env", "--default-signal=INT", *command],
            stdout=log,
            stderr=log,
        )
        time.sleep(after)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        status = process.wait()
        seconds = time.monotonic() - start
        log.seek(0)
        return seconds, status, ([*log] or ["nothing"])[-1].strip()


def newest(output: Path) -> int:
    """Returns the step of the newest state; 0 if there is none."""
    paths = output.glob("training/*.index")
    return max((int(path.stem.split("-")[1]) for path in paths), default=0)


def main() -> None:
    """Prints a line for every stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=float, default=1.0, help="least seconds")
    parser.add_argument("--last", type=float, default=60.0, help="most seconds")
    parser.add_argument("more", nargs="*")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        command = [
            *(sys.executable, str(ROOT / "run_ner.py")),
            *(f"--data_dir={given.data_dir}", f"--output_dir={output}"),
            *(f"--init_checkpoint={given.model}", *given.more),
        ]
        print(" after    takes  status   step  says")
        for _ in range(given.times):
            after = rng.uniform(given.first, given.last)
            seconds, status, line = stop(command, after)
            said = line.replace(str(output), "OUT")
            print(
                f"{after:5.1f}s {seconds:7.2f}s {status:7} {newest(output):6}  {said}",
                flush=True,
            )


if __name__ == "__main__":
    main()
