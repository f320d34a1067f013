"""Documents that are left out are reported, and so many lines are enough."""

import logging

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import left_out


@pytest.fixture
def told(caplog):
    """Reports so many errors per file; returns the lines."""

    def tell(*numbers):
        bad = left_out.LeftOut()
        with caplog.at_level(logging.WARNING, "biobert_tf"):
            for name, number in enumerate(numbers):
                for line in range(number):
                    bad(InputError.at(f"{name}.jsonl", line + 1, "is no document"))
            bad.report_others()
        assert bad.kinds.total() == sum(numbers)
        return caplog.messages

    return tell


def test_the_first_few_of_every_file(told):
    assert told(1, 8) == [
        "left out: 0.jsonl:1: is no document",
        *(f"left out: 1.jsonl:{line}: is no document" for line in range(1, 6)),
        "left out: 1.jsonl: 3 more",
    ]


def test_lines_are_limited(told, monkeypatch):
    monkeypatch.setattr(left_out, "_MOST_LINES", 3)
    assert told(*[2] * 100) == [
        "left out: 0.jsonl:1: is no document",
        "left out: 0.jsonl:2: is no document",
        "left out: 1.jsonl:1: is no document",
        "left out: 1.jsonl: 1 more",
        "left out: 2.jsonl: 2 more",
        "left out: 3.jsonl: 2 more",
        "left out: 192 more, of 96 other files",
    ]
