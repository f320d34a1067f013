# SPDX-License-Identifier: Apache-2.0
"""`biobert export` and `--do_export`: find a model, read it and write an export."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from biobert_tf import problems
from biobert_tf.checkpoints import prefixes
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, ScriptConfig, to_dict
from biobert_tf.export import directory
from biobert_tf.export.settings import DTYPES, PRECISIONS, ExportConfig
from biobert_tf.ner.settings import NerConfig
from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.training import precision, reload


def export(config: ExportConfig, recorded: Mapping[str, object] | None = None) -> Path:
    """Exports a model; returns the directory, which is as before if that fails.

    `recorded` are the settings that the model predicts with, flag name to value;
    default: the settings of its training.

    Raises:
        InputError: The model cannot be read or is of another kind, the directory holds
            something else, or the labels of a model with `entity_type` have types.
    """
    directory.require_free(config.output)
    found = reload.find(config.model)
    if recorded is not None:
        # The training has recorded more than flags.
        both = {**found.recorded, **recorded}
        found = dataclasses.replace(found, recorded=both)
    if config.kind == "auto":
        problem, _ = problems.of_model(found)
    else:
        problem = problems.of_kind(config.kind)
        # Every model can also be exported as its encoder.
        if problem.kind_of(found) != config.kind:
            _, kind = problems.of_model(found)
            raise InputError.at(
                config.model,
                None,
                f"is a model of kind {kind}, not {config.kind}; leave --kind out, or "
                "say encoder",
            )
    loaded = problem.loaded(
        found,
        DeviceConfig(mixed_precision=PRECISIONS[config.dtype]),
        do_lower_case=config.do_lower_case,
        max_seq_length=config.max_seq_length,
    )
    if config.entity_type:
        if not isinstance(loaded.settings, NerConfig):
            raise InputError(
                f"--entity_type={config.entity_type} is for models of kind ner; "
                f"{config.model} is exported as another one, so leave it out"
            )
        named = dataclasses.replace(loaded.settings, entity_type=config.entity_type)
        loaded = dataclasses.replace(loaded, settings=named)
    return directory.write(config, loaded, problem.serve(loaded))


def export_run(settings: ScriptConfig | PretrainingConfig) -> Path:
    """Exports the model of a run to `<output_dir>/export`, to predict as the run does.

    A run that only predicted has no weights of its own; then its `--init_checkpoint` is
    exported. Returns the directory.
    """
    output_dir = settings.stages.output_dir
    init_checkpoint = settings.model.init_checkpoint
    has_weights = bool(prefixes.prefixes_in(output_dir))
    model = output_dir if has_weights or not init_checkpoint else init_checkpoint
    return export(
        ExportConfig(
            model=model,
            output=output_dir / "export",
            do_lower_case=settings.text.do_lower_case,
            max_seq_length=settings.text.max_seq_length,
            dtype=DTYPES[precision.chosen(settings.device)],
        ),
        to_dict(settings),
    )
