# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

import pytest

from biobert_tf.common import flags, other_programs, screen
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__
from biobert_tf.ner.problem import NER
from biobert_tf.ner.settings import NerConfig
from biobert_tf.qa import settings as qa_config
from biobert_tf.qa.problem import QA
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.relations.settings import RelationConfig

ROOT = Path(__file__).parents[2]
REQUIRED = ("--data_dir=in", "--output_dir=out")

# run_ner.py:25-97 of dmis-lab/biobert. It lacks tpu_name, tpu_zone and gcp_project,
# which its --use_tpu reads; they are as in its run_re.py.
ORIGINAL = {
    "bert_config_file": None,
    "vocab_file": None,
    "init_checkpoint": None,
    "do_lower_case": False,
    "max_seq_length": 128,
    "do_train": True,
    "do_eval": False,
    "do_predict": True,
    "train_batch_size": 32,
    "eval_batch_size": 8,
    "predict_batch_size": 8,
    "learning_rate": 5e-5,
    "num_train_epochs": 10.0,
    "warmup_proportion": 0.1,
    "save_checkpoints_steps": 1000,
    "iterations_per_loop": 1000,
    "use_tpu": False,
    "tpu_name": "",
    "tpu_zone": "",
    "gcp_project": "",
    "master": "",
    "num_tpu_cores": 8,
}
OURS = {
    "do_export": False,
    "max_steps": 0,
    "gradient_accumulation_steps": 1,
    "continue_training": False,
    "recompute": False,
    "keep_checkpoint_max": 5,
    "pack_sequences": "auto",
    "log_examples": 0,
    "seed": 12345,
    "eval_every_steps": 0,
    "eval_every_epochs": 0,
    "keep_best": "",
    "early_stopping": 0,
    "strategy": "auto",
    "mixed_precision": "off",
    "xla": "auto",
    "engine": "tensorflow",
    "compat": "fixed",
}
OURS_OF_NER = {"train_on": "train_dev", "entity_type": ""}
# What the original has and has no effect here.
WITHOUT_EFFECT = {"task_name": "ner"}

# run_re.py of dmis-lab/biobert, where every stage must be asked for. There
# do_lower_case is true, which does not fit BioBERT's vocabulary.
RELATION = {
    **ORIGINAL,
    "do_train": False,
    "do_predict": False,
    "num_train_epochs": 3.0,
    "task_name": "gad",
    **OURS,
    "labels": "",
    "negative_label": "",
    "data_format": "auto",
    "folds": "",
    "entity_markers": False,
    "class_weights": "",
}

# run_qa.py of dmis-lab/biobert; do_lower_case is true there too.
ORIGINAL_QA = {
    **{name: value for name, value in ORIGINAL.items() if name != "do_eval"},
    "do_train": False,
    "do_predict": False,
    "num_train_epochs": 3.0,
    "max_seq_length": 384,
    "train_file": "",
    "predict_file": "",
    "doc_stride": 128,
    "max_query_length": 64,
    "n_best_size": 20,
    "max_answer_length": 30,
    "version_2_with_negative": False,
    "null_score_diff_threshold": 0.0,
    "verbose_logging": False,
    **OURS,
    "dev_file": None,
    "golden_file": "",
    "question_type": "factoid",
    "windows_without_answer": "skip",
    "list_threshold": 0.42,
    "use_number": True,
    "class_weights": "",
    "tune_threshold": False,
}


def parse(*words):
    return flags.parse(NerConfig, ["run_ner.py", *words], NER.defaults)


def parsed(*words):
    return config.to_dict(parse(*REQUIRED, *words))


def test_names_and_defaults():
    paths = {"data_dir": "in", "output_dir": "out"}
    assert parsed() == paths | ORIGINAL | OURS | OURS_OF_NER


def test_names_and_defaults_of_relation_extraction():
    argv = ["run_re.py", *REQUIRED, "--task_name=gad", "--do_eval"]
    settings = flags.parse(RelationConfig, argv, RELATIONS.defaults)
    paths = {"data_dir": "in", "output_dir": "out"}
    assert config.to_dict(settings) == paths | RELATION | {"do_eval": True}


def test_names_and_defaults_of_question_answering():
    argv = ["run_qa.py", "--output_dir=out", "--do_predict", "--predict_file=q.json"]
    settings = flags.parse(qa_config.QaConfig, argv, QA.defaults)
    given = {"output_dir": "out", "do_predict": True, "predict_file": "q.json"}
    assert config.to_dict(settings) == ORIGINAL_QA | given


@pytest.mark.parametrize("name", ["NER", "ner", "Ner"])
def test_a_flag_of_the_original_without_effect_is_not_recorded(name):
    settings = parse(*REQUIRED, f"--task_name={name}")
    assert settings == parse(*REQUIRED)
    of_nvidia = parse(*REQUIRED, "--task_name=BC5CDR")
    assert config.to_dict(of_nvidia) == config.to_dict(settings)
    # A record with another problem's task is read all the same.
    record = {**config.to_dict(settings), "task_name": "gad"}
    assert config.from_dict(NerConfig, record, "x") == settings
    with pytest.raises(InputError, match=r"value should be one of <ner\|bc5cdr"):
        parse(*REQUIRED, "--task_name=gad")


@pytest.mark.parametrize("name", ["GAD", "ChemProt", "DDI13", "euadr"])
def test_the_name_of_a_set_in_any_case(name):
    argv = ["run_re.py", *REQUIRED, f"--task_name={name}", "--do_eval"]
    settings = flags.parse(RelationConfig, argv, RELATIONS.defaults)
    assert settings.task_name == name.lower()


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        (
            "--model_name_or_path=x",
            "no flag --model_name_or_path here: --init_checkpoi",
        ),
        ("--nouse_xla", "no flag --nouse_xla here: --xla=on; see docs/migrating.md"),
        ("--horovod", "no flag --horovod here: all GPUs of a machine are used; --stra"),
        (
            "--zzz",
            "'zzz'; see --help, or docs/migrating.md for flags of other programs",
        ),
    ],
)
def test_a_flag_of_another_program_is_explained(word, problem):
    with pytest.raises(InputError) as caught:
        parse(*REQUIRED, word)
    assert problem in str(caught.value)


@pytest.mark.parametrize("no", ["", "no"])
def test_an_evaluation_of_questions_is_a_prediction(no):
    with pytest.raises(InputError, match=f": --{no}do_predict predicts and scores"):
        flags.parse(qa_config.QaConfig, ["x", "--output_dir=out", f"--{no}do_eval"])


@pytest.mark.parametrize(
    ("name", "known", "begin"),
    [
        ("fp16", ["mixed_precision"], "--mixed_precision=float16"),
        ("fp16", ["batch_size"], None),
        # One of several is enough, and some advice names no flag.
        ("eval_strategy", ["eval_every_epochs"], "--eval_every_steps or"),
        ("eval_strategy", ["batch_size"], None),
        ("weight_decay", [], "0.01 is fixed"),
        ("nofp16", ["mixed_precision"], "--mixed_precision=float16"),
        ("nodo_eval", ["do_predict"], "--nodo_predict predicts"),
        ("do_eval", ["do_train"], None),
        ("zzz", ["zzzz"], None),
    ],
)
def test_advice_is_for_flags_that_the_command_has(name, known, begin):
    text = other_programs.advice(name, known)
    assert text is None if begin is None else text.startswith(begin)


def test_the_help_names_every_level():
    for level in screen.LEVELS:
        assert f" {level}," in flags.VERBOSITY


def test_defaults_of_the_class_where_the_script_has_none():
    settings = flags.parse(NerConfig, ["x", *REQUIRED])
    assert settings.finetuning.num_train_epochs == 3.0


def test_values_have_the_types_of_the_fields():
    words = (
        "--vocab_file=~/v.txt",
        "--max_seq_length=64",
        "--learning_rate=1e-4",
        "--num_train_epochs=3",
        "--compat=paper",
        "--train_on=train",
        "--tpu_name=tpu-1",
    )
    settings = parse(*REQUIRED, *words)
    assert settings.text.vocab_file == Path.home() / "v.txt"
    assert settings.stages.data_dir == Path("in")
    assert settings.model.init_checkpoint is None
    assert settings.text.max_seq_length == 64
    assert settings.finetuning.learning_rate == 1e-4
    assert settings.finetuning.num_train_epochs == 3.0
    assert settings.compat == "paper"
    assert settings.train_on == "train"
    assert settings.device.tpu_name == "tpu-1"


@pytest.mark.parametrize(
    "words, value",
    [
        (["--do_eval"], True),
        (["--do_eval=true"], True),
        (["--do_eval=True"], True),
        (["--do_eval=TRUE"], True),
        (["--do_eval=t"], True),
        (["--do_eval=1"], True),
        (["-do_eval"], True),
        (["--nodo_eval"], False),
        (["--do_eval=false"], False),
        (["--do_eval=False"], False),
        (["--do_eval=f"], False),
        (["--do_eval=0"], False),
        (["--do_eval", "--nodo_eval"], False),  # the last one counts
    ],
)
def test_booleans(words, value):
    assert parsed(*words)["do_eval"] is value


def test_a_value_may_follow_as_a_word_of_its_own():
    assert parsed("--seed", "7")["seed"] == 7


def test_flagfile(tmp_path):
    path = tmp_path / "ncbi.flags"
    path.write_text(
        "# the NCBI run\n--data_dir=here\n--output_dir=there\n\n--seed=7\n--do_eval\n"
    )
    flat = config.to_dict(parse(f"--flagfile={path}", "--seed=8"))
    assert (flat["data_dir"], flat["output_dir"]) == ("here", "there")
    assert flat["do_eval"] is True
    assert flat["seed"] == 8


# Flags of a class, all others at the defaults.
CONFIGS = [
    (NerConfig, REQUIRED),
    (
        NerConfig,
        (
            "--data_dir=NER/a b",
            "--output_dir=~/out=put",
            "--init_checkpoint=model.ckpt-10",
            "--do_lower_case",
            "--nodo_train",
            "--do_eval",
            "--learning_rate=1.2345678901234567e-05",
            "--num_train_epochs=0.1",
            "--seed=2147483647",
            "--tpu_name=grpc://10.0.0.2:8470",
            "--compat=paper",
        ),
    ),
    (
        RelationConfig,
        (
            *REQUIRED,
            "--task_name=custom",
            '--labels=no, "yes",--maybe ',
            "--negative_label=no",
            "--folds=1-10,12",
            "--class_weights=no:1,yes:2.5",
            "--entity_markers",
        ),
    ),
    (
        qa_config.QaConfig,
        (
            "--output_dir=out",
            "--do_train",
            "--train_file=a b.json,c*.json",
            "--nodo_predict",
            "--question_type=yesno",
            "--class_weights=balanced",
            "--null_score_diff_threshold=-2.5",
            "--nouse_number",
        ),
    ),
]


@pytest.mark.parametrize("config_type, words", CONFIGS)
@pytest.mark.parametrize("defaults", [{}, NER.defaults | {"do_predict": False}])
def test_the_flags_of_a_config_give_it_again(config_type, words, defaults):
    settings = flags.parse(config_type, ["x.py", *words])
    again = ["x.py", *flags.to_argv(settings)]
    # Whatever the defaults are.
    assert flags.parse(config_type, again, defaults) == settings


def test_the_flags_of_a_config_are_all_but_what_is_none():
    argv = flags.to_argv(parse(*REQUIRED, "--do_lower_case", "--seed=7"))
    assert {"--data_dir=in", "--do_lower_case=true", "--do_eval=false"} <= set(argv)
    assert {"--seed=7", "--learning_rate=5e-05", "--tpu_name="} <= set(argv)
    names = [word.split("=")[0].removeprefix("--") for word in argv]
    given = {
        name
        for name, value in (ORIGINAL | OURS | OURS_OF_NER).items()
        if value is not None
    }
    assert sorted(names) == sorted([*given, "data_dir", "output_dir"])


@pytest.mark.parametrize(
    "words, named",
    [
        (["--do_trian=true"], "'do_trian'. Did you mean: do_train"),
        (["--label_file=x"], "'label_file'"),
        (["--compat=new"], "--compat=new: value should be one of <fixed|master|paper>"),
        (["--strategy=TPU"], "--strategy=TPU: "),
        (["--xla=maybe"], "--xla=maybe: "),
        (["--mixed_precision=float64"], "--mixed_precision=float64: "),
        (["--max_seq_length=abc"], "--max_seq_length=abc: "),
        (["--train_batch_size=3.5"], "--train_batch_size=3.5: "),
        (["--learning_rate=fast"], "--learning_rate=fast: "),
        (["--do_eval=maybe"], "--do_eval=maybe: "),
        (["--do_eval="], "--do_eval=: "),
        (["--seed"], "--seed"),
        (["--flagfile=absent.flags"], "absent.flags"),
        (["NCBI-disease"], "unexpected argument 'NCBI-disease'"),
        (["--train_batch_size=0"], "--train_batch_size=0: must be at least 1"),
        (["--nodo_train", "--nodo_predict"], "nothing to do: "),
    ],
)
def test_bad_flags_are_one_line(words, named):
    with pytest.raises(InputError) as caught:
        parse(*REQUIRED, *words)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words, missing",
    [
        ([], "--output_dir and --data_dir"),
        (["--data_dir=in"], "--output_dir"),
        (["--output_dir=out", "--seed=1"], "--data_dir"),
    ],
)
def test_required_flags(words, missing):
    with pytest.raises(InputError) as caught:
        parse(*words)
    assert str(caught.value) == f"{missing} must be given; see --help"


@pytest.mark.parametrize("config_type", [NerConfig, RelationConfig, qa_config.QaConfig])
def test_every_flag_is_documented(config_type):
    names = [field.name for field in config.leaves(config_type)]
    assert len(names) == len(set(names))
    for field in config.leaves(config_type):
        assert field.metadata["help"].strip().endswith("."), field.name


@pytest.mark.parametrize("word", ["--help", "-h", "-help"])
def test_help_lists_every_flag_with_its_default(word, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(word)
    assert caught.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: run_ner.py --name=value ..."
    shown = {
        name: value
        for name, value in (ORIGINAL | OURS | OURS_OF_NER | WITHOUT_EFFECT).items()
        if value is not None and value != ""
    }
    for field in config.leaves(NerConfig):
        [line] = [line for line in lines if line.startswith(f"  --{field.name}: ")]
        assert field.metadata["help"] in line
        default = shown.get(field.name, "none")
        if field.name in ("data_dir", "output_dir"):
            default = "required"
        assert line.endswith(f" [{str(default).lower()}]")
    for name in ("flagfile", "verbosity", "version"):
        assert any(line.startswith(f"  --{name}: ") for line in lines)


@pytest.mark.parametrize(
    "words, value, rest",
    [
        ([], "info", []),
        (["ner", "--verbosity=debug", "--seed=8"], "debug", ["ner", "--seed=8"]),
        (["ner", "--verbosity", "-1", "--seed=8"], "-1", ["ner", "--seed=8"]),
        (["--verbosity=1", "a", "-verbosity=0"], "0", ["a"]),
        (["--verbosity"], "", []),
        (["--", "a"], "info", ["--", "a"]),
    ],
)
def test_verbosity_is_taken_out_of_any_command_line(words, value, rest):
    assert flags.verbosity(["x.py", *words]) == (value, ["x.py", *rest])


def test_verbosity_in_a_file_of_flags(tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("--verbosity=warning\n--seed=7\n")
    words = ["x.py", "ner", f"--flagfile={path}", "--max_steps=1"]
    assert flags.verbosity(words) == (
        "warning",
        ["x.py", "ner", "--seed=7", "--max_steps=1"],
    )
    with pytest.raises(InputError, match="absent"):
        flags.verbosity(["x.py", "--flagfile=absent.flags"])


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        parse("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("script", ["run_ner.py", "run_re.py", "run_qa.py"])
def test_help_of_the_script_does_not_import_tensorflow(script):
    code = """
import runpy, sys
script, sys.argv[1:] = sys.argv[1], ["--help"]
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit as stop:
    print("status", stop.code)
print("tensorflow", "tensorflow" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code, script],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "--init_checkpoint: " in result.stdout
    assert result.stdout.splitlines()[-2:] == ["status 0", "tensorflow False"]
    assert result.stderr == ""
