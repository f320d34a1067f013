# SPDX-License-Identifier: Apache-2.0
"""Parses JSON that nobody has to trust: what cannot be read is an `InputError`."""

import json
from pathlib import Path
from typing import Any

from biobert_tf.common.errors import InputError


def parsed(path: Path, line: int | None, text: str, hint: str = "") -> Any:
    """Returns the value of a JSON text of a file.

    `line` is the 1-based one where the text begins; None: the text is the whole file.
    NaN and Infinity are read, as other programs write them.

    Raises:
        InputError: It is not JSON, is nested too deeply, or has a number of thousands
            of digits. The message ends with `hint`, which says what to do.
    """
    place = line
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place, problem = line or error.lineno, f"not JSON: {error.msg}"
    except RecursionError:
        problem = "cannot be read as JSON: it is nested too deeply"
    except ValueError:
        # Python refuses to convert so many digits.
        problem = "cannot be read as JSON: a number is too long"
    raise InputError.at(path, place, problem + hint)
