"""Whether two programs that draw at random draw from the same distribution."""

from collections.abc import Mapping, Sequence

import numpy as np


def assert_same_means(
    theirs: Sequence[Mapping[str, float]], ours: Sequence[Mapping[str, float]]
) -> None:
    """Compares numbers of independent runs, by name: the means by their z-scores.

    With all seeds fixed the scores are fixed too. 4.5 standard deviations are passed
    by one of 150,000 numbers when nothing is wrong.
    """
    scores = {}
    for name in theirs[0]:
        their, our = (np.array([run[name] for run in runs]) for runs in (theirs, ours))
        difference = our.mean() - their.mean()
        deviation = np.sqrt(their.var() / len(their) + our.var() / len(our))
        if deviation:
            scores[name] = difference / deviation
        else:
            assert difference == 0, name
    worst = max(scores, key=lambda name: abs(scores[name]))
    assert abs(scores[worst]) < 4.5, (worst, scores[worst], len(scores))
