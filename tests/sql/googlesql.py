"""Google's own GoogleSQL: its analyser as a gate for every BigQuery text, and its reference
implementation for the cases. What it computes is what the language's definition says."""

import datetime as dt
import os
import tempfile
from decimal import Decimal
from pathlib import Path

import wasmtime
import zetasql.core.wasm_client
from google.protobuf.timestamp_pb2 import Timestamp
from zetasql.api import Analyzer, CatalogBuilder, PreparedQuery, TableBuilder
from zetasql.api.type_factory import TypeFactory
from zetasql.types import (
    AnalyzerOptions,
    LanguageOptions,
    Parameter,
    TableContent,
    TableData,
    TypeKind,
    Value,
    ZetaSQLBuiltinFunctionOptions,
)
from zetasql.types.proto_model import ProductMode

from values import Json
from warehouse import PARAMETERS, tables_of

KINDS = {
    "STRING": TypeKind.TYPE_STRING,
    "INT64": TypeKind.TYPE_INT64,
    "FLOAT64": TypeKind.TYPE_DOUBLE,
    "NUMERIC": TypeKind.TYPE_NUMERIC,
    "BOOL": TypeKind.TYPE_BOOL,
    "BYTES": TypeKind.TYPE_BYTES,
    "DATE": TypeKind.TYPE_DATE,
    "TIMESTAMP": TypeKind.TYPE_TIMESTAMP,
    "JSON": TypeKind.TYPE_JSON,
}
NAMES = {kind: name for name, kind in KINDS.items()}
EPOCH = dt.date(1970, 1, 1)


class GoogleSQL:
    name = "GoogleSQL"

    def __init__(self, definitions):
        zetasql.core.wasm_client.Config = compiled_once
        self.definitions = definitions
        self.language = LanguageOptions.maximum_features()
        # The language as BigQuery's users have it.
        self.language.product_mode = ProductMode.PRODUCT_EXTERNAL
        functions = ZetaSQLBuiltinFunctionOptions(language_options=self.language)
        self.catalog = CatalogBuilder("warehouse").with_builtin_functions(functions).build()
        self.content = {}
        self.kinds = {}
        for definition in definitions.values():
            try:
                resolved = self.analysed(definition.text, {})
            except Exception as error:
                raise ValueError(f"{definition.name}/definition.sql: {error}") from error
            columns = definition.columns
            if definition.is_view:
                columns = {
                    column.name: (type_name(column.column.type), True)
                    for column in resolved.output_column_list
                }
            table = TableBuilder(definition.name)
            for name, (kind, _) in columns.items():
                table.add_column(name, type_of(kind))
            self.catalog.table.append(table.build())
            self.content[definition.name] = []

    def options(self, parameters):
        declared = [
            AnalyzerOptions.QueryParameter(name=name, type=type_of(PARAMETERS[name]))
            for name in parameters
        ]
        return AnalyzerOptions(
            language_options=self.language, query_parameters=declared, default_timezone="UTC"
        )

    def analysed(self, text, parameters):
        return Analyzer(self.options(parameters), self.catalog).analyze_statement(text)

    def types(self, statement):
        """Name and type of each column that a statement gives."""
        resolved = self.analysed(statement.text, statement.parameters)
        return [
            (column.name, type_name(column.column.type)) for column in resolved.output_column_list
        ]

    def table_types(self, table):
        columns = self.definitions[table].columns
        return [(name, kind.partition("(")[0]) for name, (kind, _) in columns.items()]

    def close(self):
        pass

    def fill(self, definition, rows):
        self.content[definition.name] = [list(row.values()) for row in rows]

    def empty(self, definition):
        self.content[definition.name] = []

    def rows(self, statement, parameters, view=None):
        text = f"SELECT * FROM {view}" if view else statement.text
        needed = {view} if view else tables_of(statement.tree)
        needed |= self.below(needed)
        # A view is here a table with the rows of its query; those are in order.
        for name, definition in self.definitions.items():
            if name in needed and definition.is_view:
                found = self.run(definition.query, {}, definition.reads)
                self.content[name] = [list(row.values()) for row in found]
        return self.run(text, parameters, needed)

    def below(self, names):
        """What views read, and the views below them."""
        found = set()
        for name in names:
            reads = self.definitions[name].reads if self.definitions[name].is_view else set()
            found |= reads | self.below(reads)
        return found

    def run(self, text, parameters, tables):
        content = {
            name: TableContent(
                table_data=TableData(
                    row=[TableData.Row(cell=[wire(value) for value in row]) for row in rows]
                )
            )
            for name, rows in self.content.items()
            if name in tables
        }
        if text not in self.kinds:
            columns = self.analysed(text, parameters).output_column_list
            self.kinds[text] = {column.name: column.column.type for column in columns}
        kinds = self.kinds[text]
        builder = PreparedQuery.builder().set_sql(in_microseconds(text, kinds))
        builder.set_analyzer_options(self.options(parameters)).set_catalog(self.catalog)
        builder.set_table_content(content)
        with builder.prepare() as query:
            bound = [Parameter(name=name, value=wire(value)) for name, value in parameters.items()]
            found = query.execute(bound).content.table_data
            return [
                {name: unwired(cell, kind) for (name, kind), cell in zip(kinds.items(), row.cell)}
                for row in (found.row if found else [])
            ]


def compiled_once():
    """WebAssembly is compiled in half a minute, and then kept in the cache, if there is one."""
    config = wasmtime.Config()
    if "QUESTLINE_CACHE" in os.environ:
        folder = Path(os.environ["QUESTLINE_CACHE"]).resolve() / "wasm"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
            settings.write(f'[cache]\ndirectory = "{folder}"\n')
            settings.flush()
            config.cache = settings.name
    return config


def in_microseconds(text, kinds):
    """The query with its moments as numbers: the binding for Python loses them in answers."""
    text = text.rstrip().rstrip(";")
    moments = [name for name, kind in kinds.items() if kind.type_kind == TypeKind.TYPE_TIMESTAMP]
    if not moments:
        return text
    numbers = ", ".join(f"UNIX_MICROS(`{name}`) AS `{name}`" for name in moments)
    return f"SELECT * REPLACE ({numbers}) FROM (\n{text}\n)"


def type_of(name):
    if name.startswith("ARRAY<"):
        return TypeFactory.create_array_type(type_of(name[len("ARRAY<") : -1]))
    return TypeFactory.create_simple_type(KINDS[name.partition("(")[0]])


def type_name(kind):
    if kind.array_type is not None:
        return f"ARRAY<{type_name(kind.array_type.element_type)}>"
    return NAMES[kind.type_kind]


def wire(value):
    if value is None:
        return Value()
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int):
        return Value(int64_value=value)
    if isinstance(value, float):
        return Value(double_value=value)
    if isinstance(value, Json):
        return Value(json_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, dt.datetime):
        moment = Timestamp()
        moment.FromDatetime(value)
        return Value(timestamp_value=moment)
    if isinstance(value, dt.date):
        return Value(date_value=(value - EPOCH).days)
    if isinstance(value, Decimal):
        billionths = int(value.scaleb(9))
        length = billionths.bit_length() // 8 + 1
        return Value(numeric_value=billionths.to_bytes(length, "little", signed=True))
    if isinstance(value, list):
        return Value(array_value=Value.Array(element=[wire(item) for item in value]))
    raise ValueError(f"{value!r} cannot be sent to GoogleSQL")


def unwired(cell, kind):
    name = type_name(kind)
    if name.startswith("ARRAY"):
        # A list that is NULL is an empty one, as in BigQuery's tables.
        items = cell.array_value.element if cell.array_value else []
        return [unwired(item, kind.array_type.element_type) for item in items]
    field = {
        "STRING": "string_value",
        "INT64": "int64_value",
        "FLOAT64": "double_value",
        "NUMERIC": "numeric_value",
        "BOOL": "bool_value",
        "DATE": "date_value",
        "TIMESTAMP": "int64_value",
        "JSON": "json_value",
        "BYTES": "bytes_value",
    }[name]
    value = getattr(cell, field)
    if value is None:
        return None
    if name == "JSON":
        return Json(value)
    if name == "NUMERIC":
        return Decimal(int.from_bytes(value, "little", signed=True)).scaleb(-9)
    if name == "DATE":
        return EPOCH + dt.timedelta(days=value)
    if name == "TIMESTAMP":
        return dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(microseconds=value)
    return value
