# SPDX-License-Identifier: Apache-2.0
"""Real processes that get real signals."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from biobert_tf.common import stopping

PROGRAM = """
import hashlib, signal, sys, time
from biobert_tf.common import files, program, stopping

# As where the tests run without `nohup`.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

def main(argv):
    kind = argv[1]
    folder = files.folder_until_exit("stopping-")
    if kind == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stopping.heard() as request:
        request.has_work = kind not in ("idle", "busy")
        request.may_raise = kind == "evaluating"
        request.kept = "what is kept"
        print(folder, flush=True)
        if kind == "busy":
            # As an operation of TensorFlow: minutes without a handler of Python's.
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        while not request.is_made:
            time.sleep(0.01)
        # The time to save; a second signal ends the slow one.
        time.sleep(60 if kind == "slow" else 0.5)
        raise request.error("after step 3; the state is there")

sys.exit(program.start(main))
"""
SAVING = (
    "stopping: a state is saved after this step; press Ctrl-C again to stop at once"
)
SAVED = "interrupted: after step 3; the state is there"
AT_ONCE = "stopped at once"
NOTHING = "interrupted: what is kept"


@pytest.mark.parametrize(
    ("kind", "signals", "status", "said"),
    [
        ("working", [signal.SIGINT], 130, [SAVING, SAVED]),
        ("working", [signal.SIGTERM], 143, [SAVING, SAVED]),
        # As `timeout` does, which signals a process and then its group.
        ("working", [signal.SIGTERM, 0, signal.SIGTERM], 143, [SAVING, SAVED]),
        ("working", [signal.SIGHUP], 129, [SAVING, SAVED]),
        ("idle", [signal.SIGHUP], 129, [NOTHING]),
        # As systemd does at a shutdown to the processes of a login.
        ("working", [signal.SIGTERM, signal.SIGHUP], 143, [SAVING, SAVED]),
        # The first says what the status is.
        ("working", [signal.SIGTERM, 0.1, signal.SIGINT], 143, [SAVING, SAVED]),
        ("slow", [signal.SIGINT, 3, signal.SIGINT], 130, [SAVING, AT_ONCE]),
        ("slow", [signal.SIGINT, 3, signal.SIGTERM], 143, [SAVING, AT_ONCE]),
        ("evaluating", [signal.SIGINT], 130, [SAVING, NOTHING]),
        ("idle", [signal.SIGINT], 130, [NOTHING]),
        ("idle", [signal.SIGTERM], 143, [NOTHING]),
        ("busy", [signal.SIGINT], 130, [NOTHING]),
        ("deaf", [signal.SIGINT, 1, signal.SIGTERM], 143, [SAVING, SAVED]),
    ],
)
def test_a_process_stops(kind, signals, status, said):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = Path(process.stdout.readline().strip())
    assert folder.is_dir()
    for each in signals:
        if isinstance(each, signal.Signals):
            process.send_signal(each)
        else:
            time.sleep(each)
    _, errors = process.communicate(timeout=50)
    lines = errors.splitlines()
    assert lines[-1] == said[-1]
    # A process that ends in an instant may do so before it could say more.
    assert set(lines) <= set(said)
    if kind == "slow":
        assert lines == said
    assert process.returncode == status
    # What must be cleaned up is, unless there was no time for it.
    if kind != "busy":
        assert folder.exists() == (AT_ONCE in said)
    if folder.exists():
        folder.rmdir()


def test_a_terminal_that_is_closed(tmp_path):
    """It takes no more lines; the work is kept nevertheless."""
    program = PROGRAM.replace(
        "        raise request.error",
        "        print('the bar of the last step', file=sys.stderr, flush=True)\n"
        "        open(argv[2], 'w')\n        raise request.error",
    )
    saved = tmp_path / "saved"
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, [sys.executable, "-c", program, "working", saved])
    folder = Path(os.read(terminal, 1000).decode().strip())
    assert folder.is_dir()
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert saved.exists()
    assert not folder.exists()


INTERACTIVE = """
import os, signal, sys, time
from biobert_tf.common import stopping

sys.ps1 = ">>> "
for has_work in (True, False):
    raised = []
    try:
        with stopping.heard() as request:
            request.has_work, request.kept = has_work, "kept"
            for _ in range(4):
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(1.2)
                except KeyboardInterrupt as error:
                    raised.append(f"{type(error).__name__} {error}")
                    time.sleep(0.6)
    finally:
        print(has_work, *raised, sep="|")
"""


def test_an_interactive_session_goes_on():
    """The second signal raises, and so does every one after it."""
    done = subprocess.run(
        [sys.executable, "-c", INTERACTIVE], capture_output=True, text=True, timeout=50
    )
    at_once = "KeyboardInterrupt stopped at once"
    assert done.stdout.splitlines() == [
        f"True|{at_once}|{at_once}|{at_once}",
        f"False|StoppedError kept|{at_once}|{at_once}|{at_once}",
    ]
    assert done.stderr == f"{SAVING}\n"


@pytest.mark.parametrize("screen", ["terminal", "file", "closed"])
def test_where_the_line_goes(screen, monkeypatch, capsys):
    """Below a bar and the `^C` of a terminal; nowhere if stderr is closed."""
    if screen == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    elif screen == "closed":
        monkeypatch.setattr(sys, "stderr", None)
    stopping.say_saving()
    said = {"terminal": f"\n{SAVING}\n", "file": f"{SAVING}\n", "closed": ""}
    assert capsys.readouterr() == ("", said[screen])


def test_all_is_as_before_after_the_block():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stopping.heard():
        assert signal.getsignal(signal.SIGINT) != before[0]
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert after == before
    assert signal.set_wakeup_fd(-1) == -1


def test_only_the_main_thread_hears():
    found = []

    def work():
        with stopping.heard() as request:
            found.append((signal.getsignal(signal.SIGINT), request.is_made))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(before, False)]
