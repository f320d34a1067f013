# SPDX-License-Identifier: Apache-2.0
"""The process of a side: gets warm, then does the work once for every line it reads.

python -m benchmarks.peers.worker MODULE.FUNCTION OPTIONS FOLDER

The function is called with the folder of the inputs and the options, a JSON object, and
returns `rows.Prepared`. Every answer is a line of JSON.
"""

import importlib
import json
import os
import resource
import sys
from pathlib import Path

from benchmarks import turns


def main() -> None:
    """Serves turns until the input ends."""
    name, options, folder = sys.argv[1:]
    # Libraries print to standard output too; only the answers may stand there.
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    module, function = name.split(".")
    prepare = getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)
    side = prepare(Path(folder), **json.loads(options))
    print(json.dumps({"answer": side.answer, "notes": side.notes}), file=answers)
    for _ in sys.stdin:
        print(json.dumps(turns.timed(side.turn)), file=answers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(peak), file=answers)


if __name__ == "__main__":
    main()
