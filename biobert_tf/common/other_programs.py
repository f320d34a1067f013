# SPDX-License-Identifier: Apache-2.0
"""Flags of other programs, and what they are called here.

They are those of the fine-tuning scripts of Transformers, dmis-lab/biobert-pytorch and
NVIDIA's BERT. docs/migrating.md has the same table, and whole commands.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

_NO_EFFECT: Final = "leave it out"
_DATA_DIR: Final = (
    "--data_dir, the folder of the train, development and test files; questions: "
    "--train_file and --predict_file"
)
_PRECISION: Final = "--mixed_precision=bfloat16 or float16"
_TOTAL: Final = "a total over all devices"
_INTERVAL: Final = "--eval_every_steps or --eval_every_epochs"
_GPUS: Final = "all GPUs of a machine are used; --strategy=multi_worker for several"

ADVICE: Final[Mapping[str, str]] = {
    "adam_beta1": "0.9 is fixed, as in the original",
    "adam_beta2": "0.999 is fixed, as in the original",
    "adam_epsilon": "1e-6 is fixed, as in the original",
    "allreduce_post_accumulation": f"gradients are always summed first; {_NO_EFFECT}",
    "alsologtostderr": f"the log goes to standard error; {_NO_EFFECT}",
    "amp": _PRECISION,
    "bf16": "--mixed_precision=bfloat16",
    "cache_dir": "HF_HOME, the Hub's own variable",
    "config_name": "--bert_config_file",
    "data_path": "--input_file",
    "dataset_config_name": f"nothing is downloaded; {_DATA_DIR}",
    "dataset_name": f"nothing is downloaded; {_DATA_DIR}",
    "dataloader_num_workers": f"batches are always made ahead; {_NO_EFFECT}",
    "display_loss_steps": "--iterations_per_loop",
    "dllog_path": "results.json in --output_dir holds the numbers",
    "do_prepare": f"records are always made; {_NO_EFFECT}",
    "early_stopping_patience": "--early_stopping",
    "eval_files_dir": "--input_file in a run of its own with --do_eval",
    "eval_steps": "--eval_every_steps",
    "eval_strategy": _INTERVAL,
    "evaluation_strategy": _INTERVAL,
    "fp16": "--mixed_precision=float16",
    "gradient_checkpointing": "--recompute",
    "horovod": _GPUS,
    "ignore_mismatched_sizes": f"a head with other labels is made anew; {_NO_EFFECT}",
    "init_loss_scale": "--mixed_precision=float16 scales the loss by itself",
    "input_files_dir": "--input_file='DIR/*'",
    "label_column_name": _DATA_DIR,
    "labels": "the labels are those of the training data",
    "load_best_model_at_end": "--keep_best",
    "local_rank": _GPUS,
    "logging_dir": "<output_dir>/tensorboard",
    "logging_steps": "--iterations_per_loop",
    "lr_scheduler_type": "the rate falls linearly, as in the original",
    "manual_fp16": _PRECISION,
    "max_eval_samples": "a file of fewer rows",
    "max_grad_norm": "1.0 is fixed, as in the original",
    "max_length": "--max_seq_length",
    "max_predict_samples": "a file of fewer rows",
    "max_train_samples": "a file of fewer rows, or --max_steps",
    "metric_for_best_model": "--keep_best",
    "model_name_or_path": "--init_checkpoint=hf://owner/name, or a directory",
    "model_revision": "--init_checkpoint=hf://owner/name@revision",
    "model_type": f"every model is BERT; {_NO_EFFECT}",
    "no_cuda": "--strategy=cpu",
    "num_accumulation_steps": "--gradient_accumulation_steps",
    "official_eval_dir": "the run scores itself with --golden_file",
    "optim": "AdamW as in the original; --optimizer for pre-training",
    "optimizer_type": "--optimizer",
    "output_path": "--output_file",
    "overwrite_cache": f"records are always made anew; {_NO_EFFECT}",
    "overwrite_output_dir": "a run resumes in its --output_dir; choose another",
    "pad_to_max_length": f"rows are always filled up; {_NO_EFFECT}",
    "per_device_eval_batch_size": f"--predict_batch_size, {_TOTAL}",
    "per_device_train_batch_size": f"--train_batch_size, {_TOTAL}",
    "per_gpu_eval_batch_size": f"--predict_batch_size, {_TOTAL}",
    "per_gpu_train_batch_size": f"--train_batch_size, {_TOTAL}",
    "preprocessing_num_workers": _NO_EFFECT,
    "push_to_hub": "nothing is uploaded; `biobert convert` makes a directory for that",
    "report_loss": f"the loss is always logged; {_NO_EFFECT}",
    "report_to": "the log and <output_dir>/tensorboard",
    "save_steps": "--save_checkpoints_steps",
    "save_strategy": "--save_checkpoints_steps; the end is always saved",
    "save_total_limit": "--keep_checkpoint_max",
    "test_file": _DATA_DIR,
    "text_column_name": _DATA_DIR,
    "tokenizer_name": "--vocab_file",
    "train_file": _DATA_DIR,
    "use_cpu": "--strategy=cpu",
    "use_fast_tokenizer": _NO_EFFECT,
    "use_fp16": _PRECISION,
    "use_xla": "--xla=on",
    "validation_file": _DATA_DIR,
    "warmup_ratio": "--warmup_proportion",
    "warmup_steps": "--warmup_proportion, a share of all steps, or --num_warmup_steps",
    "weight_decay": "0.01 is fixed, as in the original",
}
"""By name: a flag that has the same meaning here, or why there is none."""


def advice(name: str, known: Collection[str]) -> str | None:
    """Returns what a flag that a command does not have is called here, if known.

    A text that names flags helps only a command that has one of them.

    Args:
        name: The flag, with or without a `no` in front.
        known: The flags that the command has.
    """
    bare = name.removeprefix("no")
    if bare == "do_eval":
        text: str | None = f"--{name.replace('eval', 'predict')} predicts and scores"
    else:
        text = ADVICE.get(name, ADVICE.get(bare))
    named = re.findall(r"--(\w+)", text or "")
    has_some = not named or any(flag.removeprefix("no") in known for flag in named)
    return text if has_some else None
