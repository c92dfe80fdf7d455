"""Days and weeks of charts: weeks run from Friday to Thursday, and are named by their first day here."""

import re
from datetime import date, timedelta
from typing import Literal

from hitpredict.errors import InputError

Period = Literal["weekly", "daily"]
PERIOD_DAYS: dict[Period, int] = {"weekly": 7, "daily": 1}
DATE = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})")
THURSDAY, FRIDAY = 3, 4


def day_of(text: str, where: object) -> date:
    """The day in a text of the form `DATE`. Raises `InputError` about `where` for one that is in no calendar."""
    try:
        return date(*map(int, re.split("[-/]", text)))
    except ValueError as error:
        raise InputError(f"{where}: {text} is no date") from error


def last_friday_before(day: date) -> date:
    """The first day of the chart week that a later date names."""
    return day - timedelta(days=(day.weekday() - FRIDAY - 1) % 7 + 1)
