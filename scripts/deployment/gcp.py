"""Cloud Run: a revision without traffic, asked at its own address, then the traffic, under watch.

`process` answers nobody: it is a worker pool. Its new revision is given the instances, and has to take
partitions up, or the revision before gets them back; what it did until then stands, exactly once.
After it the job that replays gets the same image: what is judged anew is judged alike.
"""

import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from typing import NamedTuple

from .steps import Failed

PLACE = re.compile(r"^([a-z0-9-]+)-docker\.pkg\.dev/([^/]+)/([^/]+)$")
TAG = "candidate"
# How long a worker may take until it takes partitions up.
PATIENCE = 180


class Place(NamedTuple):
    """Where a release of a function goes."""

    repository: str
    region: str
    project: str
    prefix: str
    function: str
    version: str
    platform: str = "gcp"
    settings: str = "SETTINGS"

    @classmethod
    def of(cls, repository, function, version):
        told = PLACE.match(repository)
        if not told:
            form = "REGION-docker.pkg.dev/PROJECT/PREFIX"
            raise Failed(f"{repository!r} is no place for images: write {form}")
        return cls(repository, *told.groups(), function, version)

    @property
    def image(self):
        return f"{self.repository}/{self.function}:{self.version}"

    @property
    def name(self):
        return f"{self.prefix}-{self.function}"

    @property
    def revision(self):
        return f"{self.name}-{self.suffix}"

    @property
    def suffix(self):
        return f"v{self.version}-{self.settings}"

    @property
    def works(self):
        """Whether it works by itself, instead of answering."""
        return self.function == "process"

    def run(self, verb, *more):
        """A command of gcloud about the service or the worker pool. Where it is stands before all else:
        what comes after `--container NAME` gcloud takes as said of that container alone."""
        kind = "worker-pools" if self.works else "services"
        where = ["--region", self.region, "--project", self.project]
        return ["gcloud", "run", kind, verb, self.name, *where, *more]

    def split(self, shares):
        """The command by which revisions get their shares of traffic or instances."""
        verb = "update-instance-split" if self.works else "update-traffic"
        told = ",".join(f"{revision}={percent}" for revision, percent in shares.items())
        return self.run(verb, f"--to-revisions={told}")


def place(steps):
    if steps.dry:
        return "us-central1-docker.pkg.dev/your-project/questline"
    return steps.here("terraform", "-chdir=terraform/gcp", "output", "-raw", "images")


def exists(steps, place):
    """Whether this release was pushed already: then nothing is built."""
    wanted = [place.image, "--project", place.project, "--format=json(image_summary.digest)"]
    return steps.ask("gcloud", "artifacts", "docker", "images", "describe", *wanted) is not None


def settings(service, function):
    """A short name of what Terraform has said of the instances: of all but the image of the function,
    and who wrote it last."""
    # Google's newer interface tells of a template without `spec` and `metadata`.
    template = (service.get("spec") or service).get("template") or {}
    told, spec = template.get("metadata") or {}, template.get("spec") or template
    notes = [(told.get(kind) or {}).items() for kind in ("annotations", "labels")]
    notes = [[pair for pair in sorted(kind) if "client" not in pair[0]] for kind in notes]
    others = [
        {**container, "image": ""} if container.get("name") == function else container
        for container in spec.get("containers") or []
    ]
    text = json.dumps([notes, {**spec, "containers": others, "revision": ""}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_made(steps, place):
    """Whether there is a revision of this release with these settings: then it only gets the traffic."""
    kind = ["worker-pools", "revisions"] if place.works else ["revisions"]
    where = ["--region", place.region, "--project", place.project, "--format=json(metadata.name)"]
    return steps.ask("gcloud", "run", *kind, "describe", place.revision, *where) is not None


def push(steps, made, place):
    token = steps.cloud("gcloud", "auth", "print-access-token")
    sign_in = ["--username", "oauth2accesstoken", "--password-stdin", place.repository.split("/")[0]]
    steps.cloud("skopeo", "login", *sign_in, given=token)
    steps.cloud("skopeo", "copy", "--retry-times", "3", made.archive, f"docker://{place.image}")


def create(steps, place):
    """A revision named for the commit and the settings, and no share of the traffic for it."""
    image = ["--container", place.function, "--image", place.image]
    suffix = ["--revision-suffix", place.suffix]
    shares = ["--no-promote"] if place.works else ["--no-traffic", "--tag", TAG]
    steps.cloud(*place.run("update", *suffix, *shares, *image))


def roll_out(steps, place, seconds):
    service = described(steps, place)
    if service:
        place = place._replace(settings=settings(service, place.function))
    status = service.get("status") or {}
    shares = status.get("instanceSplits" if place.works else "traffic") or []
    before = {share["revisionName"]: share["percent"] for share in shares if share.get("percent")}
    before = before or {"THE-REVISION-BEFORE": 100}
    try:
        if not is_made(steps, place):
            create(steps, place)
        if not place.works:
            steps.cloud(*place.run("update-traffic", f"--update-tags={TAG}={place.revision}"))
            tagged = told(steps, place).get("traffic", [])
            urls = [share["url"] for share in tagged if share.get("tag") == TAG]
            gate(steps, place, urls[0] if urls else f"https://{TAG}---{place.name}", seconds, False)
    except Failed as failed:
        raise Failed(f"{place.revision} got no traffic: {failed}") from failed
    try:
        steps.cloud(*place.split({place.revision: 100}))
        if place.works:
            takes_up(steps, place, seconds)
        else:
            url = told(steps, place).get("url", f"https://{place.name}")
            gate(steps, place, url, seconds, True)
    except Failed as failed:
        steps.cloud(*place.split(before))
        raise Failed(f"rolled back to {', '.join(before)}: {failed}") from failed
    steps.say(f"{place.revision} has all of it; before: {', '.join(before)}")
    if place.works:
        follow(steps, place)


def follow(steps, place):
    """A replay judges by the release that processes."""
    job = ["gcloud", "run", "jobs", "update", f"{place.prefix}-replay", "--image", place.image]
    try:
        steps.cloud(*job, "--region", place.region, "--project", place.project)
    except Failed as failed:
        raise Failed(f"a replay would judge by the release before: {failed}") from failed


def described(steps, place):
    return steps.ask(*place.run("describe", "--format=json")) or {}


def told(steps, place):
    return described(steps, place).get("status") or {}


def gate(steps, place, url, seconds, live):
    """It tells its release, five times running, within `seconds`; once it is live, for so long."""
    ready = ["/ready"] if place.function == "ingest" else []
    steps.say(f"gate: {url} has to answer /version with {place.version}{' and /ready' * len(ready)}")
    token = steps.cloud("gcloud", "auth", "print-identity-token")
    if steps.dry:
        return
    end, in_a_row = time.monotonic() + seconds, 0
    while in_a_row < 5 or (live and time.monotonic() < end):
        last = [fetch(url + path, token) for path in ["/version", *ready]]
        fails = any(status != 200 for status, _ in last)
        if last[0] == (200, place.version) and not fails:
            in_a_row += 1
        elif (live and fails) or time.monotonic() > end:
            # Under traffic one failure is enough; the release before may answer a moment longer.
            raise Failed(f"{url} answered {last}")
        else:
            in_a_row = 0
        time.sleep(0.2 if in_a_row < 5 else 1)


def fetch(url, token):
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read(4096).decode(errors="replace").strip()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError as error:
        return 0, str(error)


def takes_up(steps, place, seconds):
    """The worker says that it has taken partitions up, and then no error for `seconds`."""
    of_it = f'resource.labels.revision_name="{place.revision}"'
    query = ["gcloud", "logging", "read", "--project", place.project, "--limit=1", "--freshness=10m"]
    query.append("--format=value(jsonPayload.message)")
    takes = [*query, f'{of_it} AND jsonPayload.message="process.assigned"']
    errors = [*query, f"{of_it} AND severity>=ERROR"]
    steps.say("gate: it has to take partitions up, and to log no error")
    until = time.monotonic() + PATIENCE
    while not steps.cloud(*takes) and not steps.dry:
        if time.monotonic() > until:
            raise Failed(f"no partition was taken up within {PATIENCE} s")
        time.sleep(5)
    time.sleep(0 if steps.dry else seconds)
    if said := steps.cloud(*errors):
        raise Failed(f"it logged {said!r}")
