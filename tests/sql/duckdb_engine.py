"""Cases on DuckDB, with the derived texts."""

import datetime as dt
import re

import duckdb

from warehouse import SQL


def numbered(text, bound):
    """Values in the order that the head of a derived text says: -- $1 date, $2 app_id."""
    head = re.search(r"^-- (\$1 .*)$", text, re.M)
    names = [part.split()[1] for part in head.group(1).split(",")] if head else []
    return [bound[name] for name in names]


class DuckDB:
    name = "DuckDB"

    def __init__(self, definitions):
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        for definition in definitions.values():
            self.connection.execute((SQL / definition.name / "duckdb.sql").read_text())

    def close(self):
        self.connection.close()

    def fill(self, definition, rows):
        names = ", ".join(definition.columns)
        marks = ", ".join("?" for _ in definition.columns)
        for row in rows:
            self.connection.execute(
                f"INSERT INTO {definition.name} ({names}) VALUES ({marks})", list(row.values())
            )

    def empty(self, definition):
        self.connection.execute(f"DELETE FROM {definition.name}")

    def rows(self, statement, parameters, view=None):
        text = f"SELECT * FROM {view}" if view else statement.duckdb_text
        # Texts, as the program binds dates and moments.
        bound = {
            name: value.isoformat() if isinstance(value, dt.date) else value
            for name, value in parameters.items()
        }
        found = self.connection.execute(text, numbered(text, bound))
        columns = [(column[0], str(column[1])) for column in found.description]
        # A list that is NULL is an empty one, as in BigQuery's tables.
        return [
            {
                name: [] if value is None and kind.endswith("[]") else value
                for (name, kind), value in zip(columns, row)
            }
            for row in found.fetchall()
        ]

    def types(self, statement):
        """Name and type of each column that a statement gives."""
        text = statement.duckdb_text
        bound = {name: None for name in statement.parameters}
        found = self.connection.execute(text, numbered(text, bound))
        return [(column[0], str(column[1])) for column in found.description]

    def table_types(self, table):
        found = self.connection.execute(f"SELECT * FROM {table} LIMIT 0")
        return [(column[0], str(column[1])) for column in found.description]
