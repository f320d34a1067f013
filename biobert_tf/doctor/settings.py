# SPDX-License-Identifier: Apache-2.0
"""The settings of `biobert doctor`."""

import dataclasses
from pathlib import Path

from biobert_tf.common.settings import at_least, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """What `biobert doctor` tries."""

    # Not a Path: TensorFlow, which may be broken, would be imported for a URL.
    output_dir: str = setting(
        "",
        "Directory of a run: a small file is written, read, renamed and removed there.",
    )
    use_tpu: bool = setting(False, "It is an error if no TPU computes.")
    timeout_seconds: int = setting(
        180, "Seconds to wait for TensorFlow and a device, or for --output_dir."
    )
    json: Path | None = setting(None, "Also write everything found to this file.")

    def __post_init__(self) -> None:
        """Rejects a time in which nothing can answer."""
        at_least(self, timeout_seconds=1)
