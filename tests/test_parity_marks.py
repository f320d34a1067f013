"""Every PARITY mark says where in the original the quirk is, and which quirk."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "biobert_tf"
LINES = r"\d+(-\d+)?"
MARK = re.compile(rf"PARITY\([\w./-]+\.(py|pl|java):{LINES}(, {LINES})*\): \S")


def marks() -> list[str]:
    return [
        f"{path.relative_to(PACKAGE)}:{number}: {line[line.index('PARITY(') :]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if "PARITY(" in line
    ]


def test_every_mark_has_lines_and_a_reason():
    assert [mark for mark in marks() if not MARK.search(mark)] == []


@pytest.mark.parametrize(
    "mark",
    [
        "PARITY(run_ner.py:main): why",
        "PARITY(run_ner.py): why",
        "PARITY(run_ner.py:7-): why",
        "PARITY(run_ner.py:7 at v20200409): why",
        "PARITY(run_ner.py:7)",
        "PARITY(run_ner.py:7): ",
    ],
)
def test_marks_without_a_line_or_a_reason_are_found(mark):
    assert not MARK.search(mark)
