#!/usr/bin/env python3
"""An emulator of BigQuery with the tables and views of sql/, for tests in other languages.

The first line that it prints is where it listens, by REST and by gRPC. Then every line that it reads
is {"table": ..., "rows": [...]}, or {"copy": PATH} of a DuckDB file whose tables have those rows; it
answers with how many it has taken. It ends with its standard input.
"""

import json
import sys

import duckdb

import values
import warehouse
from emulator import Emulator

# Rows of one statement: each value is a parameter.
ROWS = 50


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
    return {name for (name,) in source.execute("SELECT table_name FROM duckdb_tables").fetchall()}


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
                    emulator.fill(definition, rows[at : at + ROWS])
                taken += len(rows)
            print(taken, flush=True)
    finally:
        emulator.close()


if __name__ == "__main__":
    main()
