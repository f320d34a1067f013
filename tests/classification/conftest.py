"""Trained models that the tests of this folder share."""

import classification_toys as toys
import pytest

from biobert_tf.cli import main as cli

KINDS = {"single": toys.Toy, "multi": toys.MultiToy, "pair": toys.PairToy}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The output of a short training of each target, by name."""
    folder = tmp_path_factory.mktemp("models")
    for name, toy in KINDS.items():
        argv = toy(folder / name).argv(num_train_epochs=30, train_batch_size=4)
        cli.main(["biobert", "classification", *argv[1:]])
    return {name: folder / name / "output" for name in KINDS}
