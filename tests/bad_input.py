"""What every refusal has in common: a status, one line, and nothing half-written."""

from biobert_tf.common import program

RESULTS = (
    "results.json",
    "eval_results.txt",
    "predictions.jsonl",
    "test_results.tsv",
)


def refusal(command, toy, capsys, **flags):
    """Runs a command on a toy, changed by flags; returns its error."""
    status = program.run(command, toy.argv(**flags))
    lines = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for name in RESULTS:
        assert not (toy.output / name).exists()
    assert not list(toy.output.glob("model.ckpt-*"))
    return lines[0].removeprefix("error: ")
