"""The mark of a file whose input was refused for what it holds: the file then has no rows."""

from collections.abc import Mapping

#: Key of a parquet file's metadata under which the reason stands, as UTF-8 text.
REFUSED_KEY = "tuning_dynamics.refused"


def refused_reason(metadata: Mapping[bytes, bytes] | None) -> str | None:
    """Why the input was refused, from a parquet schema's metadata; None where it was not."""
    found = (metadata or {}).get(REFUSED_KEY.encode())
    return None if found is None else found.decode("utf-8")
