"""The hub's client with bounds: no answer takes memory, disk or time without end.

The client of huggingface_hub waits as long as it is told to, and reads as much as it is sent.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

#: Seconds without a byte after which a connection counts as broken, and the longest wait that a hub
#: may ask for.
SILENCE, LONGEST_WAIT = 60, 300

#: Most bytes of an answer that is no file, or that does not say its length. Compressed ones may
#: unpack to a thousand times as many: in memory, or on disk if it is a file.
MOST_BYTES, MOST_PACKED, MOST_PACKED_FILE = 1 << 28, 1 << 20, 1 << 25

#: Headers by which the hub's client names folders and files of its cache.
_NAMES = ("ETag", "X-Linked-ETag", "X-Repo-Commit")


@cache
def bound_clients() -> None:
    """Make huggingface_hub, and what builds on it in this process, use bounded clients."""
    import httpx2
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def factory() -> httpx2.Client:
        client = default_client_factory()
        # Files that are not compressed say their length.
        client.headers["Accept-Encoding"] = "identity"
        client.event_hooks["request"].append(_limit_silence)
        client.event_hooks["response"].append(_limit_answer)
        return client

    set_client_factory(factory)


def _limit_silence(request: Any) -> None:
    waits = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {name: wait or SILENCE for name, wait in waits.items()}


def _limit_answer(response: Any) -> None:
    import httpx2
    from huggingface_hub.utils._http import parse_ratelimit_headers

    class Limited(httpx2.SyncByteStream):
        """A stream of bytes that breaks off where it is longer than `limit`."""

        def __init__(self, stream: Any, limit: int) -> None:
            self.stream, self.left = stream, limit

        def __iter__(self) -> Iterator[bytes]:
            for part in self.stream:
                self.left -= len(part)
                if self.left < 0:
                    raise httpx2.DecodingError("the answer is too long")
                yield part

        def close(self) -> None:
            self.stream.close()

    headers = response.headers
    for name in _NAMES:
        if set(headers.get(name, "").removeprefix("W/")) & set("/\\\0"):
            raise httpx2.DecodingError(f"the hub's {name} is a path: {headers[name]!r}")
    wait = headers.get("Retry-After", "").strip()
    if wait.isdigit() and int(wait) > LONGEST_WAIT:
        headers["Retry-After"] = str(LONGEST_WAIT)
    limits = parse_ratelimit_headers(headers)
    if limits is not None and limits.reset_in_seconds > LONGEST_WAIT:
        del headers["RateLimit"]
    file = "/api/" not in response.url.path
    if "Content-Encoding" in headers:
        response.stream = Limited(response.stream, MOST_PACKED_FILE if file else MOST_PACKED)
    elif "Content-Length" not in headers or not file:
        response.stream = Limited(response.stream, MOST_BYTES)
