# SPDX-License-Identifier: Apache-2.0
"""A command that only holds subcommands."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from biobert_tf.common import flags, remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.training.problem import Command


def parser(argv: Sequence[str], summary: str | None) -> argparse.ArgumentParser:
    """Returns a parser for the words of a command, the first of which is its name."""
    return argparse.ArgumentParser(
        prog=argv[0],
        description=summary,
        epilog=f"Every command takes --verbosity. {flags.VERBOSITY}",
    )


def path(text: str) -> Path:
    """Returns the path that an argument names: the `type` of one for argparse.

    Raises:
        argparse.ArgumentTypeError: See `remote_path.parse`.
    """
    try:
        return remote_path.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def call(argv: Sequence[str], commands: Mapping[str, Command]) -> None:
    """Calls the command that the first argument names, or lists all commands."""
    program_name, *words = argv
    name = words[0] if words else "--help"
    if name in ("--help", "-h"):
        print(
            f"usage: {program_name} COMMAND ...; {program_name} COMMAND --help shows "
            "its flags\n"
        )
        for command, function in commands.items():
            print(f"  {command:24} {(function.__doc__ or '').splitlines()[0]}")
    elif name in commands:
        commands[name]([f"{program_name} {name}", *words[1:]])
    else:
        raise InputError(f"no command {name!r}; known: {', '.join(commands)}")
