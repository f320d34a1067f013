# SPDX-License-Identifier: Apache-2.0
"""The `biobert` command: one subcommand, one function.

The run scripts call the same functions, so `run_ner.py` and `biobert ner` are one.
TensorFlow is imported where it is needed, so that `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from biobert_tf import __version__, config, flags, program
from biobert_tf.errors import InputError

# run_ner.py:76: 10 epochs; the other tasks of the original train for 3.
NER_DEFAULTS = {"num_train_epochs": 10.0}


def ner(argv: Sequence[str]) -> None:
    """Fine-tune, evaluate and predict named entities."""
    settings = flags.parse(config.NerConfig, argv, NER_DEFAULTS)
    from biobert_tf import ner_run

    ner_run.run(settings)


def demo(argv: Sequence[str]) -> None:
    """Fine-tune a tiny model on the built-in corpus, score it, annotate a sentence."""
    parser = argparse.ArgumentParser(prog=argv[0], description=demo.__doc__)
    parser.add_argument("--output_dir", type=Path, default=Path("runs/demo"))
    arguments = parser.parse_args(argv[1:])
    from biobert_tf import ner_run

    ner_run.demo(arguments.output_dir)


def convert(argv: Sequence[str]) -> None:
    """Convert weights between TF1 and Hugging Face formats."""
    parser = argparse.ArgumentParser(prog=argv[0], description=convert.__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--to", dest="target", type=Path, required=True)
    parser.add_argument(
        "--to_format", choices=("auto", "tf1", "huggingface"), default="auto"
    )
    parser.add_argument("--bert_config_file", type=Path)
    parser.add_argument("--vocab_file", type=Path)
    parser.add_argument("--do_lower_case", choices=("true", "false"))
    parser.add_argument(
        "--classifier",
        choices=("auto", "token", "sequence"),
        default="auto",
        help="what output_weights label, for Transformers",
    )
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.checkpoints import convert as conversion

    spoken = {"true": True, "false": False, None: None}
    print(
        conversion.convert(
            arguments.source,
            arguments.target,
            to_format=arguments.to_format,
            bert_config_file=arguments.bert_config_file,
            vocab_file=arguments.vocab_file,
            do_lower_case=spoken[arguments.do_lower_case],
            classifier=arguments.classifier,
        )
    )


def conlleval(argv: Sequence[str]) -> None:
    """Score a file of `word gold predicted` lines as conlleval.pl does."""
    parser = argparse.ArgumentParser(prog=argv[0], description=conlleval.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("-d", dest="delimiter", default=" ", help="column separator")
    arguments = parser.parse_args(argv[1:])
    from biobert_tf.metrics import conlleval as metric

    print(metric.report_file(arguments.file, arguments.delimiter), end="")


_COMMANDS = {"ner": ner, "demo": demo, "convert": convert, "conlleval": conlleval}


def main(argv: Sequence[str]) -> None:
    """Calls the function of a subcommand, or lists them."""
    name = argv[1] if len(argv) > 1 else "--help"
    if name == "--version":
        print(__version__)
    elif name in ("--help", "-h"):
        print("usage: biobert COMMAND ...; biobert COMMAND --help tells more\n")
        for command, function in _COMMANDS.items():
            print(f"  {command:10} {(function.__doc__ or '').splitlines()[0]}")
    elif name in _COMMANDS:
        _COMMANDS[name]([f"biobert {name}", *argv[2:]])
    else:
        raise InputError(f"no command {name!r}; known: {', '.join(_COMMANDS)}")


def console() -> int:
    """Runs `biobert`; the entry point that setup.py installs."""
    return program.run(main, sys.argv)
