# SPDX-License-Identifier: Apache-2.0
import logging
import sys
from pathlib import Path

import pytest
import terminal
import tqdm

from biobert_tf.common.clock import Meter

ROOT = Path(__file__).parents[2]


@pytest.fixture
def now(monkeypatch):
    """A clock that shows what it is told to."""
    shown = [100.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: shown[0])
    return shown


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "biobert_tf")
    return caplog


def test_a_line_when_ten_seconds_have_gone_by(now, log):
    seen = []
    with Meter("annotating", "documents", 1000) as meter:
        for seconds, done in ((0, 1), (9.5, 20), (10, 100), (19.5, 150), (20.5, 205)):
            now[0] = 100 + seconds
            meter.to(done)
            seen.append(len(log.messages))
    assert seen == [0, 0, 1, 1, 2]
    assert log.messages == [
        "annotating: 100/1000 documents, 10.00 documents/s, 01:30 left",
        "annotating: 205/1000 documents, 10.00 documents/s, 01:19 left",
    ]


def test_a_total_that_is_not_known(now, log):
    with Meter("reading", "texts") as meter:
        now[0] += 20
        meter.add(50, "a note")
    assert log.messages == ["reading: 50 texts, 2.50 texts/s, a note"]


def test_bytes(now, log):
    with Meter("reading", "", 5_000_000, is_bytes=True) as meter:
        now[0] += 10
        meter.to(2_500_000)
    assert log.messages == ["reading: 2.50M/5.00MB, 250kB/s, 00:10 left"]


def test_what_was_done_before_does_not_count_for_the_rate(now, log):
    """A training that was resumed: 90 steps in an earlier session took no time now."""
    with Meter("training", "steps", 100, done=90) as meter:
        now[0] += 10
        meter.to(95)
    assert log.messages == ["training: 95/100 steps, 0.50 steps/s, 00:10 left"]


def test_what_is_not_known_is_left_out(now, log):
    """All that was done was done before."""
    with Meter("training", "steps", 5, done=5, keeps_last=True) as meter:
        meter.to(5, "loss 1.5")
    with Meter("reading", "", is_bytes=True, keeps_last=True):
        pass
    assert log.messages == ["training: 5/5 steps, loss 1.5", "reading: 0.00B"]


@pytest.mark.parametrize("keeps_last, number", [(True, 1), (False, 0)])
def test_the_last_state_of_a_short_job(now, log, keeps_last, number):
    with Meter("training", "steps", 2, keeps_last=keeps_last) as meter:
        now[0] += 1
        meter.to(2, "loss 1.5")
    assert len(log.messages) == number
    assert all("2/2 steps" in x and "loss 1.5" in x for x in log.messages)


def test_items_are_counted_when_they_are_done(now, log):
    items = Meter("predicting", "rows", 3).over("abc")
    assert next(items) == "a"
    now[0] += 10
    assert [*items] == ["b", "c"]
    assert [line.split(",")[0] for line in log.messages] == ["predicting: 1/3 rows"]


def test_nothing_shows_where_no_log_is_wanted(now, caplog, capsys):
    with Meter("annotating", "documents", keeps_last=True) as meter:
        now[0] += 100
        meter.add()
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


JOB = """
import logging, time
from biobert_tf.common import clock, screen
clock._SECONDS_WITHOUT_BAR = 0
log = logging.getLogger("biobert_tf.x")
with screen.shown(logging.INFO):
    with clock.Meter("working", "items", 40, keeps_last=True) as meter:
        for i in range(40):
            meter.add(note=f"note {i}")
            time.sleep(0.01)
            if i % 10 == 5:
                log.info("line %d %s", i, "x" * 20)
    log.info("the end")
"""


def test_a_bar_and_log_lines_on_a_terminal_do_not_mix():
    written, status = terminal.run([sys.executable, "-c", JOB], PYTHONPATH=str(ROOT))
    assert status == 0, written
    assert written.count("\r") > 5
    *log, bar, end = terminal.screen(written)
    assert [line.split(maxsplit=2)[2] for line in log] == [
        f"line {i} {'x' * 20}" for i in (5, 15, 25, 35)
    ]
    assert bar.startswith("working: 100%|")
    assert bar.endswith("items/s, note 39]")
    assert " 40/40 [00:00 left, " in bar
    assert end.endswith(" the end")


SHORT = """
import logging
from biobert_tf.common import clock, screen
log = logging.getLogger("biobert_tf.x")
with screen.shown(logging.INFO):
    with clock.Meter("training", "steps", 3, done=1, keeps_last=True) as meter:
        meter.to(3)
    log.info("the end")
"""


def test_the_bar_of_an_instant_has_a_line_of_its_own():
    written, status = terminal.run([sys.executable, "-c", SHORT], PYTHONPATH=str(ROOT))
    assert status == 0, written
    bar, end = terminal.screen(written)
    assert " 3/3 [" in bar
    assert "the end" not in bar
    assert end.endswith(" the end")
