# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from biobert_tf.text.windows import cut_windows, max_context


def random_text(rng):
    room = rng.randint(1, 20)
    lengths = [rng.randint(1, room) for _ in range(rng.randint(1, 60))]
    if rng.random() < 0.5:
        lengths = [min(length, 3) for length in lengths]
    return lengths, room


def context(lengths, unit, window, room):
    """Pieces on the poorer side of a unit; the end of a text is not poor."""
    left = sum(lengths[window.start : unit]) if window.start else room
    right = sum(lengths[unit + 1 : window.end])
    if window.end == len(lengths):
        right = room
    return min(left, right)


@pytest.mark.parametrize("seed", range(5))
def test_windows_of_random_texts(seed):
    rng = random.Random(seed)
    for _ in range(200):
        lengths, room = random_text(rng)
        windows = cut_windows(lengths, room)
        assert [i for w in windows for i in w.decides] == list(range(len(lengths)))
        assert windows[0].start == 0
        assert windows[-1].end == len(lengths)
        for window in windows:
            assert sum(lengths[window.start : window.end]) <= room
            for unit in window.decides:
                best = max(
                    context(lengths, unit, other, room)
                    for other in windows
                    if other.start <= unit < other.end
                )
                assert context(lengths, unit, window, room) == best


def test_windows_of_one_piece_words_overlap_by_half():
    windows = cut_windows([1] * 40, room=10)
    assert [w.start for w in windows] == [0, 5, 10, 15, 20, 25, 30]
    assert [w.end for w in windows] == [10, 15, 20, 25, 30, 35, 40]
    # Unit 7 has two others on its poorer side in both: the earlier window decides.
    assert windows[0].decides == range(0, 8)
    assert windows[1].decides == range(8, 13)
    assert windows[-1].decides == range(33, 40)


def test_a_text_that_fits_is_one_window():
    [window] = cut_windows([2, 3, 5], room=10)
    assert (window.start, window.end, window.decides) == (0, 3, range(3))


def test_nothing_has_no_windows():
    assert cut_windows([], room=10) == []


@pytest.mark.parametrize(
    ("spans", "per_piece", "expected"),
    [
        # Units of 1, 3, 1, 2 and 1 pieces. The second window shows 3 pieces before
        # the third unit and 3 behind it, the first 4 and none.
        ([range(0, 3), range(1, 5)], 0.0, [0, 0, 1, 1, 1]),
        # Both show one piece before the second unit and more behind it: a tie.
        ([range(0, 4), range(0, 5)], 0.0, [0, 0, 1, 1, 1]),
        ([range(0, 4), range(0, 5)], 0.01, [1, 1, 1, 1, 1]),
    ],
)
def test_the_window_with_most_context(spans, per_piece, expected):
    owners = max_context([0, 1, 4, 5, 7, 8], spans, per_piece)
    assert owners.tolist() == expected
