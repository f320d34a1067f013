import shutil

import pytest

from biobert_tf.cli import main
from biobert_tf.common.errors import InputError
from biobert_tf.published import expected, manifest


def check(folder, *words):
    main.main(["biobert", "data-check", str(folder), *words])


@pytest.fixture
def toy(tmp_path):
    folder = tmp_path / "NCBI_Disease"
    folder.mkdir()
    for name in ("train.tsv", "test.tsv"):
        (folder / name).write_text("a\tB\nb\tO\n\nc\tO\n\n")
    return folder


def test_a_row_is_known_by_its_folder(tmp_path):
    for name, problem, row in [
        ("ncbi_disease", "ner", "NCBI-disease"),
        ("GAD", "re", "GAD"),
        ("GAD", "ner", None),
        # Three rows have this folder.
        ("BioASQ", "qa", None),
        ("mine", "ner", None),
        ("HoC", "classification", "HoC"),
        ("ebm-pico", "ner", "EBM-PICO"),
    ]:
        found = expected.row_of(tmp_path / name, problem)
        assert (found and found.name) == row


def test_differences_are_findings_with_both_numbers(toy, capsys):
    check(toy)
    shown = capsys.readouterr().out
    assert "missing_file, 1: files of NCBI-disease that the folder lacks" in shown
    assert "devel.tsv:NCBI-disease: is missing" in shown
    assert "other_counts, 6: counts that are not those of NCBI-disease" in shown
    assert "test.tsv:NCBI-disease: 2 sentences, published are 940" in shown
    with pytest.raises(SystemExit):
        check(toy, "--strict")


def test_what_is_expected_can_be_said(toy, capsys):
    check(toy, "--expect=none")
    assert "published" not in capsys.readouterr().out
    check(toy, "--expect=bc2gm")
    assert "2 sentences, published are 5,038" in capsys.readouterr().out
    with pytest.raises(InputError, match="--expect=GAD: that is data of re"):
        check(toy, "--expect=GAD")
    with pytest.raises(InputError, match="no data set 'x'; known: NCBI-disease"):
        check(toy, "--expect=x")


@pytest.mark.data
def test_a_set_of_blurb_is_the_published_one(data, tmp_path, capsys):
    shutil.copytree(data / "classification" / "BIOSSES", tmp_path / "BIOSSES")
    check(tmp_path / "BIOSSES")
    assert "published" not in capsys.readouterr().out
    (tmp_path / "BIOSSES" / "dev.tsv").unlink()
    test = tmp_path / "BIOSSES" / "test.tsv"
    test.write_text("".join(test.read_text().splitlines(keepends=True)[:-1]))
    check(tmp_path / "BIOSSES")
    shown = capsys.readouterr().out
    assert "dev:BIOSSES: is missing" in shown
    assert "test:BIOSSES: 19 examples, published are 20" in shown


@pytest.mark.data
def test_the_real_set_is_the_published_one(data, capsys):
    check(data / "ner" / "NCBI-disease")
    shown = capsys.readouterr().out
    assert "leak, 1" in shown
    assert not any(kind in shown for kind in expected._KINDS)


@pytest.mark.data
def test_a_sentence_that_is_lost_is_seen(data, tmp_path, capsys):
    folder = tmp_path / "NCBI-disease"
    shutil.copytree(data / "ner" / "NCBI-disease", folder)
    folder.chmod(0o755)
    text = (folder / "test.tsv").read_text("utf-8")
    (folder / "test.tsv").chmod(0o644)
    (folder / "test.tsv").write_text(text.partition("\n\n")[2], "utf-8")
    check(folder)
    assert "test.tsv:NCBI-disease: 939 sentences, published are 940" in (
        capsys.readouterr().out
    )


@pytest.mark.data
def test_other_data_under_a_known_name(data, capsys):
    check(data / "re" / "chemprot")
    shown = capsys.readouterr().out
    assert "other_data, 1: other data under the name chemprot" in shown
    assert "not the paper's split" in shown


@pytest.mark.data
def test_folds(data, capsys):
    check(data / "re" / "GAD")
    shown = capsys.readouterr().out
    assert "other_counts" not in shown and "missing_file" not in shown
    assert len(manifest.load().row("GAD").files) == 20
