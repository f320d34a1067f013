import pytest

from biobert_tf.common import flags
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.pretraining import settings as pretraining
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig

# Flags and defaults of run_pretraining.py and create_pretraining_data.py, written down
# from dmis-lab/biobert; do_lower_case is BioBERT's on purpose.
ORIGINAL_TRAINING = {
    "bert_config_file": None,
    "init_checkpoint": None,
    "max_seq_length": 128,
    "max_predictions_per_seq": 20,
    "do_train": False,
    "do_eval": False,
    "train_batch_size": 32,
    "eval_batch_size": 8,
    "learning_rate": 5e-5,
    "num_train_steps": 100000,
    "num_warmup_steps": 10000,
    "save_checkpoints_steps": 1000,
    "iterations_per_loop": 1000,
    "max_eval_steps": 100,
    "use_tpu": False,
    "tpu_name": "",
    "tpu_zone": "",
    "gcp_project": "",
    "master": "",
    "num_tpu_cores": 8,
}
ORIGINAL_DATA = {
    "input_file": "a.txt",
    "output_file": "b.tfrecord",
    "vocab_file": "v.txt",
    "do_lower_case": False,
    "do_whole_word_mask": False,
    "max_seq_length": 128,
    "max_predictions_per_seq": 20,
    "random_seed": 12345,
    "dupe_factor": 10,
    "masked_lm_prob": 0.15,
    "short_seq_prob": 0.1,
}


def training(*words):
    argv = ["x", "--output_dir=out", *words]
    return flags.parse(pretraining.PretrainingConfig, argv)


def data(*words):
    argv = ["x", *words]
    return flags.parse(CreatePretrainingDataConfig, argv)


def test_flags_of_the_training():
    given = config.to_dict(training("--input_file=r*", "--do_convert", *CORPUS))
    assert given["input_file"] == "r*"
    assert {name: given[name] for name in ORIGINAL_TRAINING} == ORIGINAL_TRAINING


CORPUS = ["--corpus_file=a.txt"]
DATA = ["--input_file=a.txt", "--output_file=b.tfrecord"]


def test_flags_of_the_data():
    given = config.to_dict(data(*DATA, "--vocab_file=v.txt"))
    assert {name: given[name] for name in ORIGINAL_DATA} == ORIGINAL_DATA


@pytest.mark.parametrize(
    "words, problem",
    [
        (["--input_file=r*"], "nothing to do: "),
        (["--do_train"], "--input_file must be given"),
        (["--do_convert"], "--do_convert and --corpus_file go together"),
        (["--do_train", "--input_file=r", *CORPUS], "--do_convert and --corpus_file"),
    ],
)
def test_a_run_needs_a_stage_and_its_files(words, problem):
    with pytest.raises(InputError, match=f"^{problem}"):
        training(*words)
    assert training("--do_convert", "--do_train", *CORPUS).stages.do_train


@pytest.mark.parametrize(
    "word, problem",
    [
        ("--max_predictions_per_seq=0", "--max_predictions_per_seq=0: must be at le"),
        ("--dupe_factor=0", "--dupe_factor=0: must be at least 1"),
        ("--random_seed=-1", "--random_seed=-1: must be at least 0"),
        ("--masked_lm_prob=0", r"--masked_lm_prob=0\.0: must be in \(0, 1\]"),
        ("--masked_lm_prob=1.5", r"--masked_lm_prob=1\.5: must be in \(0, 1\]"),
        ("--masked_lm_prob=nan", r"--masked_lm_prob=nan: must be in \(0, 1\]"),
        ("--short_seq_prob=-0.1", r"--short_seq_prob=-0\.1: must be in \[0, 1\]"),
        ("--num_shards=-1", "--num_shards=-1: must be at least 0"),
        ("--num_workers=-1", "--num_workers=-1: must be at least 0"),
    ],
)
def test_settings_of_the_data_that_cannot_be(word, problem):
    with pytest.raises(InputError, match=f"^{problem}"):
        data(*DATA, "--vocab_file=v.txt", word)


def test_the_data_need_a_vocabulary():
    with pytest.raises(InputError, match=r"^--vocab_file must be given"):
        data(*DATA)


def test_exact_runs_on_one_machine():
    words = [*DATA, "--vocab_file=v.txt", "--exact"]
    assert data(*words).conversion.exact
    with pytest.raises(InputError, match=r"^--exact contradicts --runner=DaskRunner$"):
        data(*words, "--runner=DaskRunner")


@pytest.mark.parametrize(
    "word, problem",
    [
        ("--learning_rate=0", r"--learning_rate=0\.0: must be positive"),
        ("--num_train_steps=0", "--num_train_steps=0: must be at least 1"),
        ("--num_warmup_steps=-1", "--num_warmup_steps=-1: must be at least 0"),
        ("--max_eval_steps=-1", "--max_eval_steps=-1: must be at least 0"),
    ],
)
def test_trainings_that_cannot_be(word, problem):
    with pytest.raises(InputError, match=f"^{problem}"):
        training("--do_train", "--input_file=r", word)
