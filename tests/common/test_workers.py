"""What errors of TensorFlow say of other workers; the texts are TensorFlow's."""

import json
import socket
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
ENDED = """\
Collective ops is aborted by: Error reported from /job:worker/task:0: \
worker 0 (a:2222) has ended with status 2: /data/x.tfrecord: damaged: write it again
The error could be from a previous operation. Restart your program to reset."""
# The first worker's own operations may fail before its service has told the others.
ENDED_FIRST = """\
Collective ops is aborted by: Collective ops is aborted by: worker 0 (a:2222) has \
ended with status 2: /data/x.tfrecord: damaged: write it again
The error could be from a previous operation. Restart your program to reset.
Additional GRPC error information from remote target /job:worker/replica:0/task:0 \
while calling /tensorflow.WorkerService/CompleteInstance:
:UNKNOWN:Error received from peer  {grpc_status:10, grpc_message:"Collective ops is \
aborted by: worker 0 (a:2222) has ended with status 2: /data/x.tfrecord: damaged: \
write it again\\nThe error could be from a previous operation."}"""
WHY = "worker 0 (a:2222) has ended: /data/x.tfrecord: damaged: write it again"
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

    def __init__(self, has_error=False):
        self.coordination_service = self._context_handle = object()
        self.has_error = has_error
        self.told = []

    def report_error_to_cluster(self, code, message):
        if self.has_error:
            raise OpError("Coordination service agent is already in error state.")
        self.told.append((code, message))


@pytest.fixture
def joined(monkeypatch):
    """Makes this process a worker, as far as the module can see; returns its context.

    It is the first one of these or the second.
    """

    def join(number, has_error=False, addresses=("a:2222", "b:2223")):
        task = {"type": "worker", "index": number}
        tf_config = {"cluster": {"worker": addresses}, "task": task}
        monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))
        context = Context(has_error)
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
        (ENDED, 2, WHY),
        (ENDED_FIRST, 2, WHY),
    ],
)
def test_what_errors_say(joined, text, status, message):
    joined(1)
    found = workers.lost(OpError(text))
    assert (found.status, str(found)) == (status, message)


def test_a_connection_that_fails_outside_of_a_step(joined):
    joined(1)
    assert str(workers.lost(UnavailableError("closed"))) == f"another worker{ADVICE}"


def test_other_errors_say_nothing_of_workers(joined):
    assert workers.lost(OpError(HEARTBEAT)) is None
    joined(1)
    for error in (OpError("a shape"), InputError(HEARTBEAT), ValueError(ENDED)):
        assert workers.lost(error) is None
    known = LostWorkerError("known")
    assert workers.lost(known) is known


def test_telling(joined):
    """In one line."""
    context = joined(1)
    workers.tell(2, "x.tsv:3: bad\nrow")
    message = "worker 1 (b:2223) has ended with status 2: x.tsv:3: bad row"
    assert context.told == [(10, message)]


@pytest.fixture
def other():
    """A server that is another worker, and the addresses of both."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, ["127.0.0.1:1", f"127.0.0.1:{server.getsockname()[1]}"]


@pytest.mark.parametrize("has_error", [False, True])
def test_the_first_worker_ends_last(joined, monkeypatch, other, has_error):
    """Its service tells the others, also what a worker has told it."""
    server, addresses = other
    looks = []

    def end_at_second_look(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            server.close()

    monkeypatch.setattr(workers.time, "sleep", end_at_second_look)
    joined(0, has_error, addresses)
    workers.tell(2, "bad")
    assert len(looks) == 2


def test_the_first_worker_does_not_wait_for_ever(joined, monkeypatch, other):
    monkeypatch.setattr(workers, "_SECONDS_TO_END", 0.05)
    context = joined(0, addresses=other[1])
    workers.tell(2, "bad")
    assert len(context.told) == 1


def test_telling_where_nobody_hears(joined):
    """The cluster knows of an error already; or there is no cluster."""
    workers.tell(2, "bad row")
    context = joined(1, has_error=True)
    workers.tell(2, "bad row")
    assert context.told == []
    assert workers.are_met()
