"""Writes the shipped calendars, one file a scope, from the package `holidays` (MIT): see README.md beside this file.

    python3 -m venv .venv && .venv/bin/pip install holidays==0.109 && .venv/bin/python make.py
"""

import datetime
import pathlib
import re

import holidays

YEARS = range(2018, 2036)
HERE = pathlib.Path(__file__).parent
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
OBSERVED = re.compile(r"^(?:.*; )?(.*) \(observed\)$")

# scope: country, language, last year whose list its authority has published, that authority's list.
SCOPES = {
    "hk": ("HK", "en_HK", 2027, "general holidays (Cap. 149) and statutory holidays (Cap. 57), Government of the Hong Kong SAR"),
    "cn": ("CN", "en_US", 2026, "the State Council's yearly notice of holidays and swapped days"),
    "tw": ("TW", "en_US", 2026, "the office calendar of the Directorate-General of Personnel Administration"),
    "mo": ("MO", "en_MO", 2026, "public holidays (Executive Order 60/2000) and mandatory holidays (Law 7/2008), Macao SAR"),
    "sg": ("SG", "en_SG", 2027, "public holidays of the Ministry of Manpower"),
    "jp": ("JP", "en_US", 2027, "national holidays of the Cabinet Office, equinoxes by the National Astronomical Observatory"),
}


def listed(country, language, year, category):
    return dict(getattr(holidays, country)(years=year, categories=category, language=language))


def without_replaced(days, weekend):
    """The days but those on a weekend for which the same list names another day."""
    replaced = {match[1] for name in days.values() if (match := OBSERVED.match(name))}
    return {
        day: name
        for day, name in days.items()
        if day.weekday() not in weekend or not any(part in replaced for part in name.split("; "))
    }


def of_year(scope, country, language, year):
    """(day, kind, statutory, name) of a year."""
    weekend = getattr(holidays, country)(years=year).weekend
    days = listed(country, language, year, "public")
    if scope == "cn":
        # Pay for a holiday is owed on the day itself; days moved to make a longer break are days of rest.
        swapped = getattr(holidays, country)(years=year, language=language).weekend_workdays
        for day, name in days.items():
            is_moved = name.startswith("Day off") or name.endswith("(observed)")
            if not is_moved:
                yield day, "holiday", True, name
            elif day.weekday() not in weekend:
                yield day, "rest", False, name
        for day in sorted(swapped):
            if day.year == year:
                yield day, "workday", False, "Swapped workday"
    elif scope == "tw":
        made_up = getattr(holidays, country)(years=year, language=language).weekend_workdays
        for day, name in without_replaced(days, weekend).items():
            is_bridge = name.startswith("Day off")
            yield day, "rest" if is_bridge else "holiday", not is_bridge, name
        labour_day = datetime.date(year, 5, 1)
        if labour_day not in days and labour_day.weekday() not in weekend:
            # Workers' since long, offices' since 2026: the package lists what offices have.
            yield labour_day, "holiday", True, "Labor Day"
        for day in sorted(made_up):
            if day.year == year:
                yield day, "workday", False, "Swapped workday"
    elif scope in ("hk", "mo"):
        wide = listed(country, language, year, "optional")
        narrow = {day for day in days if scope == "mo" or day.weekday() not in weekend}
        assert narrow <= set(wide), (scope, year, sorted(narrow - set(wide)))
        for day, name in wide.items():
            yield day, "holiday", day in narrow, name
    elif scope == "sg":
        for day, name in without_replaced(days, weekend).items():
            yield day, "holiday", True, name
    else:
        for day, name in days.items():
            yield day, "holiday", False, name


def main():
    for scope, (country, language, published, authority) in SCOPES.items():
        weekend = sorted(getattr(holidays, country)(years=2026).weekend)
        out = [f"# Made by make.py from `holidays` {holidays.__version__} (MIT): change that, not this.", ""]
        for year in YEARS:
            status = "official" if year <= published else "estimated"
            how = authority if status == "official" else f"by rule, not published yet: {authority}"
            out += ["[[calendar]]", f'applies_to = "{scope}"', f'source = "{how}"', f'status = "{status}"']
            if year == YEARS[0]:
                rests = ", ".join(f'{WEEKDAYS[day]} = "rest"' for day in weekend)
                out.append(f"weekdays = {{ {rests} }}")
            out.append("days = [")
            for day, kind, statutory, name in sorted(of_year(scope, country, language, year)):
                assert day.year == year and isinstance(day, datetime.date)
                mark = ", statutory = true" if statutory else ""
                text = name.replace('"', "'")
                out.append(f'    {{ date = {day}, kind = "{kind}"{mark}, name = "{text}" }},')
            out += ["]", ""]
        (HERE / f"{scope}.toml").write_text("\n".join(out), encoding="utf-8")


main()
