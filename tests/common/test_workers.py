"""What errors of TensorFlow say of other workers; the texts are TensorFlow's."""

import json
import sys
import types

import pytest

from biobert_tf.common import workers
from biobert_tf.common.errors import InputError, LostWorkerError

HEARTBEAT = """\
Graph execution error:

Collective ops is aborted by: Error reported from /job:worker/task:1: The following \
tasks are unhealthy (stopped sending heartbeats):
/job:worker/replica:0/task:1
The tasks have crashed. Check the task logs for an earlier error, or scheduler events \
(e.g. preemption, eviction) to debug further.
The error could be from a previous operation. Restart your program to reset.
\t [[{{node CollectiveReduceV2}}]] [Op:__inference_loop_fn_9749]"""
CONNECTION = """\
Collective ops is aborted by: recvmsg:Connection reset by peer
Additional GRPC error information from remote target /job:worker/replica:0/task:0 \
while calling /tensorflow.WorkerService/RecvBuf:
:UNKNOWN:Error received from peer  {grpc_status:14, \
grpc_message:"recvmsg:Connection reset by peer"}
The error could be from a previous operation. Restart your program to reset."""
# The first worker's machine is gone, and with it the service.
SERVICE = """\
Collective ops is aborted by: Deadline Exceeded

RPC: /tensorflow.CoordinationService/Heartbeat
The error could be from a previous operation. Restart your program to reset."""
TOLD = """\
Collective ops is aborted by: Error reported from /job:worker/task:0: ended with \
status 2: /data/x.tfrecord: damaged: write it again
The error could be from a previous operation. Restart your program to reset."""
ADVICE = (
    " does not answer any more; start the same command again on every worker: a "
    "training goes on from its last state"
)


class OpError(Exception):
    pass


class UnavailableError(OpError):
    pass


for kind in (OpError, UnavailableError):
    kind.__module__ = "tensorflow.python.framework.errors_impl"


class Context:
    """TensorFlow's state of a process; it says in `told` what was reported."""

    def __init__(self, number, has_error=False):
        self.coordination_service = types.SimpleNamespace(
            service_leader="/job:worker/replica:0/task:0"
        )
        self._context_handle = object()
        self._server_def = types.SimpleNamespace(job_name="worker", task_index=number)
        self.has_error = has_error
        self.told = []

    def report_error_to_cluster(self, code, message):
        if self.has_error:
            raise OpError("Coordination service agent is already in error state.")
        self.told.append((code, message))


@pytest.fixture
def joined(monkeypatch):
    """Makes this process a worker, as far as the module can see."""
    tf_config = {"cluster": {"worker": ["a:2222", "b:2223"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))

    def join(context):
        module = types.SimpleNamespace(context=lambda: context)
        monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", module)
        return context

    return join


@pytest.mark.parametrize(
    "text, status, message",
    [
        (HEARTBEAT, 4, f"worker 1 (b:2223){ADVICE}"),
        (CONNECTION, 4, f"worker 0 (a:2222){ADVICE}"),
        (SERVICE, 4, f"another worker{ADVICE}"),
        (
            TOLD,
            2,
            "worker 0 (a:2222) has ended: /data/x.tfrecord: damaged: write it again",
        ),
    ],
)
def test_what_errors_say(joined, text, status, message):
    joined(Context(1))
    found = workers.lost(OpError(text))
    assert (found.status, str(found)) == (status, message)


def test_a_worker_that_the_cluster_does_not_name(joined, monkeypatch):
    joined(Context(1))
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert str(workers.lost(OpError(HEARTBEAT))) == f"worker 1{ADVICE}"


def test_a_connection_that_fails_outside_of_a_step(joined):
    joined(Context(1))
    assert str(workers.lost(UnavailableError("closed"))) == f"another worker{ADVICE}"


def test_other_errors_say_nothing_of_workers(joined):
    assert workers.lost(OpError(HEARTBEAT)) is None
    joined(Context(1))
    for error in (OpError("a shape"), InputError(HEARTBEAT), ValueError(TOLD)):
        assert workers.lost(error) is None
    known = LostWorkerError("known")
    assert workers.lost(known) is known


@pytest.mark.parametrize("number, waits", [(0, [1.0]), (1, [])])
def test_telling(joined, monkeypatch, number, waits):
    """In one line. The first worker, whose service tells all, waits until it has."""
    slept = []
    monkeypatch.setattr(workers.time, "sleep", slept.append)
    context = joined(Context(number))
    workers.tell(2, "x.tsv:3: bad\nrow")
    assert context.told == [(10, "ended with status 2: x.tsv:3: bad row")]
    assert slept == waits


def test_telling_where_nobody_hears(joined):
    """The cluster knows of an error already; or there is no cluster."""
    workers.tell(2, "bad row")
    context = joined(Context(0, has_error=True))
    workers.tell(2, "bad row")
    assert context.told == []
    assert workers.are_met()
