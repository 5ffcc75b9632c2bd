"""A variant's model, loaded once, answers cells on a Unix socket until it is told to end.

The parts that need torch are imported once clients can connect and signals are handled.
"""

import gc
import json
import os
import shutil
import signal
import socket
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from tuning_dynamics.engine.finished import Finished
from tuning_dynamics.study.disk import system_error
from tuning_dynamics.study.errors import StudyError
from tuning_dynamics.study.files import read_json, write_json
from tuning_dynamics.study.paths import scratch

if TYPE_CHECKING:
    from tuning_dynamics.evaluate.kept import KeptCells
    from tuning_dynamics.evaluate.model import LoadedModel

#: Cells that may wait in line; all of a variant's ask at once.
BACKLOG = 4096

#: Seconds that a client may take to send its request once it is connected.
SLOW_CLIENT = 30.0


def serve_as_told(
    device: Literal["auto", "cpu", "cuda"],
    batch_tokens: str,
    dtype: Literal["float32", "bfloat16"],
    code: str,
    variant: str,
    manifest: str,
    address_file: str,
    cells: str,
) -> None:
    """`serve` from the words of a command line; `batch_tokens` is 0 for as many as fit, `cells`
    0 where weights are not dropped."""
    serve(
        variant,
        manifest,
        address_file,
        device=device,
        batch_tokens=int(batch_tokens) or None,
        dtype=dtype,
        code=code,
        drop_weights_after=int(cells) or None,
    )


def serve(
    variant: str,
    manifest: str,
    address_file: str,
    *,
    device: Literal["auto", "cpu", "cuda"],
    batch_tokens: int | None,
    dtype: Literal["float32", "bfloat16"] = "float32",
    code: str,
    drop_weights_after: int | None = None,
) -> None:
    """Write `address_file`, load the model of `manifest`, and answer cells until SIGTERM.

    `address_file` is empty once it has ended. `serve.json` beside it holds what serving the
    variant took so far, in the columns of cost.csv. `code` is the digest of the evaluation's
    code (see `KeptCells`). With `drop_weights_after` the job that tuned the variant need not be
    able to bring its weights back (see `Finished`) once that many cells are there. StudyError
    where the weights cannot be loaded.
    """
    began, address = time.monotonic(), Path(address_file)
    # A folder of its own: a path of results can be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="tuning-dynamics-"))
    _end_on_sigterm(address, folder, drop_weights_after)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(folder / "socket"))
            listener.listen(BACKLOG)
            # Before the model is loaded: Snakemake gives a service's file seconds to appear,
            # and cells may wait in line for as long as loading takes.
            write_json(address, {"address": listener.getsockname(), "pid": os.getpid()})
            model, cost = _load(variant, manifest, address, device, dtype, began)
            kept = _kept(address, manifest, code)
            while True:
                _answer_next(listener, model, kept, batch_tokens, cost)
    finally:
        _leave(address, folder)


def _load(
    variant: str,
    manifest: str,
    address_file: Path,
    device: Literal["auto", "cpu", "cuda"],
    dtype: Literal["float32", "bfloat16"],
    began: float,
) -> "tuple[LoadedModel, _Cost]":
    # Libraries make 600,000 objects that stay. Looking through them for garbage, again and again
    # while they are made, took a fifth of a server's start.
    gc.disable()
    from tuning_dynamics.engine.hardware import prepare_device
    from tuning_dynamics.evaluate.model import load_for_evaluation

    model = load_for_evaluation(manifest, prepare_device(device), dtype)
    gc.freeze()
    gc.enable()
    cost = _Cost(address_file.with_name("serve.json"), variant, model, began)
    cost.loaded()
    print(f"{variant}: loaded in {cost.load_seconds:.1f} s", flush=True)
    return model, cost


def _kept(address_file: Path, manifest: str, code: str) -> "KeptCells":
    from tuning_dynamics.evaluate.kept import KeptCells

    return KeptCells(scratch(address_file) / "cells", manifest, code)


def _end_on_sigterm(address_file: Path, socket_folder: Path, cells: int | None) -> None:
    """Have SIGTERM end the process at once, its address taken back.

    No exception: one that is raised in the middle of a library's import can be swallowed, and
    the server would live on. Nothing is lost, as every cell and the cost are written by then.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        _leave(address_file, socket_folder)
        if cells and len(list((address_file.parent / "cells").rglob("*.parquet"))) >= cells:
            Finished.drop(scratch(address_file))
        os._exit(0)

    signal.signal(signal.SIGTERM, end)


def _leave(address_file: Path, socket_folder: Path) -> None:
    """Take the address back, unless a later server has put its own there."""
    text = address_file.read_text(encoding="utf-8") if address_file.is_file() else ""
    if text and json.loads(text)["pid"] == os.getpid():
        address_file.write_text("")
    shutil.rmtree(socket_folder, ignore_errors=True)


def _answer_next(
    listener: socket.socket,
    model: "LoadedModel",
    kept: "KeptCells",
    batch_tokens: int | None,
    cost: "_Cost",
) -> None:
    """Answer one client; what goes wrong with its cell is told to it and ends nothing."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(SLOW_CLIENT)
        try:
            with connection.makefile("rb") as stream:
                line = stream.readline()
        except OSError as error:
            _lost(error)
            return
        reply = _reply(line, model, kept, batch_tokens)
        cost.answered()
        try:
            connection.sendall(json.dumps(reply).encode() + b"\n")
        except OSError as error:
            _lost(error)


def _lost(error: OSError) -> None:
    """A client was killed, say; its cell is asked for again in another run."""
    print(f"a client was lost: {error}", flush=True)


def _reply(
    line: bytes, model: "LoadedModel", kept: "KeptCells", batch_tokens: int | None
) -> dict[str, Any]:
    from tuning_dynamics.evaluate.cell import evaluate_cell
    from tuning_dynamics.evaluate.request import parse_request

    began = time.monotonic()
    try:
        request = parse_request(json.loads(line))
        if kept.recall(request):
            print(f"{request.out}: kept from an earlier run", flush=True)
            return {"ok": True, "seconds": time.monotonic() - began}
        items = evaluate_cell(model, request, batch_tokens)
        kept.keep(request)
    except StudyError as error:
        print(error, flush=True)
        return {"error": str(error)}
    except Exception as error:  # told to the client, with the traceback in the log
        full = system_error(error, kept.folder)
        if full is not None:
            return {"error": str(full)}
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error} (traceback in the server's log)"}
    seconds = time.monotonic() - began
    print(f"{request.out}: {items} items in {seconds:.2f} s", flush=True)
    return {"ok": True, "seconds": seconds}


class _Cost:
    """A variant's row of cost.csv: what its servers took, this one and those before it.

    Written after every cell, so that a server that is killed leaves its part.
    """

    def __init__(self, path: Path, variant: str, model: "LoadedModel", began: float) -> None:
        self.path, self.variant, self.model, self.began = path, variant, model, began
        self.load_seconds, self.cells = 0.0, 0
        self.before = read_json(path) if path.is_file() else {}

    def loaded(self) -> None:
        self.load_seconds = time.monotonic() - self.began

    def answered(self) -> None:
        from tuning_dynamics.engine.hardware import device_name, peak_memory_mb

        self.cells += 1
        seconds = time.monotonic() - self.began + self._earlier("seconds")
        load_seconds = self.load_seconds + self._earlier("load_seconds")
        tokens = self.model.tokens + int(self._earlier("tokens"))
        memory = max(peak_memory_mb(self.model.device), self._earlier("peak_memory_mb"))
        row = {
            "stage": "serve",
            "job": self.variant,
            "planned_seconds": None,
            "seconds": seconds,
            "load_seconds": load_seconds,
            "loads": int(self._earlier("loads")) + 1,
            "cells": int(self._earlier("cells")) + self.cells,
            "gpu": device_name(self.model.device),
            "peak_memory_mb": memory,
            "tokens": tokens,
            "tokens_per_second": tokens / max(seconds - load_seconds, 1e-9),
            "mfu": None,
        }
        write_json(self.path, row)

    def _earlier(self, name: str) -> float:
        """A sum of the servers before; 0 where this is the first."""
        return float(self.before.get(name, 0))
