"""The two workers of a cluster that trains and predicts the toy.

    python multi_worker.py RECORDS MODEL_DIR RESULTS ENVIRONMENT RESULTS ENVIRONMENT

The workers are two processes that part when TensorFlow is imported. ENVIRONMENT is a
JSON object of variables: its TF_CONFIG says which worker it is for. A signal to the
second worker, during step 4 or the next, stops the training of both; it is taken up
again. To the second worker, steps seem to take minutes; to the chief, no time. RESULTS
is an `.npz` file: the weights by their TF1 names, the predictions with `predicted:`
before theirs, `is_chief`, the steps reached, the exit status of the stop, where it says
the state is, and the lengths of all calls.
"""

import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import engine
import numpy as np

from biobert_tf.common.errors import StoppedError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import progress, records
from biobert_tf.training import strategy as strategies
from biobert_tf.training.loop import Loop
from biobert_tf.training.trainer import Trainer


def main(records_file, model_dir, chief_results, chief_is, results, other_is):
    child = os.fork()
    mine, variables = (results, other_is) if child == 0 else (chief_results, chief_is)
    os.environ.update(json.loads(variables))
    # TMPDIR is read once, and an import may have done that.
    tempfile.tempdir = None
    work(records_file, model_dir, mine)
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def work(records_file, model_dir, results_file):
    device = DeviceConfig(strategy="multi_worker")
    strategy = strategies.build_strategy(device)
    paths = [Path(records_file)]
    steps, statuses, calls = [], [], watched_calls()
    for step_of_signal in (4, None):
        made = engine.estimator(
            Path(model_dir),
            config=engine.without_dropout(),
            strategy=strategy,
            device=device,
            iterations_per_loop=2,
        )
        pretend_speed(made.is_chief)
        if not made.is_chief:
            send_signal_after(step_of_signal)
        try:
            steps.append(engine.train(made, paths))
        except StoppedError as error:
            said = re.match(
                r"after step (\d+) of 7; the state is in (.*?);", str(error)
            )
            steps.append(int(said[1]))
            statuses.append(error.status)
    predicted = made.predict(records.rows(paths, engine.TASK.specs), batch_size=4)
    np.savez(
        results_file,
        **made.weights(),
        **{f"predicted:{name}": values for name, values in predicted.items()},
        is_chief=made.is_chief,
        steps=steps,
        statuses=statuses,
        place=said[2],
        calls=calls,
    )


def watched_calls():
    """Returns a list that gets the number of steps of every compiled call."""
    calls, call = [], Trainer.train

    def train(self, num_steps):
        calls.append(int(num_steps))
        return call(self, num_steps)

    Trainer.train = train
    return calls


def pretend_speed(is_fast, fitting=Loop._fitting):
    """Makes this worker believe that a step takes no time, or a thousand seconds."""
    seconds = 0.0 if is_fast else 1e3
    Loop._fitting = lambda self, num_steps, _: fitting(self, num_steps, seconds)


def send_signal_after(step, check=progress.check_finite):
    """Sends SIGTERM to this process when the training has made a step."""

    def check_and_send(history, first_step, **settings):
        check(history, first_step, **settings)
        if step is not None and first_step < step <= first_step + len(history["loss"]):
            os.kill(os.getpid(), signal.SIGTERM)

    progress.check_finite = check_and_send


if __name__ == "__main__":
    main(*sys.argv[1:])
