"""Runs one conversion in a process of its own and dies at a given moment of it.

    python killed_conversion.py MOMENT INPUT OUTPUT VOCAB NUM_SHARDS

Moments are where a worker or the parent has come to, not times, so that every run
dies at the same place. `worker_...` kills the worker itself, `stop_...` only stops
there for a signal from outside; the others kill the parent, whose workers then have to
end by themselves.
"""

import functools
import os
import shutil
import signal
import sys
from pathlib import Path

from biobert_tf.common import program
from biobert_tf.common.comma_lists import CommaList, FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import conversion, outputs, units, workers
from biobert_tf.pretraining.data.manifest import Manifest
from biobert_tf.pretraining.data.settings import (
    ConversionConfig,
    CreatePretrainingDataConfig,
    PairConfig,
)

IN_WORKER = {
    # A unit is spooled, but not under its name.
    "in_unit": (units.files, "write_json", 2),
    # A TFRecord file is written, but not under its name.
    "in_file": (outputs.FileEntry, "of", 2),
    # A TFRecord file is under its name, but nothing says that it is finished.
    "before_note": (outputs.FileWriter, "note", 2),
    "worker_in_unit": (units.files, "write_json", 2),
    "worker_in_file": (outputs.FileEntry, "of", 2),
    "stop_in_unit": (units.files, "write_json", 2),
    "stop_in_file": (outputs.FileEntry, "of", 2),
}
IN_PARENT = {
    "between_passes": (outputs, "refuse_others", 1),
    "before_manifest": (Manifest, "save", 1),
    "after_manifest": (shutil, "rmtree", 1, ".work"),
}
MOMENTS = sorted(m for m in IN_WORKER | IN_PARENT if not m.startswith("stop"))
NEVER = "never"


def die_at(pid, owner, name, call, suffix=""):
    """Makes the given call of a function not return, and kill a process if any.

    Only calls count whose first argument is shown with the suffix at its end.
    """
    original = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def dying(*args, **kwargs):
        nonlocal calls
        calls += str(args[0]).endswith(suffix)
        if calls == call:
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            # A worker whose parent is dead must not get any further.
            while True:
                signal.pause()
        return original(*args, **kwargs)

    setattr(owner, name, dying)


@functools.cache
def arm(moment):
    pids = {"worker": os.getpid(), "stop": None}
    pid = pids.get(moment.partition("_")[0], os.getppid())
    die_at(pid, *IN_WORKER[moment])


def armed(moment, function, task):
    """Does a task in a worker that dies, or kills, on the way."""
    arm(moment)
    return function(task)


def loaded_modules(_):
    """What a worker has imported."""
    return set(sys.modules)


def fail(message):
    """A task that meets an error of the user's."""
    raise InputError(message)


def main(argv):
    _, moment, input_patterns, output_file, vocab_file, num_shards = argv
    if moment in IN_PARENT:
        die_at(os.getpid(), *IN_PARENT[moment])
    elif moment in IN_WORKER:
        run = workers.run
        workers.run = lambda executor, function, *rest: run(
            executor, functools.partial(armed, moment, function), *rest
        )
    convert(input_patterns, Path(output_file), Path(vocab_file), int(num_shards))


def convert(
    input_patterns, output_file, vocab_file, num_shards, num_workers=1, **pairs
):
    """The conversion that all the tests of kills share."""
    return convert_with(
        FileGlobs.parse(input_patterns),
        [output_file],
        TextConfig(vocab_file=vocab_file, max_seq_length=32),
        PairConfig(**{"dupe_factor": 2, "max_predictions_per_seq": 5, **pairs}),
        CorpusConfig(),
        ConversionConfig(num_shards=num_shards, num_workers=num_workers),
    )


def convert_with(input_file, output_files, text, pairs, corpus, how):
    """A conversion with these settings; the output files are paths or URLs."""
    return conversion.convert(
        CreatePretrainingDataConfig(
            input_file=input_file,
            output_file=CommaList.parse(",".join(map(str, output_files))),
            text=text,
            pairs=pairs,
            corpus=corpus,
            conversion=how,
        )
    )


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv))
