# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import logging
from pathlib import Path

import pytest

from biobert_tf.common import settings as config
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner.settings import NerConfig
from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.qa.settings import QaConfig
from biobert_tf.relations.settings import RelationConfig

# The bert_config.json of BioBERT-Base v1.1, as released.
RELEASED = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "type_vocab_size": 2,
    "vocab_size": 28996,
}


def write(tmp_path, values):
    path = tmp_path / "bert_config.json"
    path.write_text(json.dumps(values))
    return path


def test_released_file(tmp_path, caplog):
    path = write(tmp_path, RELEASED)
    assert dataclasses.asdict(EncoderConfig.from_json(path)) == RELEASED
    assert not caplog.records


def test_defaults_are_those_of_base(tmp_path):
    read = EncoderConfig.from_json(write(tmp_path, {"vocab_size": 28996}))
    assert dataclasses.asdict(read) == RELEASED


def test_unknown_keys_are_named(tmp_path, caplog):
    values = RELEASED | {"hiden_size": 8, "num_layers": 3, "pooler_type": "x"}
    path = write(tmp_path, values)
    read = EncoderConfig.from_json(path)
    assert read.hidden_size == 768
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert (
        record.getMessage() == f"{path}: unknown keys ignored: hiden_size, num_layers"
    )


@pytest.mark.parametrize(
    "values, problem",
    [
        ({"vocab_size": 0}, "vocab_size is 0: want a positive integer"),
        ({"vocab_size": "28996"}, "vocab_size is '28996': want a positive integer"),
        ({"hidden_size": -8}, "hidden_size is -8: want a positive integer"),
        ({"hidden_size": 768.0}, "hidden_size is 768.0: want a positive integer"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0: want a positive"),
        ({"num_hidden_layers": None}, "num_hidden_layers is None: want a positive"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob is 1.0: want a number in"),
        ({"hidden_dropout_prob": None}, "hidden_dropout_prob is None: want a number"),
        (
            {"attention_probs_dropout_prob": -0.1},
            "attention_probs_dropout_prob is -0.1",
        ),
        (
            {"num_attention_heads": 7},
            "hidden_size 768 is not a multiple of num_attention_heads 7",
        ),
        ({"hidden_act": "gelu_fast"}, "hidden_act 'gelu_fast' is none of gelu, "),
    ],
)
def test_impossible_sizes(tmp_path, values, problem):
    path = write(tmp_path, RELEASED | values)
    with pytest.raises(InputError) as caught:
        EncoderConfig.from_json(path)
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert "\n" not in str(caught.value)


def test_size_of_the_vocabulary_is_required(tmp_path):
    path = write(tmp_path, {"hidden_size": 768})
    with pytest.raises(InputError, match=r"bert_config\.json: vocab_size is missing$"):
        EncoderConfig.from_json(path)


def stages(**values):
    made = config.DirectoryStageConfig
    return made(data_dir=Path("d"), output_dir=Path("o"), **values)


def test_a_run_needs_a_stage():
    stages(do_train=False, do_predict=False, do_eval=True).check()
    idle = stages(do_train=False, do_predict=False)
    with pytest.raises(InputError, match=r"^nothing to do: "):
        idle.check()
    with pytest.raises(InputError, match=r"^nothing to do: "):
        config.check(ner_config(stages=idle))


@pytest.mark.parametrize(
    "name, least",
    [
        ("train_batch_size", 1),
        ("eval_batch_size", 1),
        ("max_steps", 0),
        ("gradient_accumulation_steps", 1),
        ("save_checkpoints_steps", 1),
        ("keep_checkpoint_max", 1),
        ("iterations_per_loop", 1),
        ("log_examples", 0),
        ("seed", 0),
    ],
)
def test_least_values(name, least):
    assert getattr(config.RunConfig(**{name: least}), name) == least
    with pytest.raises(InputError, match=f"^--{name}={least - 1}: must be at least"):
        config.RunConfig(**{name: least - 1})


@pytest.mark.parametrize(
    "name, least", [("predict_batch_size", 1), ("num_train_epochs", 0)]
)
def test_least_values_of_a_finetuning(name, least):
    assert getattr(config.FinetuningConfig(**{name: least}), name) == least
    with pytest.raises(InputError, match=f"^--{name}={least - 1}: must be at least"):
        config.FinetuningConfig(**{name: least - 1})


def test_a_seed_is_an_int32():
    assert config.RunConfig(seed=2**31 - 1).seed == 2**31 - 1
    with pytest.raises(InputError, match=r"^--seed=2147483648: must be below"):
        config.RunConfig(seed=2**31)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_endless_numbers_are_rejected(value):
    with pytest.raises(InputError, match=r"^--num_train_epochs="):
        config.FinetuningConfig(num_train_epochs=float(value))
    with pytest.raises(InputError, match=r"^--learning_rate="):
        config.FinetuningConfig(learning_rate=float(value))
    with pytest.raises(InputError, match=r"^--warmup_proportion="):
        config.FinetuningConfig(warmup_proportion=float(value))


def test_a_row_needs_room_for_a_piece():
    assert config.TextConfig(max_seq_length=3).max_seq_length == 3
    with pytest.raises(InputError, match=r"^--max_seq_length=2: "):
        config.TextConfig(max_seq_length=2)


def test_warmup_is_a_share():
    assert config.FinetuningConfig(warmup_proportion=1.0).warmup_proportion == 1.0
    for value in (-0.1, 1.1):
        with pytest.raises(InputError, match=r"^--warmup_proportion="):
            config.FinetuningConfig(warmup_proportion=value)


def test_learning_rate_is_positive():
    with pytest.raises(InputError, match=r"^--learning_rate=0\.0: must be positive"):
        config.FinetuningConfig(learning_rate=0.0)


def test_one_device():
    assert config.DeviceConfig(use_tpu=True, strategy="tpu").use_tpu
    with pytest.raises(InputError, match=r"^--use_tpu contradicts --strategy=gpu$"):
        config.DeviceConfig(use_tpu=True, strategy="gpu")


def ner_config(**values):
    return NerConfig(
        stages=values.get("stages", stages()),
        text=config.TextConfig(vocab_file=Path("v.txt")),
        model=config.ModelConfig(),
        finetuning=config.FinetuningConfig(),
        run=config.RunConfig(),
        selection=config.SelectionConfig(),
        device=config.DeviceConfig(),
    )


def test_to_dict_is_flat_and_ready_for_json():
    flat = config.to_dict(ner_config())
    assert flat["vocab_file"] == "v.txt"
    assert flat["init_checkpoint"] is None
    assert flat["compat"] == "fixed"
    assert json.loads(json.dumps(flat)) == flat


def relation_config(**values):
    return RelationConfig(
        stages=stages(),
        text=config.TextConfig(),
        model=config.ModelConfig(),
        finetuning=config.FinetuningConfig(),
        run=config.RunConfig(),
        selection=config.SelectionConfig(),
        device=config.DeviceConfig(),
        **values,
    )


@pytest.mark.parametrize("name", ["labels", "negative_label"])
def test_named_relation_sets_have_their_own_labels(name):
    value = CommaList.parse("0") if name == "labels" else "0"
    custom = relation_config(task_name="custom", **{name: value})
    assert getattr(custom, name) == value
    for task_name in ("gad", "chemprot", "ddi13"):
        with pytest.raises(InputError) as caught:
            relation_config(task_name=task_name, **{name: value})
        assert str(caught.value) == (
            f"--{name} is for --task_name=custom; {task_name} has its own"
        )


# --- records --------------------------------------------------------------------------

PATHS = {"output_dir": Path("o"), "data_dir": Path("d")}
RECORDED = {
    NerConfig: PATHS,
    RelationConfig: {**PATHS, "task_name": "custom"},
    QaConfig: {"output_dir": Path("o")},
    PretrainingConfig: {"output_dir": Path("o")},
}


def read(config_type, values):
    return config.from_dict(
        config_type, values, "here/settings.json", **RECORDED[config_type]
    )


@pytest.mark.parametrize("config_type", RECORDED)
@pytest.mark.parametrize(
    "values",
    [{}, {"compat": "fixed", "do_lower_case": False, "max_seq_length": 77}],
)
def test_a_record_of_some_settings_is_read(config_type, values):
    found = read(config_type, values)
    assert found.stages.output_dir == Path("o")
    assert found.text.max_seq_length == values.get("max_seq_length", 128)
    # What was read is written again, and read again.
    assert read(config_type, json.loads(json.dumps(config.to_dict(found)))) == found


def test_a_whole_record_is_read():
    record = config.to_dict(ner_config())
    assert config.from_dict(NerConfig, record, "x") == ner_config()


def test_a_record_counts_more_than_what_stands_in_for_it():
    assert read(NerConfig, {"data_dir": "e"}).stages.data_dir == Path("e")


def test_a_record_may_be_of_a_run_that_is_no_command():
    values = {"do_train": False, "do_predict": False, "do_convert": False}
    for config_type in RECORDED:
        assert not read(config_type, values).stages.do_train
    assert read(QaConfig, {"do_train": True}).stages.do_train


def test_other_keys_of_a_record_are_ignored():
    assert read(NerConfig, {"version": [1]}) == read(NerConfig, {})


def test_whole_numbers_of_a_record_may_be_rates():
    epochs = read(NerConfig, {"num_train_epochs": 3}).finetuning.num_train_epochs
    assert (epochs, type(epochs)) == (3.0, float)


@pytest.mark.parametrize(
    "name, value, problem",
    [
        ("do_lower_case", 1, "is 1: want true or false"),
        ("do_lower_case", None, "is None: want true or false"),
        ("max_seq_length", "128", "is '128': want a whole number"),
        ("max_seq_length", True, "is True: want a whole number"),
        ("max_seq_length", 128.0, "is 128.0: want a whole number"),
        ("learning_rate", True, "is True: want a number"),
        ("learning_rate", "1e-5", "is '1e-5': want a number"),
        ("vocab_file", 7, "is 7: want a string"),
        ("output_dir", None, "is None: want a string"),
        ("tpu_name", 7, "is 7: want a string"),
        ("compat", "new", "is 'new': want one of fixed, master, paper"),
        ("compat", ["fixed"], "is ['fixed']: want one of fixed, master, paper"),
    ],
)
def test_a_record_has_values_of_the_types_of_the_fields(name, value, problem):
    with pytest.raises(InputError) as caught:
        read(NerConfig, {name: value})
    assert str(caught.value) == f"here/settings.json: {name} {problem}"


def test_a_record_has_values_within_their_bounds():
    with pytest.raises(InputError) as caught:
        read(NerConfig, {"max_seq_length": 2})
    assert str(caught.value).startswith(
        "here/settings.json: --max_seq_length=2: must be at least 3"
    )


def test_small_languages_of_a_record_are_parsed():
    values = {"folds": "1-3", "labels": "a, b", "class_weights": "a:2"}
    found = read(RelationConfig, values)
    assert found.folds.numbers == (1, 2, 3)
    assert found.labels.parts == ("a", "b")
    flat = config.to_dict(found)
    assert {name: flat[name] for name in values} == values


def test_small_languages_of_a_record_may_be_wrong():
    with pytest.raises(InputError) as caught:
        read(RelationConfig, {"folds": "1-"})
    assert str(caught.value).startswith("here/settings.json: --folds=1-: '1-' is nei")
    with pytest.raises(InputError, match=r"json: labels is 7: want a string$"):
        read(RelationConfig, {"labels": 7})


def test_a_record_lacks_what_is_required():
    with pytest.raises(InputError) as caught:
        config.from_dict(RelationConfig, {}, "settings.json", **PATHS)
    assert str(caught.value) == (
        "settings.json: lacks task_name; want the settings of a whole run"
    )


def test_settings_that_may_change_say_so():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Inner:
        place: Path = config.required("Where.", free=True)
        size: int = config.setting(1, "How large.")

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Outer:
        count: int = config.setting(1, "How many.", free=True)
        inner: Inner

    # Hints are looked up where a class is defined: not within a function.
    Outer.__annotations__["inner"] = Inner
    outer = Outer(inner=Inner(place=Path("p")))
    assert config.free_names(Outer) == config.free_names(outer) == {"count", "place"}


# What a run may be resumed with another value of.
FREE = """
    output_dir do_train do_eval init_checkpoint vocab_file bert_config_file
    eval_batch_size max_steps iterations_per_loop log_examples save_checkpoints_steps
    keep_checkpoint_max recompute pack_sequences continue_training do_export strategy
    use_tpu tpu_name
    tpu_zone gcp_project master num_tpu_cores xla engine
"""
FREE_OF_SCRIPTS = {
    NerConfig: "data_dir do_predict predict_batch_size entity_type",
    RelationConfig: "data_dir do_predict predict_batch_size",
    QaConfig: """
        do_predict predict_batch_size
        predict_file golden_file question_type n_best_size max_answer_length
        null_score_diff_threshold verbose_logging list_threshold use_number
    """,
    PretrainingConfig: """
        input_file corpus_file do_convert max_eval_steps dupe_factor short_seq_prob
        random_seed masking do_lower_case strict other_abstracts allow_single_document
        exact num_shards num_workers runner pipeline_options
    """,
}


@pytest.mark.parametrize("config_type", FREE_OF_SCRIPTS)
def test_settings_that_may_change_of_every_script(config_type):
    free = {*FREE.split(), *FREE_OF_SCRIPTS[config_type].split()}
    if config_type is QaConfig:
        free.remove("do_eval")  # a flag of the other scripts
    assert config.free_names(config_type) == free


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ner_config().run.seed = 1
