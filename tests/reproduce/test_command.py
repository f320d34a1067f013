"""The whole command, with a program that takes no time instead of trainings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import qa_toys
import re_toys
from reproduce_toys import Toy, calls

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest
from biobert_tf.reproduce import command, models, plan, running

NER = "runs/NCBI-disease/tiny/fixed"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    found = Toy(tmp_path)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(running, "_gpus", list)
    return found


def run(toy, **given):
    """Runs the command; returns the report."""
    command.run(toy.config(**given), toy.argv(**given), toy.program)
    return report(toy)


def report(toy):
    return files.read_json(toy.output / "report.json")


def rows(values):
    return {row["dataset"]: row for table in values["tables"] for row in table["rows"]}


# --- the report -----------------------------------------------------------------------


def test_a_cell_is_the_mean_over_seeds(toy, capsys):
    values = run(toy, learning_rate="0.01")
    row = rows(values)["NCBI-disease"]
    (cell,) = row["cells"]
    # Seeds 1 and 2 score 82 and 83.
    assert cell["summary"]["f1"] == {"mean": 82.5, "std": 0.7071, "best": 83.0, "n": 2}
    assert [each["status"] for each in cell["runs"]] == ["done", "done"]
    assert cell["runs"][0]["scores"]["f1"] == 82.0
    assert cell["runs"][0]["interval_95"] == {"f1": [72.0, 92.0]}
    assert cell["runs"][0]["folder"] == f"{NER}/seed-1"
    assert "biobert ner " in cell["runs"][0]["command"]
    assert cell["settings"]["num_train_epochs"] == 10.0
    assert "82.50 ± 0.71 (2 seeds, best 83.00)" in capsys.readouterr().out
    for name in ("report.md", "report.html", "report.csv"):
        assert "82.5" in (toy.output / name).read_text()
    # The number of seeds of a rerun may be unknown.
    assert row["anchors"][0]["values"]["f1"] == {"mean": 88.63, "std": 0.71, "n": None}
    # Five sentences of four are not the published set.
    assert row["counts_agree"] is False
    assert "train.tsv: 4 sentences, expected 5424" in row["why"]
    assert row["test_size"] == {"sentences": 2, "words": 7, "mentions": 3}
    assert row["paper"]["BioBERT v1.1 (+ PubMed)"]["f1"]["value"] == 89.71


def test_rows_that_are_not_asked_for_are_told(toy):
    found = rows(run(toy, table=6))
    assert found["BC2GM"]["status"] == "not asked"
    assert found["NCBI-disease"]["status"] == "ran"
    assert "GAD" not in found


def test_missing_data_costs_its_own_row(toy):
    found = rows(run(toy, datasets="NCBI-disease,BC2GM", table=6))
    missing = toy.data / "ner" / "BC2GM" / "train.tsv"
    assert found["BC2GM"]["status"] == "missing data"
    assert found["BC2GM"]["why"] == f"{missing} is missing and 2 more"
    assert found["NCBI-disease"]["cells"][0]["summary"]["f1"]["n"] == 2


def test_bad_data_costs_its_own_row(toy):
    files.write_text(toy.data / "re" / "GAD" / "2" / "test.tsv", "no\ttable\n")
    found = rows(run(toy, datasets="NCBI-disease,GAD", folds="1-2"))
    assert "GAD/2/test.tsv:1: " in found["GAD"]["why"]
    assert found["NCBI-disease"]["status"] == "ran"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("squad/dev-v1.1.json", '{"data": [1]}', "is not in SQuAD's form; get it"),
        ("squad/dev-v1.1.json", "[", "not JSON"),
        ("BioASQ/5B_golden.json", '{"questions": []}', "no factoid question"),
    ],
)
def test_a_training_file_that_cannot_be_made_costs_its_own_row(toy, name, text, why):
    files.write_text(toy.data / "qa" / name, text)
    found = rows(run(toy, datasets="NCBI-disease,BioASQ-4b"))
    assert why in found["BioASQ-4b"]["why"]
    assert found["BioASQ-4b"]["status"] == "missing data"
    assert found["NCBI-disease"]["status"] == "ran"


def test_nothing_to_run_is_an_error(toy):
    with pytest.raises(InputError, match=r"nothing to run: .*BC2GM.train.tsv is miss"):
        run(toy, datasets="BC2GM")
    with pytest.raises(InputError, match="paper is for table 6 only"):
        run(toy, datasets="GAD", compat="paper")
    found = rows(run(toy, datasets="NCBI-disease,GAD", compat="paper", folds="1"))
    assert found["GAD"]["status"] == "not asked"
    assert found["NCBI-disease"]["status"] == "ran"


def test_folds_are_averaged_within_a_seed(toy):
    row = rows(run(toy, datasets="GAD", folds="1,3"))["GAD"]
    (cell,) = row["cells"]
    assert [(each["seed"], each["fold"]) for each in cell["runs"]] == [
        (1, 1),
        (1, 3),
        (2, 1),
        (2, 3),
    ]
    assert cell["summary"]["f1"]["n"] == 2
    assert row["test_size"] == {"examples": 6, "positives": 4}
    (call,) = calls(toy.output / "runs/GAD/tiny/fixed/seed-1/fold-3")
    assert "--task_name=gad" in call and f"--data_dir={toy.data}/re/GAD/3" in call


def test_questions_train_on_what_is_there(toy):
    found = run(toy, datasets="BioASQ-4b", seeds=1)
    row = rows(found)["BioASQ-4b"]
    assert row["cells"][0]["summary"]["mrr"]["n"] == 1
    assert "because the training file of 4b is missing" in row["why"]
    (call,) = calls(toy.output / "runs/BioASQ-4b/tiny/fixed/seed-1")
    prepared = toy.output / "prepared" / "5B_golden-factoid.json"
    assert f"--train_file={prepared}" in call and prepared.is_file()
    assert "there is no training file" in " ".join(found["notes"])


def test_questions_start_from_squad(toy):
    squad = qa_toys.training()
    answers = squad["data"][0]["paragraphs"][0]["qas"][0]["answers"]
    answers.append(answers[0])
    files.write_json(toy.data / "qa" / "squad" / "dev-v1.1.json", squad)
    run(toy, datasets="BioASQ-4b")
    first = toy.output / "runs/SQuAD/tiny/fixed"
    (call,) = calls(first)
    assert "--question_type=squad" in call and "--do_predict=false" in call
    for seed in (1, 2):
        (call,) = calls(toy.output / f"runs/BioASQ-4b/tiny/fixed/seed-{seed}")
        assert f"--init_checkpoint={first}" in call
    kept = files.read_json(toy.output / "prepared" / "squad-dev-v1.1.json")
    assert len(kept["data"][0]["paragraphs"][0]["qas"][0]["answers"]) == 1


def test_the_grid_chooses_by_the_development_set(toy):
    cell = rows(run(toy, grid=True))["NCBI-disease"]["cells"][0]
    assert len(cell["grid"]) == 12
    # The program scores higher rates higher; the first of the equals is taken.
    assert (
        cell["settings"].items()
        >= {"train_batch_size": 10, "learning_rate": 5e-5}.items()
    )
    (call,) = calls(toy.output / NER / "seed-2")
    assert "--learning_rate=5e-05" in call and "--train_on=train_dev" in call
    (call,) = calls(toy.output / NER / "grid" / "batch-64-rate-1e-05")
    assert "--train_on=train " in call and "--do_predict=false" in call


def test_relations_train_on_development_data_too(toy):
    folder = toy.data / "re" / "GAD-BLURB"
    re_toys.write_data(folder, train=re_toys.TRAIN, dev=re_toys.DEV, test=re_toys.TEST)
    run(toy, datasets="GAD-BLURB", seeds=1)
    merged = (toy.output / "prepared" / "GAD-BLURB" / "train.tsv").read_text()
    assert merged == re_toys.biobert([*re_toys.TRAIN, *re_toys.DEV])
    (call,) = calls(toy.output / "runs/GAD-BLURB/tiny/fixed/seed-1")
    assert f"--data_dir={toy.output}/prepared/GAD-BLURB" in call


# --- what goes wrong ------------------------------------------------------------------


def test_a_crash_costs_its_own_run(toy):
    toy.do(**{f"{NER}/seed-1": "crash"})
    with pytest.raises(InputError, match=r"1 of 2 runs failed, such as .*seed-1"):
        run(toy)
    cell = rows(report(toy))["NCBI-disease"]["cells"][0]
    assert [each["status"] for each in cell["runs"]] == ["failed", "done"]
    assert cell["runs"][0]["why"].startswith("killed by SIGKILL")
    assert cell["summary"]["f1"]["n"] == 1


def test_a_failed_run_is_tried_again_and_says_so(toy, caplog):
    toy.do(**{f"{NER}/seed-2": "fail"})
    with pytest.raises(InputError):
        run(toy)
    failed = rows(report(toy))["NCBI-disease"]["cells"][0]["runs"][1]
    assert failed["why"] == "--learning_rate=1: too high"
    toy.do()
    values = run(toy)
    assert "trying runs/NCBI-disease/tiny/fixed/seed-2 again: it failed (--lea" in (
        caplog.text
    )
    again = rows(values)["NCBI-disease"]["cells"][0]["runs"][1]
    assert (again["status"], again["attempts"]) == ("done", 2)
    # The other run was not touched.
    assert len(calls(toy.output / NER / "seed-1")) == 1
    log = (toy.output / NER / "seed-2" / "log.txt").read_text()
    assert log.count("--- ") == 2 and "error: --learning_rate=1" in log


def test_a_failure_is_explained_by_its_own_attempt(toy):
    toy.do(**{f"{NER}/seed-1": "fail"})
    with pytest.raises(InputError):
        run(toy, seeds=1)
    Path(toy.program[1]).write_text("raise SystemExit(1)")
    with pytest.raises(InputError):
        run(toy, seeds=1)
    again = rows(report(toy))["NCBI-disease"]["cells"][0]["runs"][0]
    assert again["why"] == "exit status 1; see log.txt"


def test_runs_that_need_a_failed_one_are_left_out(toy):
    squad = toy.data / "qa" / "squad" / "train-v1.1.json"
    files.write_json(squad, qa_toys.training())
    toy.do(**{"runs/SQuAD/tiny/fixed": "fail"})
    with pytest.raises(InputError, match="3 of 3 runs failed"):
        run(toy, datasets="BioASQ-4b")
    left = rows(report(toy))["BioASQ-4b"]["cells"][0]["runs"][0]
    assert left["status"] == "to do"
    assert left["why"] == "runs/SQuAD/tiny/fixed, which it needs, failed"


def test_finished_runs_are_recognised(toy):
    first = run(toy, seeds=1)
    second = run(toy, seeds=3)
    runs = rows(second)["NCBI-disease"]["cells"][0]["runs"]
    assert len(runs) == 3
    assert runs[0] == rows(first)["NCBI-disease"]["cells"][0]["runs"][0]
    assert second["started"] == first["started"]
    assert second["wall_seconds"] > first["wall_seconds"]
    # States, which are large, are gone.
    assert not (toy.output / NER / "seed-1" / "training").exists()


def test_other_settings_are_refused(toy):
    run(toy)
    with pytest.raises(
        InputError, match=r"seed-1: holds a run with --num_train_epochs"
    ):
        run(toy, num_train_epochs=3)
    other = Toy(toy.folder / "other")
    with pytest.raises(InputError, match=r"the model tiny was .*, and is .* now"):
        command.run(toy.config(models=other.model), [], toy.program)


def write_squad(toy):
    files.write_json(toy.data / "qa" / "squad" / "dev-v1.1.json", qa_toys.training())


def write_questions(toy):
    name = "BioASQ-train-factoid-4b.json"
    files.write_json(toy.data / "qa" / "BioASQ" / name, qa_toys.training())


@pytest.mark.parametrize(
    ("then", "now", "between", "why"),
    [
        ({}, {"grid": True}, None, "from before its grid search, but one after it is"),
        ({"grid": True}, {}, None, "--train_batch_size=10, but 32"),
        (
            {"mixed_precision": "bfloat16"},
            {},
            None,
            "--mixed_precision=bfloat16, but off is asked for",
        ),
        (
            {"datasets": "BioASQ-4b"},
            {"datasets": "BioASQ-4b"},
            write_squad,
            "a run without training on SQuAD, but one with is",
        ),
        (
            {"datasets": "BioASQ-4b"},
            {"datasets": "BioASQ-4b"},
            write_questions,
            r"of other data \(5B_golden-factoid.json, BioASQ-train-factoid-4b.json\)",
        ),
    ],
)
def test_finished_runs_of_another_kind_are_refused(toy, then, now, between, why):
    run(toy, seeds=1, **then)
    before = (toy.output / "report.json").read_text()
    if between:
        between(toy)
    with pytest.raises(InputError, match=why):
        run(toy, seeds=1, **now)
    # The report still shows what the runs were made with.
    assert (toy.output / "report.json").read_text() == before


def test_a_damaged_session_is_told(toy):
    files.write_json(toy.output / "session.json", {})
    with pytest.raises(InputError, match=r"session.json: is damaged; delete this file"):
        run(toy)


def test_other_data_is_refused(toy):
    run(toy, datasets="NCBI-disease,GAD", folds="1", seeds=1)
    path = toy.data / "ner" / "NCBI-disease" / "devel.tsv"
    files.write_text(path, path.read_text() * 2)
    # It is in no run that is asked for.
    run(toy, datasets="GAD", folds="1", seeds=1)
    with pytest.raises(
        InputError, match=r"seed-1: holds a run of other data \(devel.tsv\)"
    ):
        run(toy, datasets="NCBI-disease", seeds=1)


def test_joined_training_files_follow_their_data(toy):
    folder = toy.data / "re" / "GAD-BLURB"
    re_toys.write_data(folder, train=re_toys.TRAIN, dev=re_toys.DEV, test=re_toys.TEST)
    run(toy, datasets="GAD-BLURB", seeds=1)
    re_toys.write_data(folder, train=re_toys.DEV, dev=re_toys.DEV, test=re_toys.TEST)
    with pytest.raises(
        InputError, match=r"seed-1: holds a run of other data \(train.tsv\)"
    ):
        run(toy, datasets="GAD-BLURB", seeds=1)
    files.remove_tree(toy.output / "runs")
    run(toy, datasets="GAD-BLURB", seeds=1)
    merged = (toy.output / "prepared" / "GAD-BLURB" / "train.tsv").read_text()
    assert merged == re_toys.biobert([*re_toys.DEV, *re_toys.DEV])


def test_a_failed_run_with_corrected_data_starts_anew(toy, caplog):
    toy.do(**{f"{NER}/seed-1": "fail"})
    with pytest.raises(InputError):
        run(toy, seeds=1)
    path = toy.data / "ner" / "NCBI-disease" / "devel.tsv"
    files.write_text(path, path.read_text() * 2)
    toy.do()
    run(toy, seeds=1)
    assert f"{NER}/seed-1 starts anew, because devel.tsv changed" in caplog.text


def test_one_command_at_a_time(toy):
    with running.locked(toy.output), pytest.raises(InputError, match="another command"):
        run(toy)


_SCRIPT = """
import sys
from biobert_tf.common import flags, program
from biobert_tf.reproduce import command, running
from biobert_tf.reproduce.settings import ReproduceConfig

running._gpus = list

def main(argv):
    command.run(flags.parse(ReproduceConfig, argv), argv[1:], {program!r})

sys.exit(program.run(main, sys.argv))
"""


def start(toy):
    """Starts the command as a process of its own."""
    script = toy.folder / "script.py"
    script.write_text(_SCRIPT.replace("{program!r}", repr(toy.program)))
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, **toy.environment(), "PYTHONPATH": root}
    return subprocess.Popen(
        [sys.executable, str(script), *toy.argv()],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(path):
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not appear")


def ended(output):
    """Whether nobody holds the claim on the output any more."""
    try:
        with running.locked(output):
            return True
    except InputError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_goes_on(toy, number):
    """With the report of one that was not: SIGKILL reaches the children too."""
    toy.do(**{f"{NER}/seed-2": "wait"})
    process = start(toy)
    wait_for(toy.output / NER / "seed-2" / "waits")
    process.send_signal(number)
    said, _ = process.communicate(timeout=300)
    if number == signal.SIGKILL:
        for _ in range(600):
            if ended(toy.output):
                break
            time.sleep(0.1)
    else:
        assert process.returncode == 128 + number
        assert f"interrupted: the same command goes on from {toy.output}" in said
        stopped = rows(report(toy))["NCBI-disease"]["cells"][0]["runs"][1]
        assert (stopped["status"], stopped["why"]) == ("stopped", "")
    log = (toy.output / NER / "seed-2" / "log.txt").read_text()
    assert "interrupted: saved" in log
    toy.do()
    again = rows(run(toy))["NCBI-disease"]["cells"][0]
    assert [each["status"] for each in again["runs"]] == ["done", "done"]
    # The finished run was not run again; the other was resumed by the same words.
    assert len(calls(toy.output / NER / "seed-1")) == 1
    first, second = calls(toy.output / NER / "seed-2")
    assert first == second


# --- several at a time ----------------------------------------------------------------


def test_each_gpu_gets_runs(toy, monkeypatch):
    monkeypatch.setattr(running, "_gpus", lambda: [("0", "A100"), ("3", "H100")])
    values = run(toy, seeds=4)
    devices = {x["device"] for x in rows(values)["NCBI-disease"]["cells"][0]["runs"]}
    assert devices == {"GPU 0: A100", "GPU 3: H100"} == {*values["machine"]["devices"]}


def test_jobs_share_the_processors(monkeypatch):
    monkeypatch.setattr(running, "_gpus", list)
    assert running.slots(1) == [running.Slot("CPU", {})]
    assert len(running.slots(2)) == 2
    assert running.slots(2)[0].variables.keys() == {
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    }


def test_the_plan_interleaves_seeds(toy):
    config = toy.config(datasets="NCBI-disease,GAD", folds="1", compat="fixed,master")
    found = plan.of(config, models.find(config.models.named, None))
    assert [run.seed for run in found.runs()] == [1] * 4 + [2] * 4
    assert len({run.name for run in found.runs()}) == 8


def test_settings_of_a_rerun(toy):
    config = toy.config(hyperparameters="rerun", train_batch_size=8)
    row = manifest.load().row("BC5CDR-disease")
    assert plan.settings_of(config, row) == {
        "max_seq_length": 128,
        "train_batch_size": 8,
        "learning_rate": 5e-05,
        "num_train_epochs": 30,
    }


def test_a_set_has_settings_of_its_own(toy):
    config = toy.config(
        datasets="NCBI-disease,GAD",
        folds="1",
        seeds="1,NCBI-disease=2",
        compat="fixed,NCBI-disease=fixed,NCBI-disease=master",
        num_train_epochs="2,GAD=4",
    )
    found = plan.of(config, models.find(config.models.named, None))
    assert [(run.row, run.flags["compat"], run.seed) for run in found.runs()] == [
        ("NCBI-disease", "fixed", 1),
        ("NCBI-disease", "master", 1),
        ("GAD", "fixed", 1),
        ("NCBI-disease", "fixed", 2),
        ("NCBI-disease", "master", 2),
    ]
    epochs = {run.row: run.flags["num_train_epochs"] for run in found.runs()}
    assert epochs == {"NCBI-disease": 2, "GAD": 4}
    assert "Set by the command line: num_train_epochs 2,GAD=4." in found.notes


def test_a_mode_that_is_named_twice_is_run_once(toy):
    config = toy.config(compat="fixed,fixed", seeds=1)
    found = plan.of(config, models.find(config.models.named, None))
    assert len(found.runs()) == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"learning_rate": "1e-4,BC2GM=1e-5"}, "BC2GM is none of the data sets to run"),
        ({"seeds": "GAD=3"}, "--seeds=GAD=3: has no number for NCBI-disease"),
        ({"compat": "fixed,GAD=new"}, "want some of fixed,master,paper, and SET=MODE"),
        ({"seeds": "0"}, "'0' is not a whole number above 0"),
        (
            {"data": "my,data", "datasets": "BioASQ-4b"},
            r"--data=my,data: with , \* \? or \[ in it, it cannot be passed on",
        ),
        ({"seeds": "1,SQuAD=3"}, "SQuAD is none of the data sets to run"),
        ({"folds": "9-11"}, "--folds=9-11: no fold 11; want 1 to 10"),
        ({"folds": "0"}, "--folds=0: no fold 0; want 1 to 10"),
    ],
)
def test_settings_of_a_set_that_mean_nothing(toy, given, why):
    with pytest.raises(InputError, match=why):
        toy.config(**{"datasets": "NCBI-disease,GAD", **given})


# --- dry runs -------------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_estimates(toy, capsys):
    """The program trains 0.5 examples a second, and starts at once."""
    command.run(
        toy.config(dry_run=True, datasets="NCBI-disease,BC2GM,GAD", folds="1-3"),
        [],
        toy.program,
    )
    said = capsys.readouterr().out.splitlines()
    assert not toy.output.exists()
    assert said[0].startswith("BC2GM: left out, ")
    # 10 epochs of 5 sentences and a third of 2, twice: 203 s.
    assert said[1] == "NCBI-disease, tiny, fixed: 2 runs, 3 min"
    # 3 epochs of 5 and a third of 3, six times: 192 s.
    assert said[2] == "GAD, tiny, fixed: 6 runs, 3 min"
    assert said[-1] == "8 runs, about 7 min on this machine"


def test_a_dry_run_counts_questions_and_the_grid(toy, capsys):
    squad = toy.data / "qa" / "squad" / "train-v1.1.json"
    files.write_json(squad, qa_toys.training())
    config = toy.config(
        dry_run=True, datasets="NCBI-disease,BioASQ-4b", grid=True, seeds=1
    )
    command.run(config, [], toy.program)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "NCBI-disease, tiny, fixed: 12 runs of the grid and 1 run, "
    )
    assert said[1].startswith("BioASQ-4b, tiny, fixed: 1 run, ")
    assert said[2].startswith("SQuAD, tiny, fixed: 1 run, ")
    assert said[-1].startswith("15 runs, ")


def test_a_dry_run_measures_each_mode(toy, capsys):
    """The program trains in the original's mode at half the pace."""
    command.run(toy.config(dry_run=True, compat="fixed,master"), [], toy.program)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "NCBI-disease, tiny, fixed: 2 runs, 3 min"
    assert said[1] == "NCBI-disease, tiny, master: 2 runs, 7 min"


def test_a_trial_that_fails_is_told(toy):
    toy.do(**{f"trial/{NER}/seed-1": "fail"})
    config = toy.config(dry_run=True)
    with pytest.raises(InputError, match="a trial of NCBI-disease failed: error: --l"):
        command.run(config, [], toy.program)
