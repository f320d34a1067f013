"""The counts of the manifest are those of the real files, and differences are told."""

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.published import counts, manifest

FOUND = manifest.load()
AT_HAND = "NCBI-disease BC5CDR-disease BC2GM JNLPBA-typed GAD GAD-BLURB BioASQ-4b"


@pytest.mark.data
@pytest.mark.parametrize("name", AT_HAND.split())
def test_the_manifest_counts_the_real_files(name, data):
    row = FOUND.row(name)
    folder = data / row.folder
    known = {name: units for name, units in row.files.items() if units}
    assert known
    found = {name: counts.count(row, folder / name) for name in known}
    assert not counts.differences(known, found)
    # Only files that nobody has counted are missing.
    for path in counts.missing(row, folder):
        assert not row.files[path.relative_to(folder).as_posix()]


@pytest.mark.data
def test_other_data_under_a_name_is_recognised(data):
    row = FOUND.row("chemprot")
    folder = data / row.folder
    found = {name: counts.count(row, folder / name) for name in row.files}
    assert not counts.differences(row.variants[0].files, found)


def test_a_difference_says_both_numbers():
    expected = {"a": {"sentences": 3, "words": 9}, "b": {}, "c": {"sentences": 1}}
    found = {"a": {"sentences": 2, "words": 9}, "b": {"sentences": 7}}
    assert counts.differences(expected, found) == ["a: 2 sentences, expected 3"]


def test_a_malformed_file_is_told(tmp_path):
    (tmp_path / "test.json").write_text('{"x": []}')
    with pytest.raises(InputError, match=r"test\.json: lacks 'data'"):
        counts.count(FOUND.row("BioASQ-4b"), tmp_path / "test.json")
    (tmp_path / "test.tsv").write_text("word\n")
    with pytest.raises(InputError, match=r"test\.tsv:1: "):
        counts.count(FOUND.row("NCBI-disease"), tmp_path / "test.tsv")


def test_questions_that_are_no_list_are_told(tmp_path):
    path = tmp_path / "4B1_golden.json"
    path.write_text('{"questions": 3}')
    with pytest.raises(InputError, match=r"4B1_golden\.json: 'questions' is no list"):
        counts.count(FOUND.row("BioASQ-4b"), path)
