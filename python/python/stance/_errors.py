"""Errors with the codes that the program and the service use too."""

from __future__ import annotations


class StanceError(Exception):
    """What the library refuses, or what befell a document.

    ``code`` is stable and listed in docs/output.md and docs/archive.md; ``message`` is the same
    for people.
    """

    code: str
    message: str

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"
