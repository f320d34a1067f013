"""Folds of a problem that is not relations, whose own tests have the rest."""

import dataclasses

import pytest

from biobert_tf.common import files, flags, processes
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DirectoryStageConfig, ScriptConfig, setting
from biobert_tf.training.fold_numbers import Folds
from biobert_tf.training.folded_problem import FoldedProblem
from biobert_tf.training.folds import Held, Runner


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyConfig(ScriptConfig):
    stages: DirectoryStageConfig
    folds: Folds = setting(Folds(), "Folds.")
    target: str = setting("regression", "Target.")
    unit: str = setting("", "Unit.")


def held(fold):
    """Values have no labels; a test file with a value for each row is labelled."""
    return Held((), "?" not in files.read_text(fold.stages.data_dir / "test"))


RUNNER = Runner[ToyConfig](
    script="biobert toy",
    columns={"spearman": "rho", "pearson": "r"},
    recorded=("target", "unit"),
    is_set=lambda folder: (folder / "test").exists(),
    find_devel=lambda folder: folder / "devel",
    read=held,
)


class Toy(FoldedProblem[ToyConfig]):
    command = "toy"

    def runner(self):
        return RUNNER

    def run(self, settings):
        return "one run"

    def kind_of(self, found):
        return None

    def serve(self, loaded):
        raise NotImplementedError


def pretend(argv):
    """Leaves what the run of a fold does; its scores are those in its test file."""
    assert argv[0] == "biobert toy"
    settings = flags.parse(ToyConfig, argv)
    pearson = float(files.read_text(settings.stages.data_dir / "test"))
    results = {
        "task": "toy",
        "test": {"scores": {"pearson": pearson, "spearman": pearson / 2}},
        "train": {},
        "seconds": {"total": 1.0},
        "settings": config.to_dict(settings),
    }
    files.write_json(settings.stages.output_dir / "results.json", results)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts the toy's command, with the folds in this process."""
    monkeypatch.setattr(processes, "call", lambda run, *given: run(*given))
    for name, score in (("1", 0.25), ("2", 0.75)):
        files.write_text(tmp_path / "data" / name / "test", str(score))

    def inner(*words):
        places = [f"--data_dir={tmp_path / 'data'}", f"--output_dir={tmp_path / 'out'}"]
        settings = flags.parse(ToyConfig, ["biobert toy", *places, *words])
        return Toy().start(settings, pretend)

    return inner


def test_scores_and_settings_of_another_problem(start, tmp_path, capsys):
    assert start("--unit=mm") is None
    assert capsys.readouterr().out == (
        "\ntest, 2 folds\n"
        "fold            rho            r\n"
        "1            12.50%       25.00%\n"
        "2            37.50%       75.00%\n"
        "mean         25.00%       50.00%\n"
        "std          17.68%       35.36%\n"
    )
    results = files.read_json(tmp_path / "out" / "results.json")
    assert list(results)[:5] == ["task", "target", "unit", "version", "seed"]
    assert (results["target"], results["unit"]) == ("regression", "mm")
    assert results["mean"]["test"] == {"pearson": 0.5, "spearman": 0.25}


def test_a_set_is_run_alone(start, tmp_path):
    files.write_text(tmp_path / "data" / "test", "")
    assert start() == "one run"
    assert start("--folds=2") is None
    assert list(files.read_json(tmp_path / "out" / "results.json")["folds"]) == ["2"]


def test_folds_of_which_one_has_no_values(start, tmp_path):
    files.write_text(tmp_path / "data" / "2" / "test", "?")
    with pytest.raises(InputError, match="one has labels, the other has none"):
        start()


def test_the_model_is_that_of_the_first_fold_that_has_one(tmp_path):
    for name in ("2", "10"):
        files.write_text(tmp_path / name / "training" / "checkpoint", "")
    (tmp_path / "1").mkdir()
    assert Toy().model_of({"output_dir": str(tmp_path)}) == tmp_path / "2"
    files.write_text(tmp_path / "training" / "checkpoint", "")
    assert Toy().model_of({"output_dir": str(tmp_path)}) == tmp_path
