"""Runs a program on a terminal, and shows what is then to be seen there."""

import os
import pty
import termios


def run(command, **environment):
    """Returns what a command writes to its terminal of 100 columns, and its status."""
    process, terminal = pty.fork()
    if not process:
        os.environ.update(environment)
        termios.tcsetwinsize(1, (40, 100))
        os.execv(command[0], command)
    written = b""
    while True:
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return written.decode(), os.waitstatus_to_exitcode(status)


def screen(written):
    """Returns the lines to be seen; knows `\\r`, `\\n` and no other control."""
    lines = []
    for row in written.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in row.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    assert "\x1b" not in written
    return [line for line in lines if line]
