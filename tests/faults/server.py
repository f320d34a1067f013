"""Runs programs in copies of a process that has imported TensorFlow, one at a time.

    python -m faults.server [--light]

An import takes longer than a toy's training. TensorFlow has made no thread and no
device when it is only imported, so a copy made then is as good as a fresh process.
`--light` does not import it, for commands that need none.

A line of stdin is a request, an object of JSON: `function` ("module:name") and its
`arguments`, the `environment` to add, the `folder` to work in, and files for `stdout`
and `stderr`. Answered are two lines: the id of the process, which leads a group of its
own, and its status, negative after a signal.
"""

import importlib
import json
import os
import sys
import warnings


def biobert(*words):
    """The command `biobert`, as `python -m biobert_tf` starts it."""
    from biobert_tf.cli import main
    from biobert_tf.common import program

    sys.argv = ["biobert", *words]
    return program.start(main.main)


def prepare():
    """Imports what takes long, and computes nothing."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from biobert_tf.common import lean

    lean.prepare()
    for name in (
        "tensorflow",
        "biobert_tf.cli.main",
        "biobert_tf.training.loop",
        "biobert_tf.training.finetune",
    ):
        importlib.import_module(name)


def copy(request):
    """Does what is asked, in a copy; returns the exit status."""
    os.setsid()
    os.chdir(request["folder"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        opened = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
    # Last: from here on the injector counts.
    os.environ.update(request["environment"])
    module, name = request["function"].split(":")
    return getattr(importlib.import_module(module), name)(*request["arguments"])


def main():
    if "--light" not in sys.argv:
        prepare()
    # Python warns of every fork of a process with threads; those are NumPy's.
    warnings.simplefilter("ignore", DeprecationWarning)
    print("ready", flush=True)
    while line := sys.stdin.readline():
        if not (pid := os.fork()):
            sys.exit(copy(json.loads(line)))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
