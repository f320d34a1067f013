# SPDX-License-Identifier: Apache-2.0
import itertools
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import terminal

from biobert_tf.common import screen
from biobert_tf.common.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "value, level",
    [
        ("debug", logging.DEBUG),
        ("INFO", logging.INFO),
        ("warning", logging.WARNING),
        ("error", logging.ERROR),
        ("fatal", logging.CRITICAL),
        ("1", logging.DEBUG),
        ("0", logging.INFO),
        ("-1", logging.WARNING),
        ("-2", logging.ERROR),
        ("-3", logging.CRITICAL),
    ],
)
def test_levels_have_the_names_and_numbers_of_absl(value, level):
    assert screen.level_of(value) == level
    from absl.logging import converter

    number = int(value) if value[-1].isdigit() else converter.ABSL_NAMES[value.upper()]
    assert converter.absl_to_standard(number) == level


def test_a_level_that_is_none():
    with pytest.raises(InputError, match=r"--verbosity=loud: want debug, info, "):
        screen.level_of("loud")


@pytest.mark.parametrize(
    "verbosity, shown",
    [
        ("debug", ["ours D", "ours I", "ours W", "ours E", "tf I", "tf W", "tf E"]),
        ("info", ["ours I", "ours W", "ours E", "tf E"]),
        ("warning", ["ours W", "ours E", "tf E"]),
        ("error", ["ours E", "tf E"]),
        ("fatal", []),
    ],
)
def test_who_may_say_what(verbosity, shown, caplog, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    loggers = {"ours": "biobert_tf.x", "tf": "tensorflow"}
    with screen.shown(screen.level_of(verbosity)):
        assert screen.verbosity() == verbosity
        for name, logger in loggers.items():
            for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
                text = f"{name} {level[0]}"
                logging.getLogger(logger).log(getattr(logging, level), text)
    assert caplog.messages == shown


def test_everything_is_as_before_after_the_block(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    names = ("", "biobert_tf", "tensorflow", "absl", "py.warnings")
    root, stderr = logging.getLogger(), sys.stderr
    before = [logging.getLogger(name).level for name in names], root.handlers[:]
    with screen.shown(logging.DEBUG):
        assert logging.getLogger("absl").level == logging.INFO
    after = [logging.getLogger(name).level for name in names], root.handlers[:]
    assert after == before
    assert sys.stderr is stderr


# --- what C++ code writes to the descriptor -------------------------------------------

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to "
    "STDERR",
    "W0000 00:00:1795957962.593592   11864 tf_tfl_flatbuffer_helpers.cc:364] Ignored.",
    "I0000 00:00:1795957962.603489   11864 mlir_graph_optimization_pass.cc:437] MLIR",
    "2026-11-29 13:09:20.972394: E external/local_xla/xla/stream_executor/cuda/"
    "cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error: Failed call to "
    "cuInit: UNKNOWN ERROR (303)",
    # Another worker is gone.
    "2026-11-30 15:10:45.554670: E tensorflow/core/common_runtime/"
    "base_collective_executor.cc:248] BaseCollectiveExecutor::StartAbort UNAVAILABLE: "
    "Error reported from /job:worker/task:1: The following tasks are unhealthy "
    "(stopped sending heartbeats):",
    "/job:worker/replica:0/task:1",
    "The tasks have crashed. Check the task logs for an earlier error, or scheduler",
    "2026-11-30 15:10:45.554733: E tensorflow/core/common_runtime/ring_alg.cc:291] "
    "Aborting RingReduce with UNAVAILABLE: Collective ops is aborted by: Error",
    "The error could be from a previous operation. Restart your program to reset. ",
    "Additional GRPC error information from remote target /job:worker/replica:0/task:0",
    ':UNKNOWN:Error received from peer  {grpc_status:14, grpc_message:"reset"}',
    "2026-11-30 15:31:35.056077: E external/local_xla/xla/tsl/distributed_runtime/"
    "coordination/coordination_service_agent.cc:587] Encountered another error",
    "E0000 00:00:1796050205.818966   21301 context_distributed_manager.cc:1112] "
    "Barrier failed because: task is set to ERROR",
    "RPC: /tensorflow.CoordinationService/Heartbeat",
    "This is usually caused by an earlier error during execution. Check the logs of",
]
NEWS = [
    "E0000 00:00:1795957962.593592   11864 cuda_dnn.cc:10] Loaded runtime CuDNN 9.1",
    "W0000 00:00:1795957962.593592   11864 gpu_device.cc:2341] Cannot dlopen some GPU "
    "libraries. Skipping registering GPU devices...",
    "F0000 00:00:1795957962.593592   11864 a.cc:10] Check failed",
    "2026-11-29 13:09:20.972394: E tensorflow/core/a.cc:51] out of memory",
    "2026-11-29 13:09:20.972394: E external/local_xla/xla/stream_executor/cuda/"
    "cuda_platform.cc:51] failed call to cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
    "Fatal Python error: Segmentation fault",
]
WRITE = """
import logging, os, sys
from biobert_tf.common import program

def main(argv):
    for line in argv[2:]:
        os.write(2, line.encode() + b"\\n")
    logging.getLogger("biobert_tf.x").info("ours")
    if argv[1] == "abort":
        os.abort()

sys.exit(program.run(main, sys.argv))
"""


def written(how, lines, **environment):
    """Runs a program that writes lines to descriptor 2; returns those that show."""
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", WRITE, how, *lines],
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == (how != "abort")
    shown = done.stderr.splitlines()
    assert [line for line in shown if line.endswith(" ours")], shown
    return [line for line in shown if not line.endswith(" ours")]


def test_noise_does_not_show_and_errors_do():
    pairs = itertools.zip_longest(NOISE, NEWS)
    lines = [line for pair in pairs for line in pair if line is not None]
    assert written("end", lines) == NEWS


def test_the_last_words_of_a_program_that_aborts():
    assert written("abort", NEWS) == NEWS


def test_a_program_whose_stderr_is_closed_writes_its_log_nowhere():
    words = [sys.executable, "-c", WRITE, "end"]
    done = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


CHILD = """
import logging, sys, time
from biobert_tf.common import clock, processes, program

def work(argv):
    clock._SECONDS_WITHOUT_BAR = 0
    with clock.Meter("working", "items", 20, keeps_last=True) as meter:
        for _ in range(20):
            meter.add()
            time.sleep(0.01)

def main(argv):
    assert processes.call(program.run, work, argv) == 0

if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv))
"""


def test_a_child_process_shows_its_bar(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(CHILD)
    shown, status = terminal.run([sys.executable, str(script)], PYTHONPATH=str(ROOT))
    assert status == 0, shown
    assert terminal.screen(shown)[-1].startswith("working: 100%|")


@pytest.mark.parametrize(
    "flag, environment",
    [
        (["--verbosity=debug"], {}),
        (["--verbosity", "1"], {}),
        ([], {"TF_CPP_MIN_LOG_LEVEL": "0"}),
        ([], {"TF_CPP_MIN_LOG_LEVEL": "1"}),
    ],
)
def test_whoever_wants_noise_gets_it(flag, environment):
    assert written("end", [*NOISE, *flag], **environment) == NOISE
