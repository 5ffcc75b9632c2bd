"""Calls to a hub: patient with a busy one, silent about secrets, one error for all failures."""

import logging
import os
import re
import time
from collections.abc import Callable
from typing import TypeVar

from tuning_dynamics.common.hub_client import bound_clients

Answer = TypeVar("Answer")

#: Tries in all, and the first wait in seconds, doubled each time: half a minute altogether. The
#: hub's own client retries most single requests too; this is for what it raises at once.
TRIES, FIRST_WAIT = 5, 2.0

#: Status codes that may go away on retry: too many requests, and the server's own failures.
BUSY = frozenset({408, 429, 500, 502, 503, 504})


class HubError(Exception):
    """A hub that cannot be reached, or that refuses; its text holds no secret."""


def patiently(what: str, call: Callable[[], Answer], *, wait: float = FIRST_WAIT) -> Answer:
    """`call()`, retried while the hub is busy or the connection breaks; HubError in the end."""
    import httpx2

    bound_clients()
    _redact_logs()
    for left in range(TRIES - 1, -1, -1):
        try:
            return call()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            reason = redacted(" ".join(_words(error).split()))[:300]
            if not left or not _passes(error):
                raise HubError(f"{what}: {reason}") from None
        print(f"{what}: {reason}; again in {wait:g} s", flush=True)
        time.sleep(wait)
        wait *= 2
    raise AssertionError("unreachable: the last try returns or raises")


def _words(error: BaseException) -> str:
    """What an error says; "not in the cache" says less than why the hub was not asked."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return _words(error.__cause__)
    return str(error)


def _passes(error: BaseException | None) -> bool:
    """Whether a failure may be gone on retry."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError):
        # The client says "not in the cache" if it could not ask the hub; its cause says why.
        return _passes(error.__cause__)
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY
    # A redirection to a file, for instance, stays one.
    lasting = isinstance(error, httpx2.UnsupportedProtocol)
    return isinstance(error, httpx2.TransportError) and not lasting


def understood(what: str, read: Callable[[], Answer]) -> Answer:
    """`read()` of an answer; HubError where it is not what a hub answers, such as a page that asks
    to log in."""
    try:
        return read()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = redacted(" ".join(str(error).split()))[:100]
        raise HubError(
            f"{what}: the answer is not a hub's ({type(error).__name__}: {reason})"
        ) from None


def _redact_logs() -> None:
    """Keep secrets out of what the hub's libraries, as far as they are imported, log: they name
    addresses as they are."""
    for library in ("huggingface_hub", "datasets"):
        for handler in logging.getLogger(library).handlers:
            handler.addFilter(_redact)


def _redact(record: logging.LogRecord) -> bool:
    record.msg, record.args = redacted(record.getMessage()), ()
    return True


def redacted(text: str) -> str:
    """`text` without access tokens and without the signatures of signed addresses."""
    from huggingface_hub import get_token

    for secret in (get_token(), os.environ.get("HF_TOKEN")):
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(r"\bhf_[A-Za-z0-9]{8,}", "***", text)
    text = re.sub(r"(https?://)[^\s/@]+@", r"\1", text)
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\")]*", r"\1", text)
