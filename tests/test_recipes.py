"""The recipes say what the paper says, and parse."""

import re
from pathlib import Path

import pytest

from biobert_tf.common import flags
from biobert_tf.pretraining import settings as pretraining
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.qa import settings as qa_config
from biobert_tf.qa.problem import QA

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.flags"))
# Steps of every published checkpoint (Lee et al. 2020; the names of its releases).
STEPS = {
    "biobert_v1.0_pubmed": 200_000,
    "biobert_v1.0_pmc": 270_000,
    "biobert_v1.0_pubmed_pmc": 270_000,
    "biobert_v1.1_pubmed": 1_000_000,
}


@pytest.mark.parametrize("name", STEPS)
def test_pretrainings_of_the_paper(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    argv = ["x", f"--flagfile=recipes/{name}.flags", "--input_file=r*"]
    settings = flags.parse(pretraining.PretrainingConfig, [*argv, "--output_dir=out"])
    assert settings.stages.do_train
    assert settings.pretraining.num_train_steps == STEPS[name]
    # "192 x 512 = 98,304 words per batch", section on pre-training.
    assert settings.run.train_batch_size * settings.text.max_seq_length == 98_304
    assert settings.pairs.max_predictions_per_seq == round(512 * 0.15)
    assert settings.run.train_batch_size % settings.run.gradient_accumulation_steps == 0


def test_a_later_flag_overrides_a_recipe(monkeypatch):
    monkeypatch.chdir(ROOT)
    argv = ["x", "--flagfile=recipes/biobert_v1.1_pubmed.flags", "--input_file=r*"]
    argv += ["--output_dir=out", "--num_train_steps=7"]
    settings = flags.parse(pretraining.PretrainingConfig, argv)
    assert settings.pretraining.num_train_steps == 7


def test_the_records_fit_the_trainings(monkeypatch):
    monkeypatch.chdir(ROOT)
    argv = ["x", "--flagfile=recipes/pubmed_512.flags", "--input_file=a"]
    argv += ["--output_file=b", "--vocab_file=v"]
    data = flags.parse(CreatePretrainingDataConfig, argv)
    argv = ["x", "--flagfile=recipes/biobert_v1.1_pubmed.flags", "--input_file=r*"]
    settings = flags.parse(pretraining.PretrainingConfig, [*argv, "--output_dir=out"])
    assert data.text.max_seq_length == settings.text.max_seq_length
    assert data.pairs.max_predictions_per_seq == settings.pairs.max_predictions_per_seq


def qa_recipe(name, *words):
    argv = ["x", f"--flagfile=recipes/{name}.flags", "--output_dir=out"]
    argv += ["--train_file=train.json", "--predict_file=test.json", *words]
    return flags.parse(qa_config.QaConfig, argv, QA.defaults)


def test_the_two_stages_of_question_answering(monkeypatch):
    monkeypatch.chdir(ROOT)
    squad, bioasq = map(qa_recipe, ("squad", "bioasq_factoid"))
    assert squad.question_type == "squad"
    assert bioasq.question_type == "factoid"
    # dmis-lab/biobert issue 57; its README.
    learned = [
        (stage.finetuning.learning_rate, stage.finetuning.num_train_epochs)
        for stage in (squad, bioasq)
    ]
    assert learned == [(3e-5, 2), (5e-6, 5)]
    for stage in (squad, bioasq):
        assert stage.stages.do_train
        assert stage.stages.do_predict
        assert stage.run.train_batch_size == 12
        assert (stage.text.max_seq_length, stage.doc_stride) == (384, 128)


def test_the_readme_lists_every_recipe():
    text = (ROOT / "recipes" / "README.md").read_text("utf-8")
    named = set(re.findall(r"`([\w.]+\.flags)`", text))
    assert named == {path.name for path in RECIPES}
    others = {"biobert_training", "pubmed_512", "squad", "bioasq_factoid"}
    assert {*STEPS, *others} == {path.stem for path in RECIPES}
