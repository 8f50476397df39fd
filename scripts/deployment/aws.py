"""Lambda: a version that nobody calls, asked for its release, then the alias `live`, under watch."""

import json
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .prove import question, text_of
from .steps import Failed

PLACE = re.compile(r"^(.+)-artefacts-\d+-([a-z]{2}(?:-[a-z]+)+-\d)$")


class Place(NamedTuple):
    """Where a release of a function goes."""

    bucket: str
    prefix: str
    region: str
    function: str
    version: str
    platform: str = "aws"

    @classmethod
    def of(cls, bucket, function, version):
        told = PLACE.match(bucket)
        if not told:
            raise Failed(f"{bucket!r} is no bucket for builds: write PREFIX-artefacts-ACCOUNT-REGION")
        return cls(bucket, *told.groups(), function, version)

    @property
    def key(self):
        return f"{self.function}/{self.version}.zip"

    def run(self, verb, *more):
        """A command of the aws program about the function."""
        name = ["--function-name", f"{self.prefix}-{self.function}"]
        return ["aws", "lambda", *verb.split(), *name, *more, "--region", self.region]


def place(steps):
    if steps.dry:
        return "questline-artefacts-000000000000-us-east-1"
    return steps.here("terraform", "-chdir=terraform/aws", "output", "-raw", "artefacts")


def exists(steps, place):
    """Whether this release was pushed already: then nothing is built."""
    where = ["--bucket", place.bucket, "--key", place.key, "--region", place.region]
    return steps.ask("aws", "s3api", "head-object", *where) is not None


def push(steps, made, place):
    target = f"s3://{place.bucket}/{place.key}"
    steps.cloud("aws", "s3", "cp", made.archive, target, "--region", place.region)


def create(steps, place):
    """A version of this release, and of the configuration as it is now; nobody calls it yet. Where the
    last one published is just that, it is this one: Lambda makes no second one."""
    where = ["--s3-bucket", place.bucket, "--s3-key", place.key, "--architectures", "arm64"]
    steps.cloud(*place.run("update-function-code", *where))
    steps.cloud(*place.run("wait function-updated-v2"))
    told = ["--description", place.version, "--query", "Version", "--output", "text"]
    return steps.cloud(*place.run("publish-version", *told)) or "NEW"


def roll_out(steps, place, seconds):
    alias = steps.ask(*place.run("get-alias", "--name", "live", "--output", "json")) or {}
    before = alias.get("FunctionVersion", "BEFORE")
    try:
        version = create(steps, place)
        gate(steps, place, version, 0)
    except Failed as failed:
        raise Failed(f"{place.version} got no traffic: {failed}") from failed
    live = ["--name", "live", "--function-version"]
    try:
        steps.cloud(*place.run("update-alias", *live, version))
        gate(steps, place, "live", seconds)
    except Failed as failed:
        steps.cloud(*place.run("update-alias", *live, before))
        raise Failed(f"rolled back to version {before}: {failed}") from failed
    steps.say(f"version {version} ({place.version}) has all of it; before: version {before}")


def gate(steps, place, qualifier, seconds):
    """It tells its release, and ingest that it is ready, five times running; with `seconds`, for so
    long."""
    answers = {"/version": place.version}
    if place.function == "ingest":
        answers["/ready"] = "ready"
    steps.say(f"gate: {qualifier} has to answer with {' and '.join(answers.values())}")
    asked, end = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        payload = ["--cli-binary-format", "raw-in-base64-out", "--payload"]
        while asked < 5 or time.monotonic() < end:
            for path, wanted in answers.items():
                event = json.dumps(question(place.function, path))
                invoke = place.run("invoke", "--qualifier", qualifier, *payload, event, str(answer))
                steps.cloud(*invoke)
                if not steps.dry and text_of(told := answer.read_bytes()) != wanted:
                    raise Failed(f"{path} answered {told.decode(errors='replace')}")
            if steps.dry:
                return
            asked += 1
            time.sleep(0.2 if asked < 5 else 1)
