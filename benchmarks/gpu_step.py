# SPDX-License-Identifier: Apache-2.0
r"""Runs our training steps on a GPU without a TensorFlow for GPUs: JAX executes them.

    python benchmarks/gpu_step.py lower --folder=DIR [--case=ner --tiny]
    python benchmarks/gpu_step.py run --folder=DIR [--platform=cpu --steps=20]

`lower` needs this package installed, and no GPU. It writes the bfloat16 steps of
`Trainer` (forward, backward, clipping, optimizer) as HLO, their batches, and the losses
of the first steps as TensorFlow computes them on the CPU. `run` needs jax, numpy, DIR,
and the package's folder beside this file's, not installed. It repeats those steps,
compares the losses, and measures tokens per second and the utilisation of the matrix
peak, which it measures itself. Only real pieces count: padding is not work. docs/gpu.md
says more.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

# Beside a GPU the package need not be installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from biobert_tf.tpu import lowered

Arrays = dict[str, Any]
"""NumPy arrays; NumPy's own types are too narrow for `savez`."""
Json = dict[str, Any]
Platform = Literal["cpu", "cuda"]

CASES: Final = ("pretraining", "ner")
NUM_LABELS: Final = 3
DEVIATION: Final = 0.02
"""That of the initial weights."""
CHECKED: Final = ("loss", "gradient_norm")
TOLERANCE: Final = 2.0**-8
"""Largest relative difference of the values that are checked.

A GPU adds in another order than a CPU, so some values that are rounded to bfloat16
become the next one up or down. The rounding of a single value is 2^-8 of it at most,
and loss and norm are sums over thousands of values, so they must be nearer than that.
"""


# --- The weights, which both sides make alike ---------------------------------------


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of the lowered step: an entry of the batch, or a variable.

    Attributes:
        name: The entry's name, or the variable's.
        shape: Its shape.
        dtype: Its type in NumPy.
        fill: The initial value of all elements of a variable; None if the values are
            drawn, or if this is an entry of the batch.
        is_changed: Whether it is a variable that the step changes. The results of the
            step are the new values of these, in the order of the arguments.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    fill: float | None = None
    is_changed: bool = False


def initial(argument: Argument, number: int) -> np.ndarray:
    """Returns the first value of a variable, which is argument `number`."""
    if argument.fill is not None:
        return np.full(argument.shape, argument.fill, argument.dtype)
    rng = np.random.default_rng(number)
    return rng.standard_normal(argument.shape, np.float32) * np.float32(DEVIATION)


def state_of(arguments: Sequence[Argument], num_entries: int) -> Iterator[np.ndarray]:
    """Yields the first values of the variables, which follow the batch's entries."""
    for number, argument in enumerate(arguments[num_entries:], num_entries):
        yield initial(argument, number)


def checksum(values: Iterable[np.ndarray]) -> int:
    """Returns a number that differs if the two sides do not make the same weights."""
    total = 0
    for value in values:
        total = zlib.crc32(value.tobytes(), total)
    return total


# --- Lowering: needs TensorFlow -----------------------------------------------------


class Case(NamedTuple):
    """A training step, before it is lowered.

    Attributes:
        task: What is trained.
        batch: The arrays of a batch.
        flops: See `flops.model_flops`; only real pieces count.
        row: The shape of the rows that are computed.
    """

    task: Any
    batch: Arrays
    flops: int
    row: tuple[int, int]


def pretraining_case(config: Any, rows: int, length: int) -> Case:
    """Returns pre-training on rows of random pieces.

    One text in ten is short, as `create_pretraining_data` makes them, and 15 % of the
    pieces of each are masked.
    """
    from biobert_tf.pretraining.task import PretrainingTask
    from biobert_tf.tpu import flops

    rng = np.random.default_rng(0)
    task = PretrainingTask(
        max_seq_length=length,
        max_predictions_per_seq=round(length * 0.15),
        vocab_size=config.vocab_size,
    )
    batch = {
        name: rng.integers(0, spec.below or 2, (rows, spec.length)).astype(
            np.float32 if spec.dtype == "float32" else np.int32
        )
        for name, spec in task.specs.items()
    }
    lengths = np.full(rows, length)
    lengths[::10] = rng.integers(length // 8, length, len(lengths[::10]))
    masked = np.minimum(np.ceil(lengths * 0.15), task.max_predictions_per_seq)
    batch["input_mask"][:] = np.arange(length) < lengths[:, None]
    batch["masked_lm_weights"][:] = (
        np.arange(task.max_predictions_per_seq) < masked[:, None]
    )
    positions = batch["masked_lm_positions"] % lengths[:, None]
    batch["masked_lm_positions"] = positions.astype(np.int32)
    scores = flops.pretraining_scores(config, rows, int(masked.sum()))
    work = flops.model_flops(config, lengths.tolist(), scores)
    return Case(task, batch, work, (rows, length))


def ner_case(config: Any, rows: int, length: int) -> Case:
    """Returns NER on random sentences that fill packed rows.

    Their lengths are spread as those of NCBI-disease are, 34 pieces on average.
    """
    from biobert_tf.model.encoder import PLACES
    from biobert_tf.ner.features import UNLABELLED
    from biobert_tf.ner.task import NerTask
    from biobert_tf.text.tokenization import FullTokenizer
    from biobert_tf.tpu import flops
    from biobert_tf.training import packing

    rng = np.random.default_rng(0)
    drawn = rng.gamma(3.0, 34.4 / 3, rows * length).astype(np.int32)
    lengths = np.clip(drawn, 3, length)
    count = rows
    while int(packing.packed(lengths[: count + 1], length)[0].numpy().max()) < rows:
        count += 1
    lengths = lengths[:count]
    places = np.full((rows, length), -1, np.int32)
    found = (each.numpy() for each in packing.packed(lengths, length))
    for text, (row, begin) in enumerate(zip(*found, strict=True)):
        end = begin + lengths[text]
        places[row, begin:end] = text * length + np.arange(lengths[text])
    shape = (count, length)
    labels = rng.integers(0, NUM_LABELS, shape).astype(np.int32)
    mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
    # Every second piece goes on with a word.
    labels[(mask == 0) | (np.arange(length) % 2 == 1)] = UNLABELLED
    batch = {
        "input_ids": rng.integers(0, config.vocab_size, shape).astype(np.int32),
        "input_mask": mask,
        "segment_ids": np.zeros(shape, np.int32),
        "label_ids": labels,
        PLACES: places,
    }
    vocabulary = Path(__file__).parents[1] / "vocab" / "demo-vocab.txt"
    task = NerTask(FullTokenizer(vocabulary), ("O", "B", "I"), length, "fixed")
    scores = [int(lengths.sum()) * config.hidden_size * NUM_LABELS]
    work = flops.model_flops(config, lengths.tolist(), scores)
    return Case(task, batch, work, (rows, length))


def sizes(is_tiny: bool) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Returns the encoder's config, and rows and length by case."""
    from biobert_tf.model.config import EncoderConfig

    if not is_tiny:
        shapes = {"pretraining": (24, 512), "ner": (32, 128)}
        return EncoderConfig(vocab_size=28996), shapes
    config = EncoderConfig(
        vocab_size=500,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        max_position_embeddings=64,
    )
    return config, {"pretraining": (4, 64), "ner": (4, 48)}


def build(name: str, config: Any, rows: int, length: int) -> Case:
    """Returns the case of this name."""
    make = {"pretraining": pretraining_case, "ner": ner_case}[name]
    return make(config, rows, length)


class Step:
    """The step of a case in TensorFlow, with the weights of `initial`.

    Attributes:
        arguments: Those of the lowered step: the batch's entries, then the variables.
        variables: The variables, in the order of the arguments.
    """

    def __init__(self, case: Case, config: Any, dtype: Any) -> None:
        """Builds the trainer, traces its step, and sets the weights."""
        import tensorflow as tf

        from biobert_tf.tpu import lowering
        from biobert_tf.training import optimizer
        from biobert_tf.training.trainer import Trainer

        model = case.task.build_model(config, 0, dtype)
        rates = optimizer.LinearWarmupDecay(1e-4, 10**6, 0)
        names = sorted(case.batch)
        self.trainer = Trainer(
            case.task,
            model,
            optimizer.build("adamw", rates, model.trainable_variables),
            tf.data.Dataset.from_tensors(case.batch).repeat(),
            seed=0,
            max_loop_steps=1000,
        )

        self._values = [tf.constant(case.batch[name]) for name in names]
        specs = {
            name: tf.TensorSpec(value.shape, value.dtype)
            for name, value in zip(names, self._values, strict=True)
        }
        self.traced = lowering.trace(self.trainer.replica_step, specs)
        self.variables = self.traced.variables
        weights = {id(each) for each in model.variables if each.shape.rank > 1}
        self.arguments = [
            *(
                Argument(name, case.batch[name].shape, case.batch[name].dtype.name)
                for name in names
            ),
            *(
                Argument(
                    variable.name,
                    tuple(variable.shape),
                    variable.dtype.name,
                    None if id(variable) in weights else _equal(variable.numpy()),
                    is_changed,
                )
                for variable, is_changed in zip(
                    self.variables, self.traced.is_changed, strict=True
                )
            ),
        ]
        for variable, value in zip(
            self.variables, state_of(self.arguments, len(names)), strict=True
        ):
            variable.assign(value)

    def run(self, num_steps: int) -> dict[str, list[float]]:
        """Makes steps on this machine's CPU; returns what the trainer reports.

        They are compiled with XLA. Without it, TensorFlow makes other floats of the
        same random bits (of the low 23 instead of the high), and so another dropout
        (https://github.com/tensorflow/tensorflow/issues/117644).
        """
        self.trainer.train_loop_begin()
        for _ in range(num_steps):
            self.traced.compiled(*self._values)
        history = self.trainer.train_loop_end()
        return {name: values.tolist() for name, values in history.items()}


def _equal(values: np.ndarray) -> float:
    """Returns the value of all elements; fails if they differ."""
    first = values.flat[0]
    if not (values == first).all():
        raise ValueError("a variable that is no weight does not start with one value")
    return float(first)


def write(path: Path, case: Case, config: Any, step: Step, num_checked: int) -> Json:
    """Writes `<path>.hlo`, `.npz` and `.json`; makes `num_checked` steps for these.

    Returns what stands in the JSON file.
    """
    entries = len(case.batch)
    path.with_suffix(".hlo").write_bytes(step.traced.hlo())
    np.savez_compressed(path.with_suffix(".npz"), **case.batch)
    about = {
        "config": dataclasses.asdict(config),
        "rows": case.row,
        "texts": len(case.batch["input_mask"]),
        "pieces": int(case.batch["input_mask"].sum()),
        "model_flops": case.flops,
        "arguments": [dataclasses.asdict(each) for each in step.arguments],
        "entries": entries,
        "history": next(
            number
            for number, variable in enumerate(step.variables, entries)
            if variable is step.trainer._history
        ),
        "checksum": checksum(state_of(step.arguments, entries)),
        "expected": step.run(num_checked),
    }
    path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
    return about


def lower(given: argparse.Namespace) -> None:
    """Writes every case to the folder."""
    import tensorflow as tf

    given.folder.mkdir(parents=True, exist_ok=True)
    config, shapes = sizes(given.tiny)
    for name in given.case:
        rows, length = shapes[name]
        case = build(name, config, given.batch or rows, length)
        step = Step(case, config, tf.bfloat16)
        path = given.folder / name
        about = write(path, case, config, step, given.checked_steps)
        print(f"{path}: {case.row} rows, loss {about['expected']['loss']}")


# --- Running: needs jax and numpy ---------------------------------------------------


class Loaded:
    """A lowered case on a device; every call of `step` makes a step.

    Attributes:
        about: What `lower` wrote.
        arguments: See `Argument`.
        seconds: How long the compilation took.
    """

    def __init__(self, path: Path, platform: Platform) -> None:
        """Reads `<path>.json`, `.hlo` and `.npz`, compiles, and makes the weights."""
        import jax

        # The number of the step is int64.
        jax.config.update("jax_enable_x64", True)
        self.about: Json = json.loads(path.with_suffix(".json").read_text("utf-8"))
        self.arguments = [
            Argument(**{**each, "shape": tuple(each["shape"])})
            for each in self.about["arguments"]
        ]
        entries = self.about["entries"]
        changed = [i for i, each in enumerate(self.arguments) if each.is_changed]
        hlo = path.with_suffix(".hlo").read_bytes()
        results = [self.arguments[number] for number in changed]
        call = lowered.as_function(hlo, self.arguments, results, platform)
        start = time.perf_counter()
        shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in self.arguments]
        # Results lie where the arguments lay whose new values they are.
        self._compiled = jax.jit(call, donate_argnums=changed).lower(*shapes).compile()
        self.seconds = time.perf_counter() - start
        weights = list(state_of(self.arguments, entries))
        if checksum(weights) != self.about["checksum"]:
            raise SystemExit(
                f"error: {path}: NumPy {np.__version__} draws other weights than "
                "`lower` did; use the same NumPy on both sides"
            )
        with np.load(path.with_suffix(".npz")) as batch:
            values = [batch[each.name] for each in self.arguments[:entries]]
        device = jax.devices(platform)[0]
        self.values = [jax.device_put(each, device) for each in [*values, *weights]]
        self._changed = changed

    def step(self) -> None:
        """Makes a step; returns before it has ended."""
        results = self._compiled(*self.values)
        for number, result in zip(self._changed, results, strict=True):
            self.values[number] = result

    def wait(self) -> None:
        """Returns when all steps have ended."""
        for number in self._changed:
            self.values[number].block_until_ready()

    def reported(self, num_steps: int, names: Sequence[str]) -> dict[str, list[float]]:
        """Returns the values of these names that the first steps reported."""
        history = np.asarray(self.values[self.about["history"]])[:num_steps]
        return dict(zip(names, history.T.tolist(), strict=True))

    def costs(self) -> Json:
        """Returns XLA's count of a step's FLOPs and bytes, and what memory it needs."""
        found = self._compiled.cost_analysis() or {}
        memory = self._compiled.memory_analysis()
        return {
            "xla_flops": found.get("flops"),
            "xla_bytes": found.get("bytes accessed"),
            "argument_bytes": memory.argument_size_in_bytes,
            "aliased_bytes": memory.alias_size_in_bytes,
            "temporary_bytes": memory.temp_size_in_bytes,
        }


def matrix_peak(platform: Platform, size: int, num_products: int = 30) -> float:
    """Returns FLOP/s of bfloat16 products of random square matrices, the median."""
    import jax

    device = jax.devices(platform)[0]
    rng = np.random.default_rng(0)
    a, b = (
        jax.device_put(
            rng.standard_normal((size, size), np.float32).astype(jax.numpy.bfloat16),
            device,
        )
        for _ in range(2)
    )
    product = jax.jit(jax.numpy.matmul)
    product(a, b).block_until_ready()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(num_products):
            c = product(a, b)
        c.block_until_ready()
        seconds.append((time.perf_counter() - start) / num_products)
    return 2 * size**3 / statistics.median(seconds)


def compared(about: Json, found: dict[str, list[float]]) -> Json:
    """Returns the checked values of both sides and their largest difference."""
    pairs = {
        name: {"cpu": about["expected"][name], "here": found[name]} for name in CHECKED
    }
    differences = [
        abs(here / cpu - 1)
        for pair in pairs.values()
        for cpu, here in zip(pair["cpu"], pair["here"], strict=True)
    ]
    # Not by the largest: `max` may miss a difference that is no number.
    is_near = all(each <= TOLERANCE for each in differences)
    return {**pairs, "difference": max(differences), "is_near": is_near}


def told(checked: Json | None) -> str:
    """Returns what was compared, in words."""
    if checked is None:
        return "nothing was compared"
    return (
        f"loss and norm within {checked['difference']:.1e} of the CPU's: "
        f"{'yes' if checked['is_near'] else 'NO'}"
    )


def measure(path: Path, given: argparse.Namespace) -> Json:
    """Compiles a case, compares its first steps, and measures more steps."""
    case = Loaded(path, given.platform)
    about = case.about
    num_checked = len(about["expected"]["loss"])
    for _ in range(num_checked):
        case.step()
    found = case.reported(num_checked, tuple(about["expected"]))
    checked = compared(about, found) if num_checked else None
    turns = []
    for _ in range(given.turns):
        start = time.perf_counter()
        for _ in range(given.steps):
            case.step()
        case.wait()
        turns.append((time.perf_counter() - start) / given.steps)
    rows, width = about["rows"]
    return {
        "case": path.name,
        **{name: about[name] for name in ("rows", "texts", "pieces", "model_flops")},
        "real_share": about["pieces"] / (rows * width),
        "compile_seconds": case.seconds,
        **case.costs(),
        "checked": checked,
        "step_seconds": {"median": statistics.median(turns), "all": turns},
        "pieces_per_second": about["pieces"] / statistics.median(turns),
    }


def run(given: argparse.Namespace) -> None:
    """Prints a line for every case, and writes all that was measured as JSON."""
    import jax

    device = jax.devices(given.platform)[0]
    size = given.peak_size or (8192 if given.platform == "cuda" else 512)
    peaks = [matrix_peak(given.platform, size)]
    cases = []
    for name in given.case:
        cases.append(measure(given.folder / name, given))
        peaks.append(matrix_peak(given.platform, size))
    peak = max(peaks)
    for each in cases:
        rate = each["model_flops"] / each["step_seconds"]["median"]
        each["utilisation"] = rate / peak
        print(
            f"{each['case']}: {each['pieces_per_second']:,.0f} real pieces/s "
            f"({each['real_share']:.1%} of the positions), "
            f"{each['step_seconds']['median'] * 1e3:.2f} ms a step, "
            f"{rate / 1e12:.3g} TFLOP/s of the model, {each['utilisation']:.1%} of "
            f"{peak / 1e12:.3g}; {told(each['checked'])}"
        )
    report = {
        "device": {
            "kind": device.device_kind,
            "platform": device.client.platform_version,
            "memory": device.memory_stats(),
            "jax": jax.__version__,
            "numpy": np.__version__,
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
        },
        "matrix_peaks": peaks,
        "matrix_size": size,
        "steps": given.steps,
        "cases": cases,
    }
    given.folder.joinpath("report.json").write_text(json.dumps(report, indent=1) + "\n")
    if any(each["checked"] and not each["checked"]["is_near"] for each in cases):
        sys.exit("error: a loss or a norm is not the CPU's")


def main() -> None:
    """Lowers or runs, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    commands = parser.add_subparsers(required=True)
    lowering = commands.add_parser("lower", help="write the steps")
    running = commands.add_parser("run", help="compare and measure them")
    for command, act in ((lowering, lower), (running, run)):
        command.set_defaults(act=act)
        command.add_argument("--folder", type=Path, required=True)
        command.add_argument("--case", choices=CASES, nargs="+", default=CASES)
    lowering.add_argument("--tiny", action="store_true", help="a model for a trial")
    lowering.add_argument("--batch", type=int, help="rows; default: as the case says")
    lowering.add_argument("--checked_steps", type=int, default=2, help="0: none")
    running.add_argument("--platform", choices=("cpu", "cuda"), default="cuda")
    running.add_argument("--steps", type=int, default=20, help="steps of a turn")
    running.add_argument("--turns", type=int, default=5)
    running.add_argument("--peak_size", type=int, help="width of the peak's matrices")
    given = parser.parse_args()
    given.act(given)


if __name__ == "__main__":
    main()
