"""Clusters of two workers that train the toy, and what ends them.

    python multi_worker.py RECORDS FOLDER

FOLDER/resumed holds a state of step 2 of a training without dropout. Two clusters meet,
one after the other; their workers are copies of a process that has imported TensorFlow.

- `killed` trains to the end in FOLDER/whole, and then in FOLDER/restarted, until the
  second worker kills itself with a state of step 3 and a call made after that.
- `bad_input` goes on in FOLDER/restarted to the end. Then it goes on in FOLDER/resumed,
  until the second worker gets a signal during step 4. It predicts, and
  predicts again, for which the chief gets a damaged file.

To the second worker, steps seem to take minutes; to the chief, no time. The log of a
worker is FOLDER/CLUSTER-NUMBER.log. FOLDER/TRAINING-NUMBER.npz has its weights after a
training, and after that in `resumed` what else it saw. FOLDER/statuses.json has the
statuses of all, by the name of the cluster.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import engine
import numpy as np

from benchmarks.host_side import free_ports
from biobert_tf.common import program
from biobert_tf.common.errors import StoppedError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import progress, records
from biobert_tf.training import strategy as strategies
from biobert_tf.training.loop import Loop
from biobert_tf.training.trainer import Trainer


class Worker:
    """One worker of a cluster, as long as its process lasts."""

    def __init__(self, folder, records_file):
        self.folder, self.path = folder, records_file
        self.device = DeviceConfig(strategy="multi_worker")
        self.strategy = strategies.build_strategy(self.device)
        strategies.make_repeatable()
        self.is_chief = strategies.is_chief(self.strategy)
        self.calls = watched_calls()
        pretend_speed(self.is_chief)

    def killed(self):
        self.train("whole")
        self.train("restarted", signal.SIGKILL)

    def bad_input(self):
        self.train("restarted")
        self.calls.clear()
        made, stopped = self.train("resumed", signal.SIGTERM, engine.without_dropout())
        predicted = made.predict(self.rows(self.path), batch_size=4)
        self.save(
            "resumed",
            **made.weights(),
            **{f"predicted:{name}": values for name, values in predicted.items()},
            is_chief=made.is_chief,
            status=stopped.status,
            said=str(stopped),
            calls=self.calls,
        )
        path = self.folder / "damaged" if self.is_chief else self.path
        made.predict(self.rows(path), batch_size=4)

    def train(self, name, signum=None, config=engine.CONFIG):
        """Trains in a folder; `signum` comes to the second worker in step 4."""
        made = engine.estimator(
            self.folder / name,
            config=config,
            strategy=self.strategy,
            device=self.device,
            iterations_per_loop=2,
            pack_sequences="off",
        )
        send_signal_after(4, None if self.is_chief else signum)
        try:
            step = engine.train(made, [self.path])
        except StoppedError as error:
            return made, error
        self.save(name, step=step, **made.weights())
        return made, None

    def rows(self, path):
        return records.rows([path], engine.TASK.specs)

    def save(self, name, **arrays):
        np.savez(self.folder / f"{name}-{0 if self.is_chief else 1}.npz", **arrays)


def watched_calls(call=Trainer.train):
    """Returns a list that gets the number of steps of every compiled call."""
    calls = []

    def train(self, num_steps):
        calls.append(int(num_steps))
        return call(self, num_steps)

    Trainer.train = train
    return calls


def pretend_speed(is_fast, fitting=Loop._fitting):
    """Makes this worker believe that a step takes no time, or a thousand seconds."""
    seconds = 0.0 if is_fast else 1e3
    Loop._fitting = lambda self, num_steps, _: fitting(self, num_steps, seconds)


def send_signal_after(step, signum, check=progress.check_finite):
    """Sends a signal, if there is one, to this process when a step is made."""

    def check_and_send(history, first_step, **settings):
        check(history, first_step, **settings)
        if signum and first_step < step <= first_step + len(history["loss"]):
            os.kill(os.getpid(), signum)

    progress.check_finite = check_and_send


def work(folder, records_file, cluster, number, ports):
    """Is a worker of a cluster, in this process; returns its exit status."""
    log = os.open(folder / f"{cluster}-{number}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    temporary = folder / f"temporary-{cluster}-{number}"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)
    # TMPDIR is read once, and an import may have done that.
    tempfile.tempdir = None
    addresses = [f"127.0.0.1:{port}" for port in ports]
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": number},
        }
    )
    return program.start(lambda argv: getattr(Worker(folder, records_file), cluster)())


def main(records_file, folder):
    folder, records_file = Path(folder), Path(records_file)
    whole = records_file.read_bytes()
    (folder / "damaged").write_bytes(whole[: len(whole) // 2])
    statuses = {}
    for cluster in ("killed", "bad_input"):
        ports, pids = free_ports(2), []
        for number in (0, 1):
            if not (pid := os.fork()):
                sys.exit(work(folder, records_file, cluster, number, ports))
            pids.append(pid)
        ended = [os.waitpid(pid, 0)[1] for pid in pids]
        statuses[cluster] = [os.waitstatus_to_exitcode(each) for each in ended]
    (folder / "statuses.json").write_text(json.dumps(statuses))


if __name__ == "__main__":
    main(*sys.argv[1:])
