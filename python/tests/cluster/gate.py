"""Holds the workers of a cluster where a test wants them: it says who goes on, and kills who waits.

Nothing here depends on how fast a worker, a node or the machine is.
"""

import contextlib
import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ticket:
    """A piece of work that a process is about to begin."""

    name: str
    process: int
    work: dict[str, Any]


class Gate:
    """A folder that the workers and the test see."""

    def __init__(self, folder):
        self._tickets, self._let = Path(folder, "tickets"), Path(folder, "let")
        self._open = Path(folder, "open")
        for place in (self._tickets, self._let):
            place.mkdir(parents=True, exist_ok=True)

    # What a worker calls.

    def hold(self, **work):
        """Waits until the test lets this work go on."""
        ticket = Ticket(uuid.uuid4().hex, os.getpid(), work)
        begun = self._tickets / f".{ticket.name}"
        begun.write_text(json.dumps([ticket.process, work]))
        begun.rename(self._tickets / ticket.name)
        while not self._open.exists() and not (self._let / ticket.name).exists():
            time.sleep(0.02)

    # What the test calls.

    def tickets(self):
        """Everything that was begun, of dead processes too."""
        found = []
        for path in sorted(self._tickets.glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns):
            process, work = json.loads(path.read_text())
            found.append(Ticket(path.name, process, work))
        return found

    def held(self, **work):
        """What waits, in the order in which it came, with this said of it."""
        return [
            ticket
            for ticket in self.tickets()
            if ticket.work.items() >= work.items()
            and not (self._let / ticket.name).exists()
            and alive(ticket.process)
        ]

    def let(self, ticket):
        """Lets one go on."""
        (self._let / ticket.name).touch()

    def open(self):
        """Lets all go on, and who comes later."""
        self._open.touch()


def alive(process):
    """Whether a process is there and is not one that waits to be buried."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state not in "ZX"
    return False
