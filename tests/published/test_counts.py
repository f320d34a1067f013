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
    for name in counts.missing(row, folder):
        assert not row.files[name]


BENCHMARKS = {
    "blurb": "BC5CDR-disease NCBI-disease BC2GM JNLPBA-BLURB EBM-PICO DDI GAD-BLURB "
    "BIOSSES HoC PubMedQA BioASQ-yesno",
    "blue": "BIOSSES BC5CDR-disease",
}


@pytest.mark.data
@pytest.mark.parametrize(
    ("benchmark", "name"),
    [(key, name) for key, names in BENCHMARKS.items() for name in names.split()],
)
def test_the_benchmarks_count_the_real_files(benchmark, name, data):
    row = manifest.load(benchmark).row(name)
    [folder] = [data / x for x in row.folders if (data / x).is_dir()]
    paths = {name: counts.find(row, folder, name) for name in row.files}
    found = {name: counts.count(row, path) for name, path in paths.items() if path}
    assert "test" in found or "test.tsv" in found
    assert not counts.differences(row.files, found)
    # The training files of these are not at hand.
    lacking = ["train.tsv"] if name in ("JNLPBA-BLURB", "EBM-PICO", "DDI") else []
    assert counts.missing(row, folder) == lacking
    assert [x for x in row.files if x not in found] == lacking


@pytest.mark.data
def test_the_splits_of_a_benchmark_are_told_apart(data):
    """HoC has more abstracts in BLURB than in BLUE."""
    row = manifest.load("blue").row("HoC")
    folder = data / row.folder
    found = {name: counts.count(row, folder / name) for name in row.files}
    assert counts.differences(row.files, found)
    assert not counts.differences(row.variants[0].files, found)


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
