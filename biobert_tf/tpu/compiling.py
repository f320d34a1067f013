# SPDX-License-Identifier: Apache-2.0
"""Compiles a lowered step for a TPU, in a process of its own, which may die.

    python -m biobert_tf.tpu.compiling STEP CHIP RESULT

STEP.hlo and STEP.json hold the step; the JSON file RESULT gets what the compiler says.
JAX knows the kinds of TPU by their topologies, so there need be no TPU.
"""

import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.tpu import lowered
from biobert_tf.tpu.settings import CHIPS

ENVIRONMENT: Final = {
    # Else JAX would look for a TPU to run on.
    "JAX_PLATFORMS": "cpu",
    # Else libtpu asks Google's cloud about this machine, for minutes.
    "TPU_SKIP_MDS_QUERY": "1",
    # Else a second process waits for the first, or gives up.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

_TOO_LARGE: Final = re.compile(r"Used ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm")
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def compile_for(step: lowered.Lowered, hlo: bytes, topology: str) -> dict[str, Any]:
    """Returns what a step needs on a core of a TPU, in bytes and FLOPs.

    Raises:
        Exception: The compiler does not take the step; see `failure`.
    """
    import jax
    from jax.experimental import topologies

    jax.config.update("jax_enable_x64", True)
    device = topologies.get_topology_desc(topology, "tpu").devices[0]
    place = jax.sharding.SingleDeviceSharding(device)
    call = lowered.as_function(hlo, step.arguments, step.results, "tpu")
    shapes = [
        jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=place)
        for each in step.arguments
    ]
    # New values lie where the old ones lay.
    program = jax.jit(
        call, donate_argnums=step.changed, keep_unused=True, out_shardings=place
    ).lower(*shapes)
    wall, cpu = time.perf_counter(), time.process_time()
    compiled: Any = program.compile()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    memory, costs = compiled.memory_analysis(), compiled.cost_analysis() or {}
    return {
        "status": "fits",
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "argument_bytes": memory.argument_size_in_bytes,
        "output_bytes": memory.output_size_in_bytes,
        "aliased_bytes": memory.alias_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
        "code_bytes": memory.generated_code_size_in_bytes,
        "peak_bytes": memory.peak_memory_in_bytes,
        "flops": costs.get("flops", 0),
        "bytes_moved": costs.get("bytes accessed", 0),
    }


def failure(error: Exception) -> dict[str, Any]:
    """Returns why a step is not compiled: it is too large, or for another reason."""
    text = str(error) or type(error).__name__
    found: dict[str, Any] = {"status": "fails", "error": text[:2000]}
    if "RESOURCE_EXHAUSTED" in text:
        found["status"] = "does not fit"
    if numbers := _TOO_LARGE.search(text):
        used, used_unit, limit, limit_unit = numbers.groups()
        found["needed_bytes"] = round(float(used) * 2 ** _UNITS[used_unit])
        found["limit_bytes"] = round(float(limit) * 2 ** _UNITS[limit_unit])
    return found


def _end_with_parent() -> None:
    """Ends this process when the other end of its standard input is closed."""
    sys.stdin.buffer.read()
    os._exit(1)


def main(step: str, chip: str, result: str) -> None:
    """Compiles and writes the result."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(ENVIRONMENT)
    about = json.loads(Path(f"{step}.json").read_text("utf-8"))
    hlo = Path(f"{step}.hlo").read_bytes()
    start = time.perf_counter()
    try:
        found = compile_for(lowered.Lowered.from_dict(about), hlo, CHIPS[chip].topology)
    # Whatever it is, it is an answer.
    except Exception as error:
        found = failure(error)
        found["seconds"] = round(time.perf_counter() - start, 1)
        found["cpu_seconds"] = round(time.process_time(), 1)
    files.write_json(Path(result), found)
    # libtpu has nothing to clean up, and may hang when it does.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
