"""What a function asks of BigQuery at its start: which columns tables have. All else is away.

It is asked as an emulator is, so nobody signs in.
"""

import functools
import http.server
import json
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATASET = "none.none"


class Tables(http.server.BaseHTTPRequestHandler):
    """The tables as Terraform makes them."""

    protocol_version = "HTTP/1.1"
    # What is timed is the function: no packet waits here for another.
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer(self.server.tables.get(self.path.partition("?")[0].rpartition("/tables/")[2]))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(None)

    def answer(self, told):
        body = told or b"{}"
        self.send_response(200 if told else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@functools.cache
def address():
    """Where it listens, as long as this program runs."""
    made = json.loads((ROOT / "terraform" / "tables.json").read_text())["tables"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tables)
    described = {name: {"schema": {"fields": table["schema"]}} for name, table in made.items()}
    server.tables = {name: json.dumps(table).encode() for name, table in described.items()}
    # Functions are killed in the middle of what they ask.
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def environment():
    """By which variables a function finds it."""
    return {
        "QUESTLINE_WAREHOUSE": f"bigquery:{DATASET}",
        "QUESTLINE_BIGQUERY_REST": address(),
        "QUESTLINE_BIGQUERY_GRPC": address(),
    }
