"""Tries an artefact before it leaves: it starts with nothing around it, and tells its release."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from . import bigquery
from .steps import Failed

# What is deployed answers so soon after it was started, and an artefact is so large at most.
START_MS = 30
SIZE_MB = 25
STARTS = 10
PATIENCE = 60
# What each function asks its environment for; each takes what it knows.
ENVIRONMENT = {
    "QUESTLINE_KEYS": "[]",
    "QUESTLINE_DASHBOARD_PASSWORD": "unused",
    "QUESTLINE_TRAINING": "vertex:projects/none/locations/none",
    "QUESTLINE_TRAINING_ACCOUNT": "none@none.iam.gserviceaccount.com",
    "QUESTLINE_GOOGLE_CREDENTIALS": json.dumps(
        {
            "type": "external_account",
            "audience": "//iam.googleapis.com/none",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": "/none"},
        }
    ),
}


def environment(data):
    """Its log and its files in one directory, and a warehouse that answers what is asked at a start."""
    kinds = {"LOG": "sqlite", "FEATURES": "file", "METRICS_READY": "file", "TRAINING_ROOT": "file"}
    places = {f"QUESTLINE_{name}": f"{kind}:{data}" for name, kind in kinds.items()}
    return {**ENVIRONMENT, **places, **bigquery.environment()}


def prove(steps, made, version, held):
    """It starts and tells its release; with `held`, soon, and it is small."""
    start = in_bare_root if made.archive.startswith("oci:") else on_lambda
    times = []
    for _ in range(STARTS):
        told, seconds = start(made)
        if told != version:
            raise Failed(f"the build says it is {told!r}, and is to be {version!r}")
        times.append(seconds * 1000)
    how = "exec to first 200 in a bare root" if start is in_bare_root else "exec to first invocation"
    emulated = start is on_lambda and is_arm(made.root / "bootstrap")
    steps.say(
        f"{made.entry} answers as {version}; {how}{', under qemu' if emulated else ''}: "
        f"{min(times):.1f} ms at best, {statistics.median(times):.1f} ms in the middle of {STARTS}"
    )
    if held:
        hold(made, None if emulated else min(times))


def hold(made, milliseconds):
    """Within the limits: by the best of its starts, for what else this machine does is not the build's."""
    if made.size > SIZE_MB * 1e6:
        raise Failed(f"the build is {made.size / 1e6:.1f} MB packed, and may be {SIZE_MB} MB")
    if milliseconds is not None and milliseconds > START_MS:
        raise Failed(f"the build takes {milliseconds:.1f} ms to start, and may take {START_MS} ms")


def in_bare_root(made):
    """The program in an image, with the image as its root: its release, and seconds to the first 200."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    data = made.root / "tmp"
    for left in data.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    rootless = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *rootless, f"--root={made.root}", "--wd=/", made.entry]
    env = {**environment("/tmp"), "PORT": str(port)}
    # pubsub is pulled nowhere here.
    if made.entry == "/questline-ml-trigger":
        del env["QUESTLINE_METRICS_READY"]
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            while (answer := get(port, "/healthz")) is None:
                check(process, started, said)
                time.sleep(0.0005)
            seconds = time.perf_counter() - started
            assert answer == "alive"
            return get(port, "/version"), seconds
        finally:
            process.kill()
            process.wait()


def check(process, started, said):
    over = time.perf_counter() - started > PATIENCE
    if process.poll() is None and not over:
        return
    said.seek(0)
    last = said.read().decode(errors="replace").strip()[-2000:]
    why = "does not answer" if over else f"ended with {process.returncode} at its start"
    raise Failed(f"the build {why}: {last}")


def get(port, path):
    """The body of a 200, or nothing."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as asked:
        asked.sendall(f"GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode())
        whole = b"".join(iter(lambda: asked.recv(65536), b""))
        head, _, body = whole.partition(b"\r\n\r\n")
        if b" 200 " in head.splitlines()[0] + b" ":
            return body.decode().strip()
    return None


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """Lambda's side of the runtime API: one invocation, and its answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.set()
        if self.server.answered.is_set():
            # Nothing more comes: it waits until it is ended.
            self.server.over.wait(PATIENCE)
            return
        body = json.dumps(self.server.event).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 60) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:none:0:function:f")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length:
            told = self.rfile.read(length)
        else:
            told = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                told += self.rfile.read(size)
                self.rfile.readline()
        self.server.answer = told
        self.server.answered.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def on_lambda(made):
    """The program in a zip: its release, and seconds to its first request for work."""
    answer, seconds = invoked(made, question(Path(made.archive).stem), {})
    return text_of(answer), seconds


def invoked(made, event, more):
    """The program in a zip as Lambda starts it: its answer to an event, and the seconds."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    # The function is killed in the middle of its next question.
    server.handle_error = lambda *_: None
    server.asked, server.answered, server.over = (threading.Event() for _ in range(3))
    function = Path(made.archive).stem
    server.event = event
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    program = [str(made.root / "bootstrap")]
    if is_arm(made.root / "bootstrap"):
        program = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", *program]
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryFile() as said:
        env = {
            **environment(data),
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            **more,
        }
        if function == "ml-trigger":
            del env["QUESTLINE_METRICS_READY"]
        if not is_arm(made.root / "bootstrap"):
            env["LD_LIBRARY_PATH"] = str(made.root / "lib")
        started = time.perf_counter()
        process = subprocess.Popen(program, env=env, stdout=said, stderr=said)
        try:
            while not server.asked.wait(0.0005):
                check(process, started, said)
            seconds = time.perf_counter() - started
            while not server.answered.wait(0.1):
                check(process, started, said)
            return server.answer, seconds
        finally:
            process.kill()
            process.wait()
            server.over.set()
            server.shutdown()


def question(function, path="/version"):
    """What asks a function on Lambda for its release, or for another path where it has them."""
    if function not in ("ingest", "dashboard"):
        return {"questline": "version"}
    http_request = {"method": "GET", "path": path, "sourceIp": "127.0.0.1",
                    "protocol": "HTTP/1.1", "userAgent": "deploy"}  # fmt: skip
    context = {"accountId": "0", "apiId": "none", "domainName": "none", "stage": "$default",
               "requestId": "1", "routeKey": "$default", "timeEpoch": 0, "http": http_request}  # fmt: skip
    return {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": {"host": "none"}, "isBase64Encoded": False, "requestContext": context}  # fmt: skip


def text_of(told):
    """The text of an answer: the whole of it, or the body of an HTTP response, which a function
    that streams sends behind its head."""
    head, streams, body = told.partition(bytes(8))
    answer = json.loads(head or b"null")
    if not isinstance(answer, dict):
        return answer
    text = body.decode() if streams else str(answer.get("body") or "")
    return text.strip() if answer.get("statusCode") == 200 else ""


def is_arm(program):
    """By the machine's number in the program's head."""
    with open(program, "rb") as head:
        return head.read(20)[18] == 183
