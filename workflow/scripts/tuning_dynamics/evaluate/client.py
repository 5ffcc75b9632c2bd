"""A cell's side of the socket: ask the variant's server, and wait. Standard library only."""

import json
import socket
import time
from pathlib import Path
from typing import Any

from tuning_dynamics.study.errors import StudyError

#: Seconds between attempts to reach a server that is not there yet.
PAUSE = 0.2


def request_cell(
    address_file: str | Path, request: dict[str, Any], patience: float = 120.0
) -> dict[str, Any]:
    """Have the server behind `address_file` evaluate a cell; returns its reply.

    A server that cannot be reached (no address yet, or that of one that was killed) is tried
    again for `patience` seconds. There is no limit to the evaluation itself, and it may wait
    for others. StudyError where no server comes up, it reports an error, or it dies.
    """
    with _connect(Path(address_file), patience) as connection:
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
        except OSError:
            line = b""
    if not line.endswith(b"\n"):
        raise StudyError(
            "the server of this variant ended before it answered",
            file=address_file,
            fix="its log (logs of rule serve) says why; run the same command again",
        )
    reply: dict[str, Any] = json.loads(line)
    if not reply.get("ok"):
        raise ServerError(str(reply.get("error")))
    return reply


class ServerError(StudyError):
    """An error that the server met in this cell, told in its words."""

    def __init__(self, text: str) -> None:
        Exception.__init__(self, text)


def _connect(address_file: Path, patience: float) -> socket.socket:
    deadline = time.monotonic() + patience
    while True:
        address = _address(address_file)
        if address:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(address)
                return connection
            except OSError:
                connection.close()
        if time.monotonic() > deadline:
            raise StudyError(
                f"no server answered for {patience:.0f} seconds",
                file=address_file,
                value=address,
                fix="its log (logs of rule serve) says why; run the same command again",
            )
        time.sleep(PAUSE)


def _address(address_file: Path) -> str:
    """The address that a server has written; empty where there is none (yet)."""
    try:
        return str(json.loads(address_file.read_text(encoding="utf-8"))["address"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""
