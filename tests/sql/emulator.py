"""Cases on an emulator of BigQuery, over its REST interface, with the BigQuery texts.

The emulator is DuckDB behind a translation of its own. That both agree proves less than that
GoogleSQL's reference implementation does; what it adds is the interface and the DDL.
"""

import datetime as dt
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from decimal import Decimal

from warehouse import PARAMETERS

PROJECT, DATASET = "questline", "warehouse"
START_SECONDS = 60

# Run by a Python of its own. The extension for geography would be fetched from the network, and
# nothing here has a geography. Clients name a stream of rows in its first message only. A script of
# statements has parameters too, and what its transaction takes back is what it did to tables that it
# names without their dataset.
LAUNCH = """
from bqemulator.storage import engine
engine.DuckDBEngine._load_spatial = lambda self: None
from bqemulator.grpc_api.write_servicer import BigQueryWriteHandler as Write
named = Write._ensure_stream_bound
Write._ensure_stream_bound = lambda self, name, bound, context: (
    bound if bound is not None and not name else named(self, name, bound, context))
import contextvars
from bqemulator.jobs import executor
from bqemulator.scripting import interpreter
given, bind, body = contextvars.ContextVar("given"), interpreter.bind_parameters, executor._run_query_body
interpreter.bind_parameters = lambda sql, parameters: bind(sql, parameters or given.get(None))
def with_parameters(*, query_params, **rest):
    given.set(query_params)
    return body(query_params=query_params, **rest)
executor._run_query_body = with_parameters
import sqlglot
changed = interpreter._dml_targets
def changed_or_default(sql, project):
    tree = sqlglot.parse_one(sql, read="bigquery")
    table = tree.this.find(sqlglot.exp.Table) if isinstance(tree, sqlglot.exp.DML) else None
    return [f'"{table.name}"'] if table and not table.db else changed(sql, project)
interpreter._dml_targets = changed_or_default
"""
# Streams find only tables that were made under their dataset's name, so every statement is given it.
# It changes some texts: NUMERIC is divided like INT64 then. So only where streams are asked for. Of
# Google's package the emulator uses the messages alone, not the client that it would load. And it has
# no errors of rows: what is no JSON is one here, in the form that BigQuery documents. A stream that
# is open has a thread of the server, which has few unless it is given more; what those threads ask of
# DuckDB is done by the thread that answers queries, for two on one connection may wait for each other.
STREAMS = f"""
import asyncio, concurrent.futures, sys, threading, types, google.cloud, grpc.aio
serve, threads = grpc.aio.server, concurrent.futures.ThreadPoolExecutor(512)
that = []
def server(*rest, **named):
    that.append((threading.get_ident(), asyncio.get_running_loop()))
    return serve(threads, *rest, **named)
grpc.aio.server = server
def by_one_thread(method):
    async def later(*given):
        return method(*given)
    def call(*given):
        thread, loop = that[0]
        if threading.get_ident() == thread:
            return method(*given)
        return asyncio.run_coroutine_threadsafe(later(*given), loop).result()
    return call
storage = types.ModuleType("google.cloud.bigquery_storage_v1")
storage.__path__ = [folder + "/bigquery_storage_v1" for folder in google.cloud.__path__]
sys.modules[storage.__name__] = storage
import json
def spoilt(rows):
    texts = rows.column("parameters").to_pylist() if "parameters" in rows.column_names else []
    for at, text in enumerate(texts):
        try:
            json.loads(text or "null")
        except ValueError:
            yield at
append = Write._perform_append
def append_or_refuse(self, stream, rows, *rest):
    from google.cloud.bigquery_storage_v1 import types
    errors = [types.RowError(index=at, code=1, message="no JSON") for at in spoilt(rows)]
    refused = types.AppendRowsResponse.serialize(types.AppendRowsResponse(row_errors=errors))
    return refused if errors else append(self, stream, rows, *rest)
Write._perform_append = append_or_refuse
for name in ("_handle_create_write_stream", "_handle_get_write_stream", "_handle_finalize_write_stream",
             "_ensure_stream_bound", "_perform_append"):
    setattr(Write, name, by_one_thread(getattr(Write, name)))
from bqemulator.api.routes import jobs
from bqemulator.sql.rewriter.default_dataset import qualify_unqualified_tables as qualified
run = jobs.execute_query_job
jobs.execute_query_job = lambda project, job, sql, *rest, **named: run(
    project, job, qualified(sql, default_project=project, default_dataset="{DATASET}"), *rest, **named)
"""
START = """
from bqemulator.cli import main
main()
"""


class Emulator:
    name = "emulator"

    def __init__(self, definitions, streams=False):
        if importlib.util.find_spec("bqemulator") is None:
            raise ImportError("bqemulator is not installed")
        self.log = tempfile.NamedTemporaryFile(mode="w+", suffix=".log")
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH + (STREAMS if streams else "") + START, "start", "--rest-port", "0", "--grpc-port", "0"]
            + ["--project", PROJECT],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        try:
            self.rest = f"http://127.0.0.1:{self.port('rest')}"
            self.grpc = f"http://127.0.0.1:{self.port('grpc')}"
            self.url = f"{self.rest}/bigquery/v2/projects/{PROJECT}"
            reference = {"projectId": PROJECT, "datasetId": DATASET}
            self.post("/datasets", {"datasetReference": reference})
            for definition in definitions.values():
                self.query(definition.text, [])
        except BaseException:
            self.close()
            raise

    def port(self, interface):
        """Waits until it listens, and reads where from its log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with open(self.log.name) as log:
                for line in log:
                    if f'"{interface}.listen"' in line:
                        return json.loads(line)["port"]
            time.sleep(0.05)
        with open(self.log.name) as log:
            raise RuntimeError(f"the emulator did not start:\n{log.read()}")

    def close(self):
        self.process.kill()
        self.process.wait()

    def post(self, path, body):
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
        for key in ("errors", "insertErrors"):
            if answer.get(key):
                raise RuntimeError(json.dumps(answer[key]))
        return answer

    def query(self, text, parameters):
        answer = self.post(
            "/queries",
            {
                "query": text,
                "useLegacySql": False,
                "defaultDataset": {"projectId": PROJECT, "datasetId": DATASET},
                "parameterMode": "NAMED",
                "queryParameters": parameters,
                "formatOptions": {"useInt64Timestamp": True},
            },
        )
        fields = answer.get("schema", {}).get("fields", [])
        return [
            {field["name"]: read(cell["v"], field) for field, cell in zip(fields, row["f"])}
            for row in answer.get("rows", [])
        ]

    def fill(self, definition, rows):
        # By a statement: a table that DDL made is not there for the emulator's streaming inserts.
        bound, tuples = [], []
        for at, row in enumerate(rows):
            for name, value in row.items():
                bound.append(parameter(f"{name}_{at}", value, definition.columns[name][0]))
            tuples.append("(" + ", ".join(f"@{name}_{at}" for name in row) + ")")
        names = ", ".join(f"`{name}`" for name in definition.columns)
        if tuples:
            self.query(f"INSERT INTO {definition.name} ({names}) VALUES {', '.join(tuples)}", bound)

    def empty(self, definition):
        self.query(f"DELETE FROM {definition.name} WHERE TRUE", [])

    def rows(self, statement, parameters, view=None):
        text = f"SELECT * FROM {view}" if view else statement.text
        bound = [parameter(name, value, PARAMETERS[name]) for name, value in parameters.items()]
        return self.query(text, bound)


def parameter(name, value, kind):
    kind, _, item = kind.partition("(")[0].rstrip(">").partition("<")
    if kind == "ARRAY":
        type_ = {"type": kind, "arrayType": {"type": item}}
        return {
            "name": name,
            "parameterType": type_,
            "parameterValue": {"arrayValues": [{"value": text} for text in value or []]},
        }
    if isinstance(value, (dt.date, dt.datetime)):
        value = value.isoformat()
    elif isinstance(value, bool):
        value = str(value).lower()
    elif value is not None:
        value = str(value)
    return {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}


def read(value, field):
    """A value as a query's answer has it."""
    if field.get("mode") == "REPEATED":
        return [read(item["v"], {**field, "mode": "NULLABLE"}) for item in value]
    if value is None:
        return None
    kind = field["type"]
    if kind == "INTEGER":
        return int(value)
    if kind == "FLOAT":
        return float(value)
    if kind in ("NUMERIC", "BIGNUMERIC"):
        return Decimal(value)
    if kind == "BOOLEAN":
        return value == "true"
    if kind == "DATE":
        return dt.date.fromisoformat(value)
    if kind == "TIMESTAMP":
        return dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(
            microseconds=int(value)
        )
    return value
