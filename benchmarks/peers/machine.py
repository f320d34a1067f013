# SPDX-License-Identifier: Apache-2.0
"""Says what the machine is and which packages are compared, without naming it."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Instructions that decide how fast matrices are multiplied.
INSTRUCTIONS: Final = (
    *("avx2", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
)
PACKAGES: Final = (
    *("tensorflow", "tensorflow-text", "ai-edge-litert", "numpy", "torch"),
    *("transformers", "tokenizers", "openvino", "onnxruntime"),
)
VERSIONS: Final = """
import json, sys
from importlib.metadata import distributions
found = {each.metadata["Name"].lower(): each.version for each in distributions()}
print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))
"""


def describe(pythons: Mapping[str, str]) -> dict[str, object]:
    """Returns processor, memory and versions; `pythons` are the environments'."""
    return {
        "processor": _first(r"model name\s*: (.+)", "/proc/cpuinfo"),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [
            name
            for name in INSTRUCTIONS
            if name in _first(r"flags\s*: (.+)", "/proc/cpuinfo").split()
        ],
        "memory_gib": round(
            int(_first(r"MemTotal: +(\d+)", "/proc/meminfo") or 0) / 2**20, 1
        ),
        "system": f"{platform.system()} {platform.machine()}",
        "python": ".".join(map(str, sys.version_info[:3])),
        "packages": {name: _versions(python) for name, python in pythons.items()},
    }


def _first(pattern: str, file: str) -> str:
    path = Path(file)
    found = re.search(pattern, path.read_text("utf-8")) if path.exists() else None
    return found[1].strip() if found else ""


def _versions(python: str) -> dict[str, str]:
    output = subprocess.run(
        [python, "-c", VERSIONS, *PACKAGES], check=True, stdout=subprocess.PIPE
    ).stdout
    versions: dict[str, str] = json.loads(output)
    return versions
