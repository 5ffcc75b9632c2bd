"""Calls to a hub: what is retried, what is not, and what an error never shows."""

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from tuning_dynamics.common.hub import TRIES, HubError, patiently, redacted


def answered(status: int) -> HfHubHTTPError:
    request = httpx2.Request("GET", "https://hub.example/x")
    return HfHubHTTPError(f"status {status}", response=httpx2.Response(status, request=request))


class Flaky:
    """Raises each error in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def unreachable() -> LocalEntryNotFoundError:
    error = LocalEntryNotFoundError("not in the cache")
    error.__cause__ = answered(503)
    return error


def test_a_busy_hub_is_asked_again() -> None:
    call = Flaky(answered(429), answered(503), httpx2.ReadError("reset"), unreachable())
    assert patiently("x", call, wait=0) == "answer"
    assert call.calls == 5


@pytest.mark.parametrize("error", [answered(401), answered(404), OSError("disk"), ValueError("v")])
def test_what_will_not_pass_is_not_asked_again(error: Exception) -> None:
    call = Flaky(error)
    with pytest.raises(ValueError if isinstance(error, ValueError) else HubError):
        patiently("x", call, wait=0)
    assert call.calls == 1


def test_a_hub_that_stays_busy_is_an_error_in_the_end() -> None:
    call = Flaky(*(answered(429) for _ in range(TRIES + 2)))
    with pytest.raises(HubError, match="status 429"):
        patiently("x", call, wait=0)
    assert call.calls == TRIES


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret-token")
    text = "GET https://cdn.example/f?Signature=abc&Key=1 with secret-token and hf_abcdefghijk1"
    assert redacted(text) == "GET https://cdn.example/f with *** and ***"
