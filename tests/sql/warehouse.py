"""What stands under sql/: tables, views, statements and cases."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import sqlglot
import yaml
from sqlglot import exp

ROOT = Path(__file__).resolve().parent.parent.parent
SQL = ROOT / "sql"

# What statements are given.
PARAMETERS = {
    "date": "DATE",
    "from_date": "DATE",
    "through_date": "DATE",
    "since": "DATE",
    "now": "TIMESTAMP",
    "run_id": "STRING",
    "playtime_types": "STRING",
    "from_time": "TIMESTAMP",
    "to_time": "TIMESTAMP",
    "reason": "STRING",
    "app_id": "STRING",
    "function_version": "STRING",
    "held": "BOOL",
    "after_failed_at": "TIMESTAMP",
    "after_letter": "STRING",
    "most": "INT64",
    "bucket_seconds": "INT64",
    "late_days": "INT64",
    "user_id": "STRING",
    "user_base64": "STRING",
    "event_type": "INT64",
    "app_version": "STRING",
    "platform": "STRING",
    "country": "STRING",
    "verdict": "STRING",
    "log_id": "STRING",
    "ranges": "STRING",
    "began_at": "TIMESTAMP",
    "first_day": "INT64",
    "last_day": "INT64",
}


@dataclass(eq=False)
class Definition:
    """A table or a view."""

    name: str
    text: str
    tree: exp.Create

    @property
    def is_view(self):
        return self.tree.kind == "VIEW"

    @cached_property
    def columns(self):
        """A table's columns: name -> (type as BigQuery writes it, whether NULL may stand there)."""
        found = {}
        for column in self.tree.find_all(exp.ColumnDef):
            never_null = any(
                isinstance(constraint.kind, exp.NotNullColumnConstraint)
                for constraint in column.constraints
            )
            found[column.name] = (column.kind.sql(dialect="bigquery"), not never_null)
        return found

    @cached_property
    def described(self):
        return {
            column.name
            for column in self.tree.find_all(exp.ColumnDef)
            if "description" in column.sql(dialect="bigquery")
        }

    @cached_property
    def days_kept(self):
        """After how many days BigQuery drops a partition; none if it never does."""
        for option in self.tree.find_all(exp.Property):
            if option.name == "partition_expiration_days":
                return option.args["value"].to_py()
        return None

    @cached_property
    def query(self):
        """The SELECT of a view, as it is written."""
        return re.split(r"\bAS\s+(?=WITH\b|SELECT\b)", self.text, maxsplit=1)[1]

    @property
    def reads(self):
        return tables_of(self.tree) - {self.name}


@dataclass(eq=False)
class Statement:
    """A BigQuery text that is run, and its twin for DuckDB."""

    path: Path

    @property
    def name(self):
        return str(self.path.relative_to(SQL))

    @property
    def table(self):
        return self.path.relative_to(SQL).parts[0]

    @cached_property
    def text(self):
        return self.path.read_text()

    @cached_property
    def duckdb_text(self):
        twin = self.path.with_name(f"{self.path.stem}.duckdb.sql")
        return (twin if twin.exists() else self.path).read_text()

    @cached_property
    def tree(self):
        return sqlglot.parse_one(self.text, read="bigquery")

    @property
    def parameters(self):
        return {parameter.name for parameter in self.tree.find_all(exp.Parameter)}


@dataclass
class Case:
    """Rows that stand in tables, and the rows that a statement or a view must then give."""

    path: Path
    statement: str
    parameters: dict
    tables: dict
    rows: list
    extra: set = field(default_factory=set)

    @property
    def name(self):
        return str(self.path.relative_to(SQL))


def tables_of(tree):
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {table.name for table in tree.find_all(exp.Table)} - named


def definitions():
    """All of them, each after what it reads."""
    found = {}
    for path in sorted(SQL.glob("*/definition.sql")):
        text = path.read_text()
        found[path.parent.name] = Definition(
            path.parent.name, text, sqlglot.parse_one(text, read="bigquery")
        )
    order = TopologicalSorter({name: found[name].reads for name in found}).static_order()
    return {name: found[name] for name in order}


def statements():
    paths = sorted(SQL.glob("**/*.sql"))
    texts = [path for path in paths if path.name not in ("definition.sql", "duckdb.sql")]
    found = [Statement(path) for path in texts if not path.name.endswith(".duckdb.sql")]
    return {statement.name: statement for statement in found}


def cases():
    return [case(path) for path in sorted(SQL.glob("*/cases/*.yaml"))]


def case(path):
    said = yaml.safe_load(path.read_text())
    table = path.relative_to(SQL).parts[0]
    # Without a statement it is the rows of the table's query, or of the view.
    statement = said.pop("statement", None)
    if statement is None:
        has_query = (SQL / table / "query.sql").exists()
        statement = f"{table}/query.sql" if has_query else table
    elif "/" not in statement or statement.startswith("checks/"):
        statement = f"{table}/{statement}.sql"
    parts = {key: said.pop(key, empty) for key, empty in (("parameters", {}), ("tables", {}))}
    # Rows to be merged into others stand apart.
    said.pop("templates", None)
    return Case(path, statement, rows=said.pop("rows"), extra=set(said), **parts)
