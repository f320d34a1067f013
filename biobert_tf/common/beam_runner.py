# SPDX-License-Identifier: Apache-2.0
"""Runs pipelines on a runner of Apache Beam, after checking the runner's options.

Pipelines use no metrics, no side inputs and no steps with several outputs, and have
one end, because Beam's Dask runner supports no more.
"""

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from biobert_tf.common import beam_storage, beam_work
from biobert_tf.common.beam_work import Step, Work
from biobert_tf.common.errors import InputError

_RUNNER_CLASSES: Final = {
    # Beam's own "DirectRunner" tries to download and run a Go program.
    "DirectRunner": "apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner",
}


@dataclasses.dataclass(frozen=True)
class Runner:
    """A runner of Beam: the value of `--runner`, and Beam's `PipelineOptions`."""

    name: str
    options: Any

    @classmethod
    def of(cls, name: str, pipeline_options: Sequence[str]) -> "Runner":
        """Returns the runner of a value of `--runner`, with its own options.

        Raises:
            InputError: Beam is not installed or does not know an option.
        """
        try:
            with _quiet_import():
                from apache_beam.options.pipeline_options import PipelineOptions
                from apache_beam.runners import create_runner

                # Importing the runner makes its options known to Beam.
                create_runner(_RUNNER_CLASSES.get(name, name))
        except ImportError as error:
            raise InputError(
                f"--runner={name} needs Apache Beam: pip install '.[beam]' ({error})"
            ) from None
        arguments = _arguments(name, pipeline_options)
        options = PipelineOptions(arguments)
        options.get_all_options(
            add_extra_args_fn=functools.partial(_check_arguments, arguments)
        )
        return cls(name, options)

    def run(self, work: Work, elements: Iterable[Any], *steps: Step) -> None:
        """Runs a pipeline of one or two steps on elements to its end.

        If there are two, the first yields pairs of a key and a value, and the second
        is applied to each key and all its values.

        Raises:
            InputError: A step found an error in the input, or the runner failed.
        """
        import apache_beam as beam

        inputs = list(elements)
        if not inputs:
            return
        first, *others = (functools.partial(beam_work.guarded, work, s) for s in steps)

        runner = _RUNNER_CLASSES.get(self.name, self.name)
        try:
            pipeline = beam.Pipeline(runner=runner, options=self.options)
        except ValueError as error:
            lines = str(error).splitlines()
            problem = " ".join(lines[1:] or lines)
            raise InputError(f"--pipeline_options: {problem}") from None
        found = (
            pipeline
            | beam.Create(inputs)
            # Without this a runner may process all elements in one place.
            | beam.Reshuffle()
            | "First" >> beam.FlatMap(first)
        )
        for second in others:
            _ = found | beam.GroupByKey() | "Second" >> beam.FlatMap(second)
        try:
            self._finish(pipeline)
        except OSError as error:
            raise InputError(f"--runner={self.name}: {error}") from None
        if beam_storage.find(work.error_place):
            raise InputError(beam_storage.get_object(work.error_place))

    def _finish(self, pipeline: Any) -> None:
        try:
            result = pipeline.run()
        except RuntimeError as error:
            # These runners run the steps in `run`: the error is a bug of a step.
            if self.name in _RUNNER_CLASSES:
                raise
            raise InputError(
                f"--runner={self.name} cannot be started: {str(error).splitlines()[0]}"
            ) from None
        try:
            state = result.wait_until_finish()
        finally:
            # Dask's result holds a client and, if no address was given, a cluster.
            if hasattr(result, "client"):
                result.client.close()
        if state not in (None, "DONE"):
            raise InputError(f"--runner={self.name}: the pipeline ended as {state}")


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Silences log lines about missing cloud packages and starting workers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
    for name in ("apache_beam.runners.worker", "distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _arguments(name: str, pipeline_options: Sequence[str]) -> list[str]:
    arguments = list(pipeline_options)
    sized = ("--dask_partition_size", "--dask_npartitions")
    if name == "DaskRunner" and not any(a.startswith(sized) for a in arguments):
        # The default gives 128 elements, here whole files, to one worker.
        arguments.append("--dask_partition_size=1")
    return arguments


def _check_arguments(arguments: Sequence[str], parser: Any) -> None:
    """Refuses arguments that Beam would ignore with a warning, or crash on."""

    def refuse(problem: str) -> None:
        raise InputError(f"--pipeline_options: {problem}")

    parser.error = refuse
    _, unknown = parser.parse_known_args(arguments)
    if unknown:
        refuse(f"Beam has no option {unknown[0]}")
