"""Dates and times: ISO 8601 strings and typed values as days since 1970-01-01, in UTC."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np

_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"\s?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?"
)

EPOCH = dt.date(1970, 1, 1).toordinal()
SECONDS = 86_400


def parse_date(text: str) -> float | None:
    """Return the days since 1970-01-01 of an ISO 8601 date or time; None for other strings.

    A time without an offset is UTC.

    Examples:
        >>> from handnn.tables.cells import parse_date
        >>> parse_date("1970-01-02"), parse_date("1970-01-01T18:00:00+06:00"), parse_date("2. 1.")
        (1.0, 0.5, None)
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        days = dt.date(int(year), int(month), int(day)).toordinal() - EPOCH
    except ValueError:
        return None
    if hour is None:
        return float(days)
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    seconds = 3600 * int(hour) + 60 * int(minute) + int(second or 0) - _offset(zone)
    return days + (seconds + float(f"0.{fraction or 0}")) / SECONDS


def _offset(zone: str | None) -> int:
    """Return the UTC offset of a time zone, in seconds."""
    if zone is None or zone in ("Z", "UTC"):
        return 0
    seconds = 3600 * int(zone[1:3]) + 60 * int(zone[-2:])
    return -seconds if zone[0] == "-" else seconds


def days_of(value: dt.date | np.datetime64) -> float:
    """Return the days since 1970-01-01 of a date or a time; a time without a zone is UTC."""
    if isinstance(value, np.datetime64):
        return float(value.astype("M8[us]").astype(np.int64)) / (SECONDS * 1_000_000)
    days = value.toordinal() - EPOCH
    if not isinstance(value, dt.datetime):
        return float(days)
    seconds = 3600 * value.hour + 60 * value.minute + value.second + value.microsecond / 1e6
    offset = value.utcoffset()
    return days + (seconds - (offset.total_seconds() if offset else 0.0)) / SECONDS


def date_text(value: dt.date | np.datetime64) -> str:
    """Return a date as 2024-05-01, a time as 2024-05-01 12:30:00, in UTC."""
    if isinstance(value, np.datetime64):
        found: dt.datetime = value.astype("M8[us]").astype(dt.datetime)
        return date_text(found)
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(dt.UTC)
        value = value.replace(tzinfo=None)
        if value.time() == dt.time():
            return value.date().isoformat()
        return value.isoformat(sep=" ")
    return value.isoformat()
