#!/usr/bin/env python3
"""An emulator of BigQuery with the tables and views of sql/, for tests in other languages.

The first line that it prints is where it listens, by REST and by gRPC. Then every line that it reads
is {"table": ..., "rows": [...]}, or {"copy": PATH} of a DuckDB file whose tables have those rows; it
answers with how many it has taken. It ends with its standard input.
"""

import base64
import datetime as dt
import json
import sys
from decimal import Decimal

import duckdb

import values
import warehouse
from emulator import Emulator, parameter

# Rows of one statement, which are one parameter: with one for each value the emulator takes minutes.
ROWS = 500
# A member of a row as a value of a column. The emulator takes bytes that are a parameter as they stand.
TAKEN = {
    "STRING": "JSON_VALUE(row, '$.{0}')",
    "JSON": "PARSE_JSON(JSON_VALUE(row, '$.{0}'))",
    "BYTES": "FROM_BASE64(JSON_VALUE(row, '$.{0}'))",
    "ARRAY<STRING>": "JSON_VALUE_ARRAY(row, '$.{0}')",
}


def pour(emulator, definition, rows):
    """Rows into a table."""
    names = ", ".join(f"`{name}`" for name in definition.columns)
    members = ", ".join(
        TAKEN.get(kind, f"CAST(JSON_VALUE(row, '$.{{0}}') AS {kind.partition('(')[0]})").format(name)
        for name, (kind, _) in definition.columns.items()
    )
    lists = {name for name, (kind, _) in definition.columns.items() if kind.startswith("ARRAY")}
    text = json.dumps(
        [
            # A list that is NULL is an empty one there.
            {name: (value or []) if name in lists else written(value) for name, value in row.items()}
            for row in rows
        ]
    )
    emulator.query(
        f"INSERT INTO {definition.name} ({names}) "
        f"SELECT {members} FROM UNNEST(JSON_QUERY_ARRAY(PARSE_JSON(@rows))) AS row",
        [parameter("rows", text, "STRING")],
    )


def written(value):
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, Decimal) else value


def given(asked, definitions):
    """Tables with the rows that they are to have."""
    if "copy" not in asked:
        definition = definitions[asked["table"]]
        yield definition, [values.row_of(definition, row) for row in asked["rows"]]
        return
    with duckdb.connect(asked["copy"], read_only=True) as source:
        source.execute("SET TimeZone = 'UTC'")
        for definition in definitions.values():
            if not definition.is_view and definition.name in tables(source):
                found = source.table(definition.name).select(*definition.columns)
                yield definition, [dict(zip(found.columns, row)) for row in found.fetchall()]


def tables(source):
    return {name for (name,) in source.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def main():
    definitions = warehouse.definitions()
    emulator = Emulator(definitions)
    try:
        print(emulator.rest, emulator.grpc, flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            taken = 0
            for definition, rows in given(asked, definitions):
                for at in range(0, len(rows), ROWS):
                    pour(emulator, definition, rows[at : at + ROWS])
                taken += len(rows)
            print(taken, flush=True)
    finally:
        emulator.close()


if __name__ == "__main__":
    main()
