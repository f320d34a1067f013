#!/usr/bin/env bash
# A pipeline with RunInference ends as DONE on Beam's DaskRunner, and its steps never run.
#
# `Create | RunInference | Map` calls the last step once per element on FnApiRunner. On
# DaskRunner `wait_until_finish` returns DONE, no error is raised, and the model is not
# even loaded. The same pipeline with a `Map` in the place of RunInference works. The
# runner computes the last collection of the pipeline only ("we can get away with
# computing just the last value"), and RunInference adds branches of its own.
#
# Besides, RunInference forms its batches by how fast they are, so that their sizes
# differ from run to run.
#
# Version: apache-beam 2.77.0 with its extra `dask`, Python 3.11. Date: 2026-11-29.
# Seen:
#   FnApiRunner, Map:          DONE, 40 of 40
#   FnApiRunner, RunInference: DONE, 40 of 40
#   DaskRunner, Map:           DONE, 40 of 40
#   DaskRunner, RunInference:  DONE, 0 of 40
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


def count(runner, step, folder, options):
    folder.mkdir()
    pipeline = beam.Pipeline(runner=RUNNERS[runner], options=PipelineOptions(options))
    _ = (
        pipeline
        | beam.Create(list(range(40)))
        | step
        | "touch" >> beam.Map(lambda element: (folder / str(element)).touch())
    )
    state = pipeline.run().wait_until_finish()
    return state, len(list(folder.iterdir()))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    top, seen = Path(sys.argv[1]), {}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        dask = [f"--dask_client_address={cluster.scheduler_address}"]
        for runner in RUNNERS:
            for name in ("Map", "RunInference"):
                step = beam.Map(abs) if name == "Map" else RunInference(Handler())
                options = dask if runner == "DaskRunner" else []
                found = count(runner, step, top / f"{runner}-{name}", options)
                seen[runner, name] = found
                print(f"{runner}, {name}: {found[0]}, {found[1]} of 40", flush=True)
    assert seen["DaskRunner", "RunInference"] == ("DONE", 0), "the runner has changed"
    assert [n for _, n in seen.values()] == [40, 40, 40, 0], "the runner has changed"
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder" 2>/dev/null
