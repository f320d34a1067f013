import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import strategy as strategies
from biobert_tf.training.inference import Inference

# Nine rows, each with its number in every place.
LENGTHS = (3, 9, 1, 7, 20, 5, 5, 2, 17)
ROWS = [{"input_ids": np.full(length, i, np.int32)} for i, length in enumerate(LENGTHS)]


def build(**device):
    config = DeviceConfig(strategy="cpu", **device)
    strategy = strategies.build_strategy(config)
    return Inference(batch_size=2, strategy=strategy, device=config)


def step(batch):
    """The sum of a row's ids, and how many of them are real."""
    return {
        "sum": tf.reduce_sum(batch["input_ids"], 1),
        "length": tf.reduce_sum(batch["input_mask"], 1),
    }


@pytest.mark.parametrize("xla", ["off", "on"])
def test_outputs_are_in_the_order_of_the_rows(xla):
    made = build(xla=xla)
    found = list(made.run(made.compiled(step), ROWS, max_seq_length=20))
    assert [int(each["length"]) for each in found] == list(LENGTHS)
    sums = [i * length for i, length in enumerate(LENGTHS)]
    assert [int(each["sum"]) for each in found] == sums


def test_two_batches_are_in_flight(monkeypatch):
    """The longest first; the outputs of one are fetched when the next is begun."""
    made = build()
    events = []
    start, finish = Inference._start, Inference._finish

    def starting(self, step, rows, most, specs):
        events.append([len(row["input_ids"]) for row in rows])
        return start(self, step, rows, most, specs)

    def finishing(self, running, num_rows):
        outputs = finish(self, running, num_rows)
        events.append(int(outputs["length"][0]))
        return outputs

    monkeypatch.setattr(Inference, "_start", starting)
    monkeypatch.setattr(Inference, "_finish", finishing)
    list(made.run(made.compiled(step), ROWS, max_seq_length=20))
    begun = [[20, 17], [9, 7], [5, 5], [3, 2], [1]]
    assert events == [*begun[:2], 20, begun[2], 9, begun[3], 5, begun[4], 3, 1]


def test_one_program_for_all_batches():
    """Traced once, whatever the sizes; a compiler gets few lengths."""
    made = build()
    shapes = []
    program = made.compiled(
        lambda batch: shapes.append(batch["input_ids"].shape) or step(batch)
    )
    list(made.run(program, ROWS, max_seq_length=20))
    assert [shape.as_list() for shape in shapes] == [[None, None]]
    assert made.padded(ROWS[1:2], 20)["input_ids"].shape == (1, 9)
    compiled = build(xla="on")
    assert compiled.padded(ROWS[1:2], 20)["input_ids"].shape == (2, 16)
    assert compiled.padded(ROWS[4:5], 20)["input_ids"].shape == (2, 20)


def test_a_program_for_every_length_is_said_to_be_compiled(monkeypatch, caplog):
    """On a TPU, for which XLA for this CPU stands here."""
    caplog.set_level("INFO")
    monkeypatch.setattr(strategies, "device_kind", lambda strategy: "TPU")
    made = build(xla="on")
    program = made.compiled(step)
    for _ in range(2):
        list(made.run(program, ROWS, max_seq_length=20))
    said = [line for line in caplog.messages if line.startswith("compiling ")]
    assert said == [
        f"compiling predictions of {length} pieces for the TPU: this takes minutes"
        for length in (20, 16)
    ]
