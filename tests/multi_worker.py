"""The two workers of a cluster that trains and predicts the toy.

    python multi_worker.py RECORDS MODEL_DIR RESULTS ENVIRONMENT RESULTS ENVIRONMENT

The workers are two processes that part when TensorFlow is imported. ENVIRONMENT is a
JSON object of variables: its TF_CONFIG says which worker it is for. A signal to the
second worker stops the training of both after step 5; it is taken up again. RESULTS is
an `.npz` file: the weights by their TF1 names, the predictions with `predicted:` before
theirs, `is_chief`, and the steps reached.
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
    steps = []
    for step_of_signal in (4, None):
        made = engine.estimator(
            Path(model_dir),
            config=engine.without_dropout(),
            strategy=strategy,
            device=device,
            iterations_per_loop=2,
        )
        if not made.is_chief:
            send_signal_after(step_of_signal)
        try:
            steps.append(engine.train(made, paths))
        except StoppedError as error:
            steps.append(int(re.match(r"after step ([0-9]+) of 7;", str(error))[1]))
    predicted = made.predict(records.rows(paths, engine.TASK.specs), batch_size=4)
    np.savez(
        results_file,
        **made.weights(),
        **{f"predicted:{name}": values for name, values in predicted.items()},
        is_chief=made.is_chief,
        steps=steps,
    )


def send_signal_after(step, check=progress.check_finite):
    """Sends SIGTERM to this process when the training has made a step."""

    def check_and_send(history, first_step, **settings):
        check(history, first_step, **settings)
        if step is not None and first_step < step <= first_step + len(history["loss"]):
            os.kill(os.getpid(), signal.SIGTERM)

    progress.check_finite = check_and_send


if __name__ == "__main__":
    main(*sys.argv[1:])
