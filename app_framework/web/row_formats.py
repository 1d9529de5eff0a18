"""Which rows a request brings: the media types of the formats, and what a client is told of a body that is none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app_framework.olap.row_formats import RowFormat, RowFormatError
from app_framework.web.errors import InvalidBodyError, UnsupportedMediaTypeError

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
FORMATS: Mapping[str, RowFormat] = MappingProxyType(
    {JSON: "json", NDJSON: "ndjson", CSV: "csv", ARROW: "arrow", PARQUET: "parquet"}
)
_ALIASES: Mapping[str, RowFormat] = MappingProxyType(
    {
        "": "json",
        "application/x-www-form-urlencoded": "json",  # what curl says when it is told nothing
        "application/ndjson": "ndjson",
        "application/jsonl": "ndjson",
        "application/csv": "csv",
        "application/x-parquet": "parquet",
    }
)


def read_format(content_type: str, content_encoding: str = "") -> RowFormat:
    """Return which of the formats a request announces.

    Raises:
        UnsupportedMediaTypeError: none of them.

    >>> read_format("text/csv; charset=utf-8")
    'csv'
    """
    media_type = content_type.partition(";")[0].strip().lower()
    found = FORMATS.get(media_type) or _ALIASES.get(media_type)
    if found is None:
        raise UnsupportedMediaTypeError("Content-Type", media_type, tuple(FORMATS))
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaTypeError("Content-Encoding", content_encoding, ("identity",))
    return found


def bad_body(error: RowFormatError) -> InvalidBodyError:
    """Return what a client is told whose body is not of the format it announces."""
    hint = "; other formats need their Content-Type" if error.reason.startswith("is not JSON") else ""
    return InvalidBodyError(f"the body {error.reason}{hint}")
