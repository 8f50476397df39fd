"""A cloud for tests: what deploy calls as gcloud, skopeo and aws, with revisions that really run.

It is no mock of the programs that are deployed: a revision is the image's own program with the image
as its root, a version on Lambda is the zip's own bootstrap at a runtime API. Only the platform around
them is played. Its state is one file, and every call is a line in another.
"""

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from deployment import artefact, prove  # noqa: E402

HOME = Path(os.environ["CLOUD"])
STATE = HOME / "state.json"


def main():
    program, *words = sys.argv[1:]
    with (HOME / "calls").open("a") as calls:
        calls.write(" ".join([program, *words]) + "\n")
    state = json.loads(STATE.read_text())
    answer = {"gcloud": gcloud, "skopeo": skopeo, "aws": aws}[program](words, state)
    STATE.write_text(json.dumps(state))
    if answer is False:
        sys.exit(1)
    if answer is not None:
        print(answer if isinstance(answer, str) else json.dumps(answer))


def option(words, name):
    told = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    return told[0] if told else words[words.index(name) + 1]


def skopeo(words, state):
    if words[0] == "login":
        sys.stdin.read()
    elif words[0] == "copy":
        state["images"][words[-1].removeprefix("docker://")] = words[-2].removeprefix("oci:")
    else:
        others = (Path(p, "skopeo") for p in os.environ["PATH"].split(":") if p != str(HOME))
        os.execv(next(path for path in others if path.exists()), ["skopeo", *words])


def misplaced(words):
    """What gcloud refuses: said of one container, as all is after `--container NAME`, and of the whole."""
    after = words[words.index("--container") + 2 :] if "--container" in words else []
    return [word for word in after if word.startswith("--") and word.partition("=")[0] != "--image"]


def gcloud(words, state):
    if flags := misplaced(words):
        print(f"unrecognized arguments: {' '.join(flags)}", file=sys.stderr)
        return False
    if words[0] == "auth":
        return "token"
    if words[0] == "artifacts":
        return {"image_summary": {}} if words[4] in state["images"] else False
    if words[0] == "logging":
        assigned = "process.assigned" in words[-1]
        return ("process.assigned" if state["assigned"] else "") if assigned else state["errors"]
    verb, name = next((v, words[i + 1]) for i, v in enumerate(words) if v in VERBS)
    return VERBS[verb](words, name, state)


def describe(words, name, state):
    if "revisions" in words:
        return {"metadata": {"name": name}} if name in state["revisions"] else False
    shares = [
        {"revisionName": revision, "percent": percent, "url": state["revisions"][revision]}
        for revision, percent in state["traffic"].items()
    ]
    tags = [
        {"revisionName": revision, "tag": tag, "url": state["revisions"][revision]}
        for tag, revision in state["tags"].items()
    ]
    url = state["revisions"][max(state["traffic"], key=state["traffic"].get)]
    variables = [{"name": name, "value": value} for name, value in state["environment"].items()]
    containers = [{"name": name.partition("-")[2], "image": state["image"], "env": variables}]
    return {
        "spec": {"template": {"metadata": state["written"], "spec": {"containers": containers}}},
        "status": {"traffic": shares + tags, "instanceSplits": shares, "url": url},
    }


def update(words, name, state):
    """A new revision, which has to answer its startup probe, as Cloud Run wants it; or a job."""
    if "jobs" in words:
        state["jobs"][name] = option(words, "--image")
        return None
    revision = f"{name}-{option(words, '--revision-suffix')}"
    state["image"] = option(words, "--image")
    state["written"] = {"name": revision, "annotations": {"run.googleapis.com/client-name": "gcloud"}}
    if "worker-pools" in words:
        state["revisions"][revision] = "works by itself"
        return None
    layout = state["images"][state["image"]]
    root = HOME / revision
    subprocess.run(["umoci", "unpack", "--image", layout, root], check=True, capture_output=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = json.loads((root / "config.json").read_text())["process"]
    env = dict(pair.split("=", 1) for pair in config["env"])
    env |= prove.environment("/tmp") | {"PORT": str(port), "K_SERVICE": name} | state["environment"]
    entry = ["unshare", f"--root={root}/rootfs", "--wd=/", *config["args"]]
    running = subprocess.Popen(
        entry, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    for _ in range(200):
        if prove.get(port, "/healthz"):
            break
        if running.poll() is not None:
            return False
        time.sleep(0.05)
    else:
        return False
    state["processes"][revision] = running.pid
    state["revisions"][revision] = f"http://127.0.0.1:{port}"
    state["tags"][option(words, "--tag")] = revision
    return None


def update_traffic(words, _name, state):
    if any(word.startswith("--update-tags") for word in words):
        tag, revision = option(words, "--update-tags").split("=")
        state["tags"][tag] = revision
        return
    shares = (pair.split("=") for pair in option(words, "--to-revisions").split(","))
    state["traffic"] = {revision: int(percent) for revision, percent in shares}
    for revision in state["traffic"]:
        if state["falls"] and revision in state["processes"]:
            os.kill(state["processes"][revision], 9)


VERBS = {
    "describe": describe,
    "update": update,
    "update-traffic": update_traffic,
    "update-instance-split": update_traffic,
}


def aws(words, state):
    if words[0] == "s3":
        state["images"][words[3]] = words[2]
        return None
    if words[0] == "s3api":
        key = f"s3://{option(words, '--bucket')}/{option(words, '--key')}"
        return {"ContentLength": 1} if key in state["images"] else False
    verb = words[1]
    if verb == "update-function-code":
        key = f"s3://{option(words, '--s3-bucket')}/{option(words, '--s3-key')}"
        state["latest"] = state["images"][key]
    elif verb == "publish-version":
        # As Lambda: of what has not changed there is no second version.
        number, version = max(state["versions"].items(), key=lambda pair: int(pair[0]))
        if version != (made := {"zip": state["latest"], "environment": state["environment"]}):
            number = str(int(number) + 1)
            state["versions"][number] = made
        return number
    elif verb == "get-alias":
        return {"FunctionVersion": state["live"]}
    elif verb == "update-alias":
        state["live"] = option(words, "--function-version")
    elif verb == "invoke":
        asked = option(words, "--qualifier")
        fails = state["falls"] and asked == "live"
        number = state["live"] if asked == "live" else asked
        event, target = words[words.index("--payload") + 1 :][:2]
        Path(target).write_bytes(invoke(state, number, fails, json.loads(event)))
    return None


def invoke(state, number, fails, event):
    """The bootstrap of a version, started as Lambda starts it."""
    version = state["versions"][number]
    packed = Path(version["zip"])
    root = HOME / f"version-{number}"
    zipfile.ZipFile(packed).extractall(root)
    (root / "bootstrap").chmod(0o755)
    if fails:
        return b'{"errorMessage": "Runtime exited", "errorType": "Runtime.ExitError"}'
    made = artefact.Made(str(packed), root, "/bootstrap", 0)
    return prove.invoked(made, event, version["environment"])[0]


if __name__ == "__main__":
    main()
