"""The times that feeds tell: the moment that a text names, or none where it could be several; pure and without a clock.

feedparser reads a zone that it does not know as UTC, and a time without a zone as well. Here a time is only taken where
its text says which moment it is: by an offset, by a zone of RFC 822, or by a zone whose name has one meaning.
"""

import calendar
import re
from datetime import date

_MAX_CHARS = 100
_HOUR = 3_600
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
# Hours east of Greenwich, and the names of the zones there. RFC 822, which RSS takes its times from, gives these names
# their meaning, although CST is China's and PST the Philippines' as well. The military letters are left out: RFC 822
# itself had their signs wrong (RFC 1123).
_OF_RFC_822 = {0: "Z UT UTC GMT", -4: "EDT", -5: "EST CDT", -6: "CST MDT", -7: "MST PDT", -8: "PST"}
# Names that one zone has, or several at the same offset. What is missing has several meanings, as IST (India, Israel,
# Ireland), BST (Britain, Bangladesh), AST (Halifax, Riyadh), SST and GST. A test holds them to the tz database, where
# that knows them.
_OF_ONE_MEANING = {
    0: "WET",
    1: "WEST CET MEZ MET WAT",
    2: "CEST MESZ MEST EET CAT SAST",
    3: "EEST MSK TRT IDT EAT",
    5: "PKT",
    5.75: "NPT",
    7: "ICT WIB",
    8: "SGT MYT HKT WITA AWST",
    9: "JST KST WIT",
    9.5: "ACST",
    10: "AEST CHST",
    10.5: "ACDT",
    11: "AEDT",
    12: "NZST",
    13: "NZDT",
    -3: "BRT ART",
    -8: "AKDT",
    -9: "AKST HDT",
    -10: "HST",
}
ZONES = {
    name: round(hours * _HOUR)
    for table in (_OF_RFC_822, _OF_ONE_MEANING)
    for hours, names in table.items()
    for name in names.split()
}

_HALF = r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?(?![A-Za-z]))?"
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?" + _HALF
_WEEKDAY = r"(?:[^\W\d_]{2,12}\.?,?\s+)?"
_FORMS = tuple(
    re.compile(form.replace("TIME", _TIME).replace("WEEKDAY", _WEEKDAY))
    for form in (
        # Tue, 24 Nov 2026 07:00:00 +0100, and as RFC 850 had it: Tuesday, 24-Nov-26 06:00:00 GMT
        r"WEEKDAY(?P<day>\d{1,2})[\s-]+(?P<month>[A-Za-z]{3,9})\.?,?[\s-]+(?P<year>\d{4}|\d{2}),?\s+TIME(?P<zone>.*)",
        # Tue Nov 24 2026 07:00:00 GMT+0100, and: November 24, 2026 1:00 AM EST
        r"WEEKDAY(?P<month>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4}),?\s+(?:at\s+)?TIME(?P<zone>.*)",
        # Tue Nov 24 07:00:00 CET 2026, as `date` prints it
        r"WEEKDAY(?P<month>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2})\s+TIME(?P<zone>.*)\s(?P<year>\d{4})",
        # 2026-11-24T07:00:00.5+01:00, 2026-11-24 07:00 CET, 2026/11/24 06:00 UTC
        r"(?P<year>\d{4})(?P<dash>[-/])(?P<month>\d{1,2})(?P=dash)(?P<day>\d{1,2})[Tt\s]\s*TIME(?P<zone>.*)",
    )
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(\d\d)?(.*)")
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_OFFSET = re.compile(
    r"(?:UTC|GMT|UT)?\s*(?P<sign>[+-])\s?(?P<hours>\d{1,2}?)(?::?(?P<minutes>\d{2}))?(?:\s+[A-Za-z]{1,5})?"
)
_MAX_OFFSET_HOURS = 14  # Kiribati


def read_time(text: str) -> int | None:
    """The moment that `text` names, in seconds since the epoch; None where it names none, or one of several."""
    shown = " ".join(text[:_MAX_CHARS].replace("\u2212", "-").split())
    if (compact := _COMPACT.fullmatch(shown)) is not None:
        year, month, day, hour, minute, second, zone = compact.groups()
        shown = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{zone}"
    found = next((match for form in _FORMS if (match := form.fullmatch(shown)) is not None), None)
    if found is None:
        return None
    offset, month_number = _offset_seconds(found["zone"]), _month(found["month"])
    hour_number = _hour(int(found["hour"]), found["half"])
    minute_number, second_number = int(found["minute"]), int(found["second"] or 0)
    if offset is None or month_number is None or hour_number is None or minute_number > 59 or second_number > 60:
        return None
    try:
        day_of_year = date(_year(found["year"]), month_number, int(found["day"]))
    except ValueError:
        return None
    seconds = (
        calendar.timegm(day_of_year.timetuple()) + hour_number * _HOUR + minute_number * 60 + second_number - offset
    )
    # Year 1 and 1970-01-01 are what publishers' software writes where it knows no time.
    return seconds if seconds > 0 else None


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 2:
        return year + (2000 if year < 50 else 1900)  # RFC 2822
    return year


def _month(text: str) -> int | None:
    if text.isdigit():
        return int(text)
    name = text.casefold()
    if name == "sept":
        return 9
    for number, month in enumerate(_MONTHS, start=1):
        if name in {month, month[:3]}:
            return number
    return None


def _hour(hour: int, half: str | None) -> int | None:
    if half is None:
        return hour if hour < 24 else None
    return hour % 12 + (12 if half in "Pp" else 0) if 1 <= hour <= 12 else None


def _offset_seconds(zone: str) -> int | None:
    """How far the zone is east of UTC; None where that is not told, or told by a name of several meanings."""
    plain = _IN_BRACKETS.sub(" ", zone).strip()
    if (named := ZONES.get(plain.upper())) is not None:
        return named
    told = _OFFSET.fullmatch(plain.upper())
    if told is None:
        return None
    whole, minutes = int(told["hours"]), int(told["minutes"] or 0)
    if whole > _MAX_OFFSET_HOURS or minutes > 59:
        return None
    seconds = whole * _HOUR + minutes * 60
    return seconds if told["sign"] == "+" else -seconds
