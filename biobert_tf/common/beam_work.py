# SPDX-License-Identifier: Apache-2.0
"""What the steps of a Beam pipeline share: a folder of files, and how errors return.

Nothing here needs Beam. A step is a function of a job and an element. It reports to the
launcher through files in the job's folder. Errors of the input are reported that way
too: some runners run a step again after an exception, and all wrap the exception in
pages of traceback.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from biobert_tf.common import beam_storage
from biobert_tf.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Work:
    """What every step gets; small, as it is sent with each step.

    `work` is the path or URL of the folder for the files that steps exchange. A
    subclass adds the settings of its job.
    """

    work: str

    def place(self, *names: str | int) -> str:
        """Returns the place of a file in `work`; numbers become five digits."""
        shown = (name if isinstance(name, str) else f"{name:05d}" for name in names)
        return "/".join([self.work, *shown])

    @property
    def error_place(self) -> str:
        """The place of the first error's message."""
        return self.place("error")


Step = Callable[[Any, Any], Iterator[Any]]
"""A function of a `Work` and an element, which yields elements for the next step."""


def guarded(work: Work, step: Step, element: Any) -> Iterator[Any]:
    """Runs a step; an `InputError` is written to the job's `error_place`.

    Once there is an error, the remaining elements are skipped.
    """
    # Beam reads these types: Any means that it checks none.
    if beam_storage.find(work.error_place):
        return
    try:
        yield from step(work, element)
    except InputError as error:
        beam_storage.put_object(str(error), work.error_place)
