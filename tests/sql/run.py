#!/usr/bin/env python3
"""Tests what stands under sql/.

    tests/sql/run.py [PART...]   only cases whose path has one of the parts

Every derived text is what would be derived now; every BigQuery text passes Google's analyser; every
query gives the columns of its table; every case gives its rows on GoogleSQL's reference
implementation, on an emulator of BigQuery, and, with the derived text, on DuckDB. The rows that a
case expects are worked out by hand.
"""

import multiprocessing
import os
import re
import subprocess
import sys
import time

import lkml
import yaml
from sqlglot import exp

import values
import warehouse
from duckdb_engine import DuckDB

# Their readers must name a partition, or BigQuery refuses the query.
PARTITION_FILTER = {"events", "events_unique"}
# They look at all days there are, and say so to BigQuery; what that costs is in their metadata.
EVERY_DAY = {
    "events_1min_parts", "ledger_residue", "level_daily_stats",
    "staged_positions/copies.sql", "staged_positions/standing.sql",
}  # fmt: skip
# They write what is derived from sql/, and tell where a committed file is another.
DERIVING = ("derive-sql", "derive-tables")
SEVERITIES = ("-- fail\n", "-- warn\n")
QUESTIONS = warehouse.SQL.parent / "terraform" / "questions"
ENGINES = ("GoogleSQL", "emulator", "DuckDB")


def house(definitions, statements, cases):
    """What can be seen in the files alone."""
    tried = {case.statement for case in cases}
    for name, definition in definitions.items():
        missing = set(definition.columns) - definition.described
        if not definition.is_view and missing:
            yield f"{name}/definition.sql: describe {', '.join(sorted(missing))}"
        metadata = warehouse.SQL / name / "metadata.yaml"
        said = yaml.safe_load(metadata.read_text()) if metadata.exists() else {}
        for key in {"grain", "written_by", "cost"} - set(said):
            yield f"{name}/metadata.yaml: say its {key}"
        # What a replay puts aside goes where it came for.
        aside = {"run": ("STRING", False), "staged_at": ("TIMESTAMP", False)}
        place = definitions.get(name.removeprefix("staged_"))
        if place not in (None, definition) and definition.columns != place.columns | aside:
            yield f"{name}: has other columns than {place.name}, run and staged_at"
        # The ledger's are held by the tests of who writes it.
        if definition.is_view and name not in tried and not name.startswith("ledger"):
            yield f"{name}: no case reads it"
        if name != "events_unique" and reads_partitions(definition.tree) == (name in EVERY_DAY):
            yield f"{name}/definition.sql: event_date has no bound that is given, or EVERY_DAY is wrong"
    # A day is rebuilt as long as it has events, and its purchases lose to those of 30 days around it.
    if definitions["purchases"].days_kept <= definitions["events"].days_kept + 30:
        yield "purchases/definition.sql: gone while the 30 days after it are still rebuilt"
    for name, statement in statements.items():
        if name not in tried:
            yield f"{name}: no case runs it"
        if "/checks/" in name and not statement.text.startswith(SEVERITIES):
            yield f"{name}: its first line says whether it is -- fail or -- warn"
        if reads_partitions(statement.tree) == (name in EVERY_DAY):
            yield f"{name}: event_date of events has no bound that is given, or EVERY_DAY is wrong"
    for case in cases:
        if case.statement not in {*statements, *definitions}:
            yield f"{case.name}: there is no {case.statement}"
        for key in sorted(case.extra):
            yield f"{case.name}: {key} means nothing here"


def derived():
    """What is not as its source has it, in the words of the script that would mend it."""
    for name in DERIVING:
        script = warehouse.ROOT / "scripts" / name
        checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
        if checked.returncode != 0:
            yield f"scripts/{name}: {(checked.stdout + checked.stderr).strip()}"


def reads_partitions(tree):
    """Whether a parameter says which days of events are looked at: all others BigQuery leaves out."""
    for select in tree.find_all(exp.Select):
        sources = [select.args.get("from_"), *select.args.get("joins", [])]
        names = {source.this.name for source in sources if source and source.this}
        where = select.args.get("where")
        conditions = [where.this] if where else []
        if conditions and isinstance(where.this, exp.And):
            conditions = where.this.flatten()
        if names & PARTITION_FILTER and not any(map(is_bound, conditions)):
            return False
    return True


def is_bound(condition):
    column = condition.this
    return (
        isinstance(condition, (exp.EQ, exp.GTE, exp.Between))
        and isinstance(column, exp.Column)
        and column.name == "event_date"
        and column.table in {"", *PARTITION_FILTER}
        and condition.find(exp.Parameter) is not None
    )


def questions(engine, definitions):
    """What people's own tools start with fits the tables."""
    for path in sorted((QUESTIONS / "metabase").glob("*.sql")):
        try:
            engine.analysed(path.read_text(), {})
        except Exception as error:
            yield f"{path.name}: {error}"
    model = lkml.load((QUESTIONS / "questline.model.lkml").read_text())
    for view in model["views"]:
        dimensions = view["dimensions"] + view["dimension_groups"]
        found = {dimension["sql"].removeprefix("${TABLE}.") for dimension in dimensions}
        for column in sorted(found ^ set(definitions[view["name"]].columns)):
            yield f"{view['name']} in LookML and {column}: one has it, the other not"


def columns(engine, statements):
    """A query gives what its table has, name by name and type by type."""
    if not hasattr(engine, "types"):
        return
    for name, statement in statements.items():
        try:
            found = engine.types(statement)
        except Exception as error:
            yield f"{name} on {engine.name}: {error}"
            continue
        expected = engine.table_types(statement.table)
        if name.endswith("/query.sql") and found != expected:
            differ = [pair for pair in zip(expected, found) if pair[0] != pair[1]]
            yield f"{name} on {engine.name}: the table has {differ[0][0]}, the query {differ[0][1]}"


def tried(engine, case, definitions, statements):
    """The differences of a case on an engine, in lines."""
    view = definitions.get(case.statement)
    statement = statements.get(case.statement)
    filled = []
    try:
        for name, rows in case.tables.items():
            filled.append(definitions[name])
            engine.fill(definitions[name], [values.row_of(definitions[name], row) for row in rows])
        found = engine.rows(statement, case.parameters, view.name if view else None)
        lines = values.difference(case.rows, found)
    except Exception as error:
        lines = [f"    {type(error).__name__}: {error}"]
    finally:
        for definition in filled:
            engine.empty(definition)
    return [f"{case.name} on {engine.name}:", *lines] if lines else []


def skip(name, why):
    print(f"SKIPPED {name}: {why}")
    if "QUESTLINE_SKIPS" in os.environ:
        with open(os.environ["QUESTLINE_SKIPS"], "a") as skips:
            skips.write(f"{name}\t{why}\n")


def engine_of(name, definitions):
    if name == "DuckDB":
        return DuckDB(definitions)
    if name == "emulator":
        from emulator import Emulator

        return Emulator(definitions)
    from googlesql import GoogleSQL

    return GoogleSQL(definitions)


def run(name, cases):
    """What fails on an engine, and how many cases pass; None where the engine cannot be had."""
    start = time.monotonic()
    definitions, statements = warehouse.definitions(), warehouse.statements()
    try:
        engine = engine_of(name, definitions)
    except ImportError as error:
        skip(f"sql-on-{name}", str(error))
        return [], 0
    except Exception as error:
        return [[f"{name} does not take the definitions: {error}"]], 0
    try:
        failures = [[line] for line in columns(engine, statements)]
        if hasattr(engine, "analysed"):
            failures += [[line] for line in questions(engine, definitions)]
            failures += [[line] for line in runbooks(engine)]
        ready = time.monotonic()
        found = [tried(engine, case, definitions, statements) for case in cases]
    finally:
        engine.close()
    failures += [lines for lines in found if lines]
    seconds = f"{time.monotonic() - ready:.0f} s, ready after {ready - start:.0f} s"
    print(f"{name}: {len(cases)} cases in {seconds}", flush=True)
    return failures, found.count([])


def runbooks(engine):
    """What a runbook asks of the local stack can be asked of the dataset, as its readers are told."""
    for path in sorted((warehouse.SQL.parent / "terraform" / "runbooks").glob("*.md")):
        text = path.read_text()
        for asked in re.findall(r'questline query "([^"]+)"', text):
            if "SAFE_CONVERT_BYTES_TO_STRING(raw)" in text:
                asked = asked.replace("decode(raw)", "SAFE_CONVERT_BYTES_TO_STRING(raw)")
            try:
                engine.analysed(asked, {})
            except Exception as error:
                yield f"{path.name}: {error}"


def main(parts):
    definitions, statements = warehouse.definitions(), warehouse.statements()
    cases = warehouse.cases()
    failures = [[line] for line in [*derived(), *house(definitions, statements, cases)]]
    cases = [case for case in cases if not parts or any(part in case.name for part in parts)]
    passed = 0
    # Google's analyser takes half a minute to load; the others run meanwhile.
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for found, good in pool.starmap(run, [(name, cases) for name in ENGINES], chunksize=1):
            failures += found
            passed += good
    for lines in failures:
        print("\n".join(lines))
    verdict = "FAILED" if failures else "ok"
    print(f"test result: {verdict}. {passed} passed; {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
