"""Lambda: a version that nobody calls, asked for its release, then the alias `live`, under watch."""

import json
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .prove import question, released
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


def number(steps, place):
    """The number under which this release is published, or nothing."""
    query = f"Versions[?Description=='{place.version}'].Version | [-1]"
    return steps.ask(*place.run("list-versions-by-function", "--query", query, "--output", "json"))


def exists(steps, place):
    """Whether this release is published already: then nothing is built, it only gets the traffic."""
    return number(steps, place) is not None


def push(steps, made, place):
    target = f"s3://{place.bucket}/{place.key}"
    steps.cloud("aws", "s3", "cp", made.archive, target, "--region", place.region)


def create(steps, place):
    """A version published under the commit; nobody calls it yet."""
    where = ["--s3-bucket", place.bucket, "--s3-key", place.key, "--architectures", "arm64"]
    steps.cloud(*place.run("update-function-code", *where))
    steps.cloud(*place.run("wait function-updated-v2"))
    steps.cloud(*place.run("publish-version", "--description", place.version))


def roll_out(steps, place, new, seconds):
    alias = steps.ask(*place.run("get-alias", "--name", "live", "--output", "json")) or {}
    before = alias.get("FunctionVersion", "BEFORE")
    try:
        if new:
            create(steps, place)
        version = number(steps, place) or "NEW"
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
    """It tells its release, five times running; with `seconds`, for so long."""
    steps.say(f"gate: {qualifier} has to answer with {place.version}")
    asked, end = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        event = json.dumps(question(place.function))
        payload = ["--cli-binary-format", "raw-in-base64-out", "--payload", event, str(answer)]
        while asked < 5 or time.monotonic() < end:
            steps.cloud(*place.run("invoke", "--qualifier", qualifier, *payload))
            if steps.dry:
                return
            told = answer.read_bytes()
            if released(told) != place.version:
                raise Failed(f"it answered {told.decode(errors='replace')}")
            asked += 1
            time.sleep(0.2 if asked < 5 else 1)
