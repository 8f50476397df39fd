"""Values of cases and of engines, in one form that can be compared."""

import datetime as dt
import json
from decimal import Decimal

UTC = dt.timezone.utc


def typed(value, kind):
    """A value of a case as BigQuery's type has it."""
    if value is None:
        return None
    if kind.startswith("ARRAY"):
        return [typed(item, kind[len("ARRAY<") : -1]) for item in value]
    if kind == "STRING":
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text: quote it")
        return value
    if kind == "INT64":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} is no whole number")
        return value
    if kind == "FLOAT64":
        return float(value)
    if kind.startswith("NUMERIC"):
        if isinstance(value, float):
            raise ValueError(f"{value!r}: quote money, so that it stays exact")
        return Decimal(value)
    if kind == "BOOL":
        return bool(value)
    if kind == "DATE":
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    if kind == "TIMESTAMP":
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if kind == "JSON":
        return Json(json.dumps(value))
    if kind == "BYTES":
        return value.encode()
    raise ValueError(f"no case can write a {kind} yet")


class Json(str):
    """The text of a JSON value: engines tell it from a text."""


# What stands in a column that may not be NULL and that a case does not name: no definition looks
# at it, or the case would have named it.
NEUTRAL = {
    "STRING": "-",
    "INT64": 0,
    "FLOAT64": 0.0,
    "BOOL": False,
    "DATE": dt.date(1970, 1, 1),
    "TIMESTAMP": dt.datetime(1970, 1, 1, tzinfo=UTC),
    "NUMERIC(38, 9)": Decimal(0),
    "JSON": Json("null"),
}


def row_of(definition, given):
    """A whole row of a table from the columns that a case names."""
    unknown = set(given) - set(definition.columns)
    if unknown:
        raise ValueError(f"{definition.name} has no column {', '.join(sorted(unknown))}")
    row = {}
    for name, (kind, nullable) in definition.columns.items():
        if name in given:
            row[name] = typed(given[name], kind)
            if row[name] is None and not nullable:
                raise ValueError(f"{definition.name}.{name} is never NULL")
        else:
            row[name] = None if nullable else NEUTRAL[kind]
    return row


def shown(value):
    """A value as it is compared: 0.50 is 0.5, 1.0 is 1, and a double is all of its digits."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "NULL"}[value]
    if isinstance(value, dt.datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (Decimal, int)):
        return format(Decimal(value).normalize(), "f")
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)


def comparable(rows):
    return sorted(
        tuple((name, shown(value)) for name, value in sorted(row.items())) for row in rows
    )


def difference(expected, found):
    """What is missing and what is too much, in lines; none if the rows are the same."""
    expected, found = comparable(expected), comparable(found)
    lines = []
    for sign, rows, others in (("-", expected, found), ("+", found, expected)):
        others = list(others)
        for row in rows:
            if row in others:
                others.remove(row)
            else:
                lines.append(f"    {sign} " + ", ".join(f"{name}: {value}" for name, value in row))
    return lines
