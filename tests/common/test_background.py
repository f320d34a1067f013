import threading

import pytest

from biobert_tf.common import background


def test_items_come_in_order():
    assert list(background.one_ahead(range(5))) == [0, 1, 2, 3, 4]
    assert list(background.one_ahead([])) == []


def test_the_next_is_made_in_the_meantime():
    """And no third: it would be one more in memory."""
    made, is_made = [], threading.Event()

    def items():
        for i in range(3):
            made.append(i)
            if i == 1:
                is_made.set()
            yield threading.current_thread()

    ahead = background.one_ahead(items())
    assert next(ahead) is not threading.current_thread()
    assert is_made.wait(timeout=60)
    assert made == [0, 1]
    assert len(list(ahead)) == 2
    assert made == [0, 1, 2]


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("the second")

    ahead = background.one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="the second"):
        next(ahead)


def test_who_stops_early_leaves_no_thread():
    before = set(threading.enumerate())
    ahead = background.one_ahead(range(5))
    next(ahead)
    [thread] = set(threading.enumerate()) - before
    ahead.close()
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_who_stops_early_waits_for_nothing():
    """As for a line that is read from a terminal after Ctrl-C."""
    is_typed = threading.Event()

    def items():
        yield 1
        is_typed.wait()

    ahead = background.one_ahead(items())
    next(ahead)
    # So that a failure is one, and no deadlock.
    late = threading.Timer(5, is_typed.set)
    late.start()
    ahead.close()
    assert not is_typed.is_set()
    late.cancel()
    is_typed.set()
