"""A command that does what none of ours does, to see that the faults find it."""

from pathlib import Path

from faults.cases import Case


def write(folder):
    """Writes a file in its place, and takes one that is there for a whole one."""
    path = Path(folder, "out.txt")
    if not path.exists():
        with path.open("w", buffering=1) as stream:
            for number in range(5):
                stream.write(f"line {number}\n")
    return 0


def crash(folder):
    """Ends with a traceback where the disk does not work."""
    Path(folder, "out.txt").write_text("whole")
    return 0


def case(function):
    """The case of one of the functions above."""
    return Case(
        function,
        lambda inputs: None,
        lambda inputs, work: [str(work)],
        function=f"faults.careless:{function}",
    )
