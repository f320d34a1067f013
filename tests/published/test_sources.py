import re
from pathlib import Path

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest, sources

CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}|")
ALL = sources.load()


def test_every_row_and_column_has_a_source():
    known = manifest.load()
    for row in known.rows:
        assert set(row.files) <= set(ALL[row.name].files)
        assert ALL[row.name].folder == row.folder
    for column in known.columns:
        assert Path(ALL[column.source].folder).name in column.folders


@pytest.mark.parametrize("name", ALL)
def test_a_source_can_be_followed(name):
    source = ALL[name]
    assert source.about and source.licence
    assert bool(source.by_hand) != bool(source.ways)
    assert all(CHECKSUM.fullmatch(each) for each in source.files.values())
    for way in source.ways:
        sent = {*source.files} - {*source.joined}
        assert way.archive or set(way.remotes) == sent
        for remote in way.remotes.values():
            assert CHECKSUM.fullmatch(remote.checksum)
            # What comes from a commit is checked; archives come as they are.
            assert bool(remote.checksum) != bool(way.archive)
            for address in remote.addresses:
                assert re.fullmatch(r"https?://[\w./@%~-]+", address)


def test_no_two_sources_share_a_file():
    places = [
        f"{source.folder}/{name}" for source in ALL.values() for name in source.files
    ]
    assert len(places) == len(set(places))


def test_names():
    found = sources.named(["ncbi-disease", "BioBERT v1.1 (+ PubMed)", "NCBI-disease"])
    assert [each.name for each in found] == ["NCBI-disease", "biobert-v1.1-pubmed"]
    assert sources.named(["all"]) == list(ALL.values())
    with pytest.raises(InputError, match="no data set or checkpoint 'x'; known: all,"):
        sources.named(["x"])


def test_names_of_folders_are_quoted():
    remote = ALL["chemprot"].ways[0].remotes["dev.tsv"]
    assert "/%5BRE%5DChemprot/" in remote.addresses[0]
