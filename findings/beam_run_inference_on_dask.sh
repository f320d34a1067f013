#!/usr/bin/env bash
# RunInference loses elements on Beam's DaskRunner, and the pipeline ends as DONE.
#
# RunInference forms batches with BatchElements, which yields the last batch of a bundle
# in `finish_bundle`. FnApiRunner passes that on; DaskRunner drops it without an error.
# With one element in a partition (`--dask_partition_size=1`, wanted where an element is
# a shard of work) every batch is the last one: the model is never asked.
#
# Version: apache-beam 2.77.0 with its extra `dask`, Python 3.11. Date: 2026-11-29.
# Seen:
#   FnApiRunner, RunInference: DONE, 40 of 40
#   DaskRunner, Map: DONE, 40 of 40
#   DaskRunner, BatchElements: DONE, 32 of 40
#   DaskRunner, RunInference: DONE, 32 of 40
#   DaskRunner, RunInference, one element in a partition: DONE, 0 of 40
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'apache-beam[dask]==2.77.0'
cat > "$folder/run.py" <<'PYTHON'
import logging
import sys
from pathlib import Path

import apache_beam as beam
import distributed
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

RUNNERS = {
    "FnApiRunner": "apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner",
}


class Model:
    def answer(self, element):
        return element


class Handler(ModelHandler):
    def load_model(self):
        return Model()

    def run_inference(self, batch, model, inference_args=None):
        return [model.answer(element) for element in batch]


STEPS = {
    "Map": lambda: beam.Map(abs),
    "BatchElements": lambda: beam.BatchElements(1, 9) | beam.FlatMap(list),
    "RunInference": lambda: RunInference(Handler()),
}


def count(runner, name, folder, options):
    folder.mkdir()
    pipeline = beam.Pipeline(runner=RUNNERS[runner], options=PipelineOptions(options))
    _ = (
        pipeline
        | beam.Create(list(range(40)))
        | STEPS[name]()
        | "touch" >> beam.Map(lambda element: (folder / str(element)).touch())
    )
    state = pipeline.run().wait_until_finish()
    return f"{state}, {len(list(folder.iterdir()))} of 40"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        dask = [f"--dask_client_address={cluster.scheduler_address}"]
        seen = []
        for number, (runner, name, options, note) in enumerate(
            [
                ("FnApiRunner", "RunInference", [], ""),
                ("DaskRunner", "Map", dask, ""),
                ("DaskRunner", "BatchElements", dask, ""),
                ("DaskRunner", "RunInference", dask, ""),
                (
                    "DaskRunner",
                    "RunInference",
                    [*dask, "--dask_partition_size=1"],
                    ", one element in a partition",
                ),
            ]
        ):
            seen.append(count(runner, name, Path(sys.argv[1]) / str(number), options))
            print(f"{runner}, {name}{note}: {seen[-1]}", flush=True)
    assert seen[:2] == ["DONE, 40 of 40"] * 2, seen
    assert all(one != "DONE, 40 of 40" for one in seen[2:]), "the runner has changed"
    assert seen[4] == "DONE, 0 of 40", "the runner has changed"
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder" 2>/dev/null
