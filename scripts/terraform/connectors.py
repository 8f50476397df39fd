"""Asks Kafka Connect itself whether it takes the connectors' configurations that Terraform plans.

    terraform test -json -verbose | connectors.py KAFKA_JARS CONNECT_JARS

Starts a broker and a Connect worker on loopback. A connector that cannot be had to ask is named.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PLUGIN = "pubsub-group-kafka-connector"
PATIENCE = 60


def planned(lines):
    """The configurations by connector, the last that was planned of each."""
    configs = {}
    for line in lines:
        event = json.loads(line)
        if event["type"] not in ("test_state", "test_plan"):
            continue
        told = event[event["type"]]
        told = told.get("planned_values", told.get("values", told))
        for resource in told.get("root_module", {}).get("resources", []):
            if resource["type"] == "google_managed_kafka_connector":
                configs[resource["values"]["connector_id"]] = resource["values"]["configs"]
    return configs


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def properties(path, values):
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return str(path)


def java(jars, log, *arguments):
    command = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]
    return subprocess.Popen(
        [*command, f"{jars}/*", *arguments], stdout=log, stderr=log, start_new_session=True
    )


def broker(jars, home, log):
    port, controller = free_port(), free_port()
    config = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": home / "log",
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
    }
    file = properties(home / "broker.properties", config)
    cluster = "AAAAAAAAAAAAAAAAAAAAAA"
    storage = java(jars, log, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", file)
    if storage.wait(PATIENCE) != 0:
        raise SystemExit("connectors: the broker's storage could not be made")
    return java(jars, log, "kafka.Kafka", file), port


def worker(jars, home, log, kafka):
    port = free_port()
    plugins = home / "plugins"
    plugins.mkdir()
    found = next(Path(jars).glob(f"{PLUGIN}-*.jar"))
    (plugins / found.name).symlink_to(found)
    converter = "org.apache.kafka.connect.converters.ByteArrayConverter"
    config = {
        "bootstrap.servers": f"127.0.0.1:{kafka}",
        "group.id": "connect",
        "listeners": f"http://127.0.0.1:{port}",
        "plugin.path": plugins,
        "key.converter": converter,
        "value.converter": converter,
        "offset.storage.topic": "connect-offsets",
        "config.storage.topic": "connect-configs",
        "status.storage.topic": "connect-status",
        "offset.storage.replication.factor": 1,
        "config.storage.replication.factor": 1,
        "status.storage.replication.factor": 1,
    }
    file = properties(home / "worker.properties", config)
    main = "org.apache.kafka.connect.cli.ConnectDistributed"
    return java(jars, log, main, file), f"http://127.0.0.1:{port}"


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    request.method = "GET" if body is None else "PUT"
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def ready(url):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            return ask(f"{url}/connector-plugins?connectorsOnly=true")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise SystemExit(f"connectors: Kafka Connect was not up within {PATIENCE} s")


def faults(url, name, config):
    """What Connect has against a configuration; a member that the connector does not know is one."""
    answer = ask(f"{url}/connector-plugins/{config['connector.class']}/config/validate", {"name": name, **config})
    known = {told["definition"]["name"] for told in answer["configs"]}
    for member in sorted(set(config) - known):
        yield f"{name}: {member} is not known"
    for told in answer["configs"]:
        for error in told["value"]["errors"]:
            yield f"{name}: {error}"


def main():
    kafka_jars, connect_jars = sys.argv[1:]
    configs = planned(sys.stdin)
    if not configs:
        raise SystemExit("connectors: Terraform plans none")
    started, wrong = [], []
    with tempfile.TemporaryDirectory() as home, open(f"{home}/java.log", "w") as log:
        try:
            kafka, port = broker(kafka_jars, Path(home), log)
            started.append(kafka)
            connect, url = worker(connect_jars, Path(home), log, port)
            started.append(connect)
            classes = {plugin["class"] for plugin in ready(url)}
            for name, config in configs.items():
                if config["connector.class"] in classes:
                    wrong += faults(url, name, config)
                    print(f"connectors: {name}: asked {config['connector.class']}")
                else:
                    print(f"connectors: SKIPPED {name}: {config['connector.class']} cannot be had; only its keys are checked")
        except BaseException:
            print(Path(f"{home}/java.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            for process in started:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
