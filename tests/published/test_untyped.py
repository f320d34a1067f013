import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.published import untyped


def test_types_are_removed(tmp_path):
    source, target = tmp_path / "a.tsv", tmp_path / "b.tsv"
    source.write_text('"\tO\nGene-B\tB-Gene\nx\tI-cell_line\ny\tB\n\nz\tO\n\n')
    untyped.convert(source, target)
    assert target.read_text() == '"\tO\nGene-B\tB\nx\tI\ny\tB\n\nz\tO\n\n'


@pytest.mark.parametrize(
    "row", ["word", "word O", "word\tE-Gene", "word\tB-", "a\tb\tO"]
)
def test_other_rows_are_refused(tmp_path, row):
    (tmp_path / "a.tsv").write_text(f"x\tO\n{row}\n")
    with pytest.raises(InputError, match=r"a\.tsv:2: want a word"):
        untyped.convert(tmp_path / "a.tsv", tmp_path / "b.tsv")
    assert not (tmp_path / "b.tsv").exists()
