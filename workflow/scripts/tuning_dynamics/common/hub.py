"""Calls to a hub: patient with a busy one, silent about secrets, one error for all failures."""

import os
import re
import time
from collections.abc import Callable
from typing import TypeVar

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

    for left in range(TRIES - 1, -1, -1):
        try:
            return call()
        except (httpx2.HTTPError, OSError) as error:
            reason = redacted(" ".join(str(error).split()))[:300]
            if not left or not _passes(error):
                raise HubError(f"{what}: {reason}") from None
        print(f"{what}: {reason}; again in {wait:g} s", flush=True)
        time.sleep(wait)
        wait *= 2
    raise AssertionError("unreachable: the last try returns or raises")


def _passes(error: BaseException | None) -> bool:
    """Whether a failure may be gone on retry."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError):
        # The client says "not in the cache" if it could not ask the hub; its cause says why.
        return _passes(error.__cause__)
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY
    return isinstance(error, httpx2.TransportError)


def redacted(text: str) -> str:
    """`text` without access tokens and without the signatures of signed addresses."""
    from huggingface_hub import get_token

    for secret in (get_token(), os.environ.get("HF_TOKEN")):
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(r"\bhf_[A-Za-z0-9]{8,}", "***", text)
    text = re.sub(r"(https?://)[^\s/@]+@", r"\1", text)
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\")]*", r"\1", text)
