"""`biobert blurb` and `biobert blue`: what they run, and how they average."""

import csv
import json
import shlex

import ner_toys
import pytest
from reproduce_toys import Toy, calls

from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest
from biobert_tf.reproduce import averages, command, models, plan, running
from biobert_tf.reproduce.page import report as page_report
from biobert_tf.reproduce.page import write as pages

# Score 80 with seed 0, 1 more for each seed, and 100 times the rate.
RATES = "0.01,JNLPBA-BLURB=0.03,GAD-BLURB=0.02,BIOSSES=0.05,HoC=0.04,EBM-PICO=0.06"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    found = Toy(tmp_path)
    found.write_benchmark()
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(running, "_gpus", list)
    # The command has no other place for it.
    monkeypatch.setattr(command.run, "__defaults__", (found.program,))
    return found


def run(toy, name="blurb", **given):
    """Runs the command as a user types it; returns the report."""
    values = {"datasets": None, "learning_rate": RATES, **given}
    words = toy.argv(**values, data=None)
    cli.main(["biobert", name, str(toy.data), *words])
    return files.read_json(toy.output / "report.json")


def rows(values):
    return {row["dataset"]: row for table in values["tables"] for row in table["rows"]}


def means(values, place=0):
    """The averages of a model: the mean, and the numbers of sets."""
    return {
        one["name"]: (one["mean"], one["num_sets"], one["of_sets"])
        for one in values["averages"][place]["averages"]
    }


def test_a_group_is_averaged_and_then_the_groups(toy, capsys):
    values = run(toy)
    # With the seeds 1 and 2 the scores are 81.5 and the rate: NCBI 82.5, JNLPBA 84.5,
    # PICO 87.5, GAD 83.5, BIOSSES 86.5, HoC 85.5.
    assert means(values) == {
        "Named entity recognition (f1)": (83.5, 2, 5),
        "PICO elements (word_macro_f1)": (87.5, 1, 1),
        "Relation extraction (f1)": (83.5, 1, 3),
        "Sentence similarity (pearson)": (86.5, 1, 1),
        "Document classification (f1)": (85.5, 1, 1),
        "Question answering (accuracy)": (None, 0, 2),
        "macro average over groups": (85.3, 6, 13),
        "macro average over sets": (85.0, 6, 13),
    }
    shown = capsys.readouterr().out
    assert "BLURB: tiny, fixed" in shown
    lines = [line.split("  ") for line in shown.splitlines()]
    lines = [[part.strip() for part in line if part] for line in lines]
    assert [
        "Named entity recognition (f1)",
        "83.50",
        "2 of 5 sets, incomplete",
    ] in lines
    assert ["Sentence similarity (pearson)", "86.50", "1 of 1 set"] in lines
    assert ["Question answering (accuracy)", "none", "0 of 2 sets, incomplete"] in lines
    assert ["macro average over groups", "85.30", "6 of 13 sets, incomplete"] in lines
    assert f"BC2GM is left out: {toy.data}/ner/BC2GM/train.tsv is missing" in shown
    place = f"{toy.data}/classification/PubMedQA"
    assert f"PubMedQA is left out: the train set in {place} is missing" in shown


def test_the_report_has_the_groups(toy):
    values = run(toy, seeds=1)
    found = rows(values)
    assert len(found) == 13
    assert [table["name"] for table in values["tables"]][1] == "BLURB, group 2"
    assert values["title"] == "The BLURB benchmark"
    assert [name for name, row in found.items() if row["status"] == "ran"] == [
        "NCBI-disease",
        "JNLPBA-BLURB",
        "EBM-PICO",
        "GAD-BLURB",
        "BIOSSES",
        "HoC",
    ]
    assert found["HoC"]["test_size"] == {"examples": 2, "documents": 1}
    assert found["BIOSSES"]["cells"][0]["summary"].keys() == {"pearson", "spearman"}
    assert "train: 3 examples, expected 64" in found["BIOSSES"]["why"]
    # What is published of BioBERT on this set stands beside it.
    [anchor] = found["BIOSSES"]["anchors"]
    assert anchor["values"]["pearson"] == {"mean": 89.3, "std": 1.7, "n": 5}
    text = (toy.output / "report.md").read_text()
    assert "BLURB, group 4: Sentence similarity" in text
    assert (
        "| macro average over groups (the score) | 84.80 (6 of 13, incomplete) |"
        in text
    )
    assert "the paper, ours" not in text
    with (toy.output / "report.csv").open() as stream:
        found = [row for row in csv.DictReader(stream) if row["kind"] == "average"]
    assert len(found) == 8
    assert (found[0]["value"], found[0]["n"], found[0]["status"]) == (
        "83.0",
        "2",
        "of 5",
    )
    assert "84.80" in (toy.output / "report.html").read_text()


def test_runs_have_the_flags_of_their_problem(toy):
    run(toy, seeds=1, learning_rate=None, pooling="mean")
    [ner] = calls(toy.output / "runs/NCBI-disease/tiny/fixed/seed-1")
    for word in ("--train_on=train", "--compat=fixed", "--num_train_epochs=20.0"):
        assert word in shlex.split(ner)
    [texts] = calls(toy.output / "runs/HoC/tiny/fixed/seed-1")
    words = shlex.split(texts)
    for word in ("--layout=hoc", "--pooling=mean", "--learning_rate=4e-05"):
        assert word in words
    assert f"--data_dir={toy.data}/classification/HoC" in words
    assert not [word for word in words if word.startswith("--compat")]
    assert "--pooling=mean" not in ner
    # Relations are trained on the training file alone.
    [relations] = calls(toy.output / "runs/GAD-BLURB/tiny/fixed/seed-1")
    assert f"--data_dir={toy.data}/GAD-BLURB" in shlex.split(relations)


def test_types_are_merged_where_the_benchmark_does(toy):
    run(toy, seeds=1, datasets="JNLPBA-BLURB", learning_rate=None)
    [call] = calls(toy.output / "runs/JNLPBA-BLURB/tiny/fixed/seed-1")
    folder = toy.output / "prepared" / "JNLPBA-BLURB"
    assert f"--data_dir={folder}" in shlex.split(call)
    for name, word in (("train", "nephritis\tB"), ("devel", "aspirin\tB")):
        assert f"{word}\n" in (folder / f"{name}.tsv").read_text()
    typed = (toy.data / "ner" / "JNLPBA-typed" / "train.tsv").read_text()
    assert "nephritis\tB-Dis\n" in typed


def test_modes_that_a_problem_lacks_are_left_out(toy):
    given = {"seeds": 1, "compat": "fixed,master"}
    values = run(toy, datasets="NCBI-disease,BIOSSES", learning_rate="0.01", **given)
    modes = [(each["model"], each["compat"]) for each in values["averages"]]
    assert modes == [("tiny", "fixed"), ("tiny", "master")]
    assert means(values, 0)["macro average over sets"] == (82.0, 2, 13)
    assert means(values, 1)["macro average over sets"] == (82.0, 1, 13)
    with pytest.raises(InputError, match="no data set has --compat=paper"):
        run(toy, datasets="BIOSSES", learning_rate=None, seeds=1, compat="paper")


def test_other_texts_are_refused(toy):
    run(toy, datasets="BIOSSES", seeds=1, learning_rate=None)
    path = toy.data / "BIOSSES" / "test.tsv"
    path.write_text(path.read_text().replace("4.0", "3.0"))
    with pytest.raises(InputError, match=r"other data \(test.tsv\)"):
        run(toy, datasets="BIOSSES", seeds=1, learning_rate=None)


def test_blue_ranks_by_the_mean_over_sets(toy, capsys):
    values = run(toy, "blue", seeds=1, learning_rate="0.01,BIOSSES=0.05")
    assert values["title"] == "The BLUE benchmark"
    assert means(values)["macro average over sets"] == ((86 + 82) / 2, 2, 10)
    ranks = [one["name"] for one in values["averages"][0]["averages"] if one["ranks"]]
    assert ranks == ["macro average over sets"]
    assert "Document classification (example_f1)" in capsys.readouterr().out


def test_a_failed_run_costs_its_set(toy):
    toy.do(**{"runs/BIOSSES/tiny/fixed/seed-1": "fail"})
    with pytest.raises(InputError, match="1 of 2 runs failed"):
        run(toy, datasets="BIOSSES,HoC", seeds=1, learning_rate=None)
    found = means(files.read_json(toy.output / "report.json"))
    assert found["Sentence similarity (pearson)"] == (None, 0, 1)
    assert found["macro average over groups"][1:] == (1, 13)


def test_a_dry_run_measures_each_length(toy, capsys):
    words = toy.argv(datasets="BIOSSES,HoC", data=None, seeds=1)
    length = "--max_seq_length=128,HoC=256"
    cli.main(["biobert", "blurb", str(toy.data), *words, length, "--dry_run"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("BIOSSES, tiny, fixed: 1 run, ")
    assert "BLURB: 2 of 13 data sets" in lines
    assert lines[-1].startswith("2 runs, about ")
    assert not toy.output.exists()


def test_what_it_would_do_in_other_ways_is_refused(toy):
    folder = str(toy.data)
    with pytest.raises(InputError, match="--table=6 is for `biobert reproduce`"):
        cli.main(["biobert", "blurb", folder, *toy.argv(data=None), "--table=6"])
    with pytest.raises(InputError, match="--data must be given"):
        cli.main(["biobert", "blurb", *toy.argv(data=None)])
    with pytest.raises(InputError, match="--table=blurb has no folds"):
        cli.main(["biobert", "blurb", folder, *toy.argv(data=None), "--folds=1"])
    with pytest.raises(InputError, match="no data set 'BC4CHEMD'; known: BC5CDR-chem"):
        run(toy, datasets="BC4CHEMD", learning_rate=None)


def test_reproduce_does_the_same(toy):
    command.run(toy.config(table="blurb", datasets="HoC", seeds=1), [], toy.program)
    assert rows(files.read_json(toy.output / "report.json"))["HoC"]["status"] == "ran"


def test_real_trainings_end_in_averages(tmp_path, monkeypatch):
    """The whole way, with a model of width 8: a problem of words and one of texts."""
    toy = Toy(tmp_path)
    toy.write_benchmark()
    monkeypatch.setattr(running, "_gpus", list)
    given = {"max_seq_length": 12, "train_batch_size": 2, "num_train_epochs": 1}
    words = toy.argv(
        datasets="EBM-PICO,HoC",
        models=f"tiny={ner_toys.write_model(tmp_path / 'model')}",
        data=None,
        seeds=1,
        pooling="mean",
        **given,
    )
    cli.main(["biobert", "blurb", str(toy.data), *words])
    values = files.read_json(toy.output / "report.json")
    found = rows(values)
    for name, main in (("EBM-PICO", "word_macro_f1"), ("HoC", "f1")):
        [cell] = found[name]["cells"]
        [one] = cell["runs"]
        scores = files.read_json(toy.output / one["folder"] / "results.json")
        wanted = scores["test"]["scores"][main]
        assert cell["summary"][main]["mean"] == pytest.approx(100 * wanted, abs=1e-4)
        assert one["interval_95"].keys() == cell["summary"].keys()
    both = [found[name]["cells"][0]["summary"] for name in ("EBM-PICO", "HoC")]
    mean = (both[0]["word_macro_f1"]["mean"] + both[1]["f1"]["mean"]) / 2
    assert means(values)["macro average over groups"][0] == pytest.approx(mean)
    # Two runs of texts can be compared.
    [cell] = found["HoC"]["cells"]
    folder = str(toy.output / cell["runs"][0]["folder"])
    cli.main(["biobert", "compare", folder, folder, "--resamples=20"])


def test_every_row_is_planned_from_its_manifest():
    """What a manifest says is what problems, averages and reports know."""
    for name, number, means_of in (("blurb", 13, "groups"), ("blue", 10, "sets")):
        found = manifest.load(name)
        assert (len(found.rows), found.means) == (number, means_of)
        assert found.train_on == "train"
        for row in found.rows:
            assert found.table(row.table).main in found.table(row.table).metrics
            assert set(row.settings) == set(manifest.load().rows[0].settings)
            splits = {file.partition(".")[0] for file in row.files}
            assert splits in ({"train", "dev", "test"}, {"train", "devel", "test"})


def test_settings_and_reruns_are_those_that_are_published(data):
    path = data.parent / "paper" / "reproductions.json"
    if not path.is_file():
        pytest.skip("needs the published reruns beside the data")
    published = json.loads(path.read_text())
    named = ("train_batch_size", "learning_rate", "num_train_epochs", "max_seq_length")
    [link] = [value for key, value in published.items() if "LinkBERT" in key]
    blurb = manifest.load("blurb")
    of_row = {"GAD": "GAD-BLURB", "JNLPBA": "JNLPBA-BLURB"}
    for name, values in link.items():
        settings = blurb.row(of_row.get(name, name)).settings
        for key, value in zip(named, values, strict=True):
            assert value in (None, settings[key]), (name, key)
    [rerun] = [value for key, value in published.items() if key.startswith("sy-wada")]
    blue = manifest.load("blue")
    for name, values in rerun.items():
        if name == "common":
            continue
        row = blue.row(name)
        assert row.settings["learning_rate"] == values["learning_rate"]
        assert row.settings["num_train_epochs"] == values["epochs"]
        assert row.settings["train_batch_size"] == rerun["common"]["train_batch_size"]
        [anchor] = row.anchors
        [(metric, one)] = anchor.values.items()
        assert metric == blue.table(row.table).main
        assert (one.std, one.n) == (values["std"], 5)
        assert one.mean == next(x for k, x in values.items() if k in metric)


def test_the_parts_of_a_page_need_no_averages(tmp_path):
    import report_toys

    values = report_toys.report()
    assert page_report.read(values).averages == ()
    pages.write(values, tmp_path)
    assert "Averages" not in (tmp_path / "report.md").read_text()


@pytest.mark.data
def test_what_is_at_hand_of_blurb_is_planned(data, tmp_path):
    toy = Toy(tmp_path)
    config = toy.config(table="blurb", datasets=None, data=data, seeds=1)
    found = plan.of(config, models.find(config.models.named, None))
    assert [cell.row for cell in found.cells] == [
        "BC5CDR-disease",
        "NCBI-disease",
        "BC2GM",
        "chemprot",
        "GAD-BLURB",
        "BIOSSES",
        "HoC",
        "PubMedQA",
        "BioASQ-yesno",
    ]
    surveys = {each.row.name: each for each in found.surveys}
    agree = {name: each.counts_agree for name, each in surveys.items() if not each.why}
    assert agree.pop("chemprot") is False
    assert set(agree.values()) == {True}
    assert surveys["PubMedQA"].test_size() == {"examples": 500}
    assert surveys["HoC"].card
    assert surveys["DDI"].why.endswith("DDI-BLURB/train.tsv is missing")


def test_a_mean_says_what_it_is_over():
    assert averages.over(9, 13) == "9 of 13 sets, incomplete"
    assert averages.over(13, 13) == "13 of 13 sets"
    assert averages.over(1, 1) == "1 of 1 set"
