"""One worker of a cluster that trains and predicts the toy; the test starts two.

    python multi_worker.py RECORDS MODEL_DIR RESULTS

TF_CONFIG says which worker this is. The training stops after step 4 and is taken up
again, as after a kill. RESULTS is an `.npz` file: the weights by their TF1 names, the
predictions with `predicted:` before theirs, `is_chief`, and the steps reached.
"""

import sys
from pathlib import Path

import engine
import numpy as np

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import records
from biobert_tf.training import strategy as strategies


def main(records_file, model_dir, results_file):
    device = DeviceConfig(strategy="multi_worker")
    strategy = strategies.build_strategy(device)
    paths = [Path(records_file)]
    steps = []
    for max_steps in (4, 0):
        made = engine.estimator(
            Path(model_dir),
            config=engine.without_dropout(),
            strategy=strategy,
            device=device,
            max_steps=max_steps,
        )
        steps.append(engine.train(made, paths))
    predicted = made.predict(records.rows(paths, engine.TASK.specs), batch_size=4)
    np.savez(
        results_file,
        **made.weights(),
        **{f"predicted:{name}": values for name, values in predicted.items()},
        is_chief=made.is_chief,
        steps=steps,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
