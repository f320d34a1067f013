import pytest

from biobert_tf.common import clock


@pytest.fixture
def now(monkeypatch):
    """A clock that shows what it is told to."""
    shown = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: shown[0])
    return shown


def test_a_report_is_due_ten_seconds_after_the_last(now):
    timer = clock.ReportTimer()
    due = []
    for seconds in (0, 9.5, 10, 19.5, 20.5, 21, 30.5):
        now[0] = 100 + seconds
        due.append(timer.is_due())
        assert timer.seconds == seconds
    assert due == [False, False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, "0:01:00"), (1.0, "0:00:00"), (0.0, "5555555:33:20")]
)
def test_the_time_left(now, share, expected):
    timer = clock.ReportTimer()
    now[0] += 20
    timer.is_due()
    assert timer.left(share) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0:00:00"),
        (0.2, "0:00:01"),
        (59.1, "0:01:00"),
        (61, "0:01:01"),
        (3599, "0:59:59"),
        (3600, "1:00:00"),
        (90061, "25:01:01"),
    ],
)
def test_format_seconds(seconds, expected):
    assert clock.format_seconds(seconds) == expected
