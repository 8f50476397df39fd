"""scripts/deploy, on what tests have built, against the cloud of cloud.py."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from deployment import artefact, build, prove  # noqa: E402
from deployment.steps import Failed  # noqa: E402

GCP = "us-central1-docker.pkg.dev/a-project/questline"
AWS = "questline-artefacts-000000000000-us-east-1"


class Deploy(unittest.TestCase):
    def setUp(self):
        self.home = Path(tempfile.mkdtemp())
        for program in ["gcloud", "aws", "skopeo"]:
            shim = self.home / program
            shim.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/scripts/deployment/cloud.py {program} "$@"\n')
            shim.chmod(0o755)
        self.state(
            images={}, revisions={"old": "http://127.0.0.1:9"}, traffic={"old": 100}, tags={},
            processes={}, jobs={}, environment={}, falls=False, assigned=True, errors="",
            versions={"1": {"zip": "", "environment": {}}}, live="1", image="old", written={},
        )  # fmt: skip

    def tearDown(self):
        for process in self.told()["processes"].values():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.home, ignore_errors=True)

    def state(self, **changes):
        path = self.home / "state.json"
        path.write_text(json.dumps({**(self.told() if path.exists() else {}), **changes}))

    def told(self):
        return json.loads((self.home / "state.json").read_text())

    def calls(self):
        path = self.home / "calls"
        return path.read_text() if path.exists() else ""

    def deploy(self, function, platform, *more):
        env = {
            **os.environ,
            "CLOUD": str(self.home),
            "PATH": f"{self.home}:{os.environ['PATH']}",
            # Everything is set up: the tests' own packages are enough.
            "QUESTLINE_CROSS": "",
        }
        # By this very Python: a wrapper of another one may put its own programs before the cloud's.
        command = [sys.executable, ROOT / "scripts/deploy", function, "--platform", platform, "--profile", "dev"]
        done = subprocess.run(
            [*command, "--to", GCP if platform == "gcp" else AWS, "--watch", "1", *more],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def test_a_dry_run_makes_the_image_tries_it_and_touches_no_cloud(self):
        code, said = self.deploy("ingest", "gcp", "--dry-run")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"image sha256:[0-9a-f]+ of ingest: [0-9.]+ MB packed")
        self.assertRegex(said, r"/questline-ingest answers as [0-9a-f]{12}")
        self.assertRegex(said, r"[0-9.]+ ms at best")
        for step in ["skopeo copy", "services update ", "--no-traffic", "--to-revisions="]:
            self.assertRegex(said, rf"\$ .*{step}.*# not run")
        self.assertNotRegex(self.calls(), "gcloud|aws|copy|login")

    def test_a_good_release_gets_the_traffic_and_is_not_made_twice(self):
        code, said = self.deploy("ingest", "gcp")
        self.assertEqual(code, 0, said)
        new = next(name for name in self.told()["revisions"] if name != "old")
        self.assertEqual(self.told()["traffic"], {new: 100})
        self.assertLess(self.calls().index("--no-traffic"), self.calls().index("--to-revisions"))
        self.state(traffic={"old": 100})
        code, said = self.deploy("ingest", "gcp")
        self.assertEqual((code, self.told()["traffic"]), (0, {new: 100}), said)
        self.assertEqual(self.calls().count("skopeo copy"), 1, "it was there")

    def test_what_terraform_has_changed_reaches_a_release_that_was_there(self):
        for function, platform, traffic, pushed in [
            ("ingest", "gcp", "traffic", "skopeo copy"),
            ("process", "aws", "live", "s3 cp"),
        ]:
            self.assertEqual(self.deploy(function, platform)[0], 0)
            before = self.told()[traffic]
            self.state(environment={"QUESTLINE_UNREGISTERED": "dead_letter"})
            code, said = self.deploy(function, platform)
            self.assertEqual(code, 0, said)
            self.assertNotEqual(self.told()[traffic], before, said)
            self.assertEqual(self.calls().count(pushed), 1, "it was there")
            self.state(environment={})

    def test_what_is_deployed_is_built_without_duckdb(self):
        for function in build.FUNCTIONS:
            tree = ["cargo", "tree", "--locked", "-p", f"questline-{function}", "-e", "normal"]
            light = subprocess.run([*tree, build.LIGHT], cwd=ROOT, capture_output=True, text=True, check=True)
            self.assertIn("questline-log-kafka", light.stdout)
            self.assertNotIn("libduckdb-sys", light.stdout, function)

    def test_a_build_that_fails_here_is_not_pushed(self):
        for spoil, why in [
            ("cp /bin/false $root/questline-ingest", "ended with 1 at its start"),
            ("echo another >$root/release", "says it is 'another'"),
        ]:
            # Something else is laid into the image.
            (self.home / "umoci").write_text(
                f'#!/bin/sh\nfor root; do case "$1 $root" in "insert "*/root) {spoil};; esac; done\n'
                f'exec {shutil.which("umoci")} "$@"\n'
            )
            (self.home / "umoci").chmod(0o755)
            code, said = self.deploy("ingest", "gcp")
            self.assertEqual((code, self.told()["traffic"]), (1, {"old": 100}), said)
            self.assertIn(why, said)
            self.assertNotRegex(self.calls(), "skopeo (login|copy)|update")

    def test_a_build_that_is_large_or_slow_is_not_pushed(self):
        made = artefact.Made("oci:none", self.home, "/none", int(prove.SIZE_MB * 1e6))
        prove.hold(made, prove.START_MS)
        # Under qemu no time is known.
        prove.hold(made, None)
        for size, milliseconds, why in [(1, 0, "may be 25 MB"), (0, 1, "may take 30 ms")]:
            with self.assertRaisesRegex(Failed, why):
                prove.hold(made._replace(size=made.size + size), prove.START_MS + milliseconds)

    def test_what_does_not_start_in_the_cloud_gets_no_traffic(self):
        self.state(environment={"QUESTLINE_KEYS": "no list"})
        code, said = self.deploy("ingest", "gcp")
        self.assertEqual((code, self.told()["traffic"]), (1, {"old": 100}), said)
        self.assertNotIn("--to-revisions", self.calls())

    def test_what_does_not_reach_its_log_gets_no_traffic(self):
        self.state(environment={"QUESTLINE_LOG": "kafka:127.0.0.1:9"})
        code, said = self.deploy("ingest", "gcp")
        self.assertEqual((code, self.told()["traffic"]), (1, {"old": 100}), said)
        self.assertIn("got no traffic", said)
        self.assertNotIn("--to-revisions", self.calls())

    def test_what_fails_under_traffic_is_rolled_back(self):
        self.state(falls=True)
        code, said = self.deploy("ingest", "gcp")
        self.assertEqual((code, self.told()["traffic"]), (1, {"old": 100}), said)
        self.assertIn("rolled back to old", said)

    def test_a_worker_has_to_take_partitions_up_and_to_log_no_error(self):
        code, said = self.deploy("process", "gcp", "--watch", "0")
        self.assertEqual(code, 0, said)
        self.assertIn("--no-promote", self.calls())
        self.assertNotIn("old", self.told()["traffic"])
        self.assertRegex(self.told()["jobs"]["questline-replay"], f"^{GCP}/process:[0-9a-f]{{12}}")
        self.state(traffic={"old": 100}, jobs={}, errors="process.fatal")
        code, said = self.deploy("process", "gcp", "--watch", "0")
        self.assertEqual((code, self.told()["traffic"]), (1, {"old": 100}), said)
        self.assertEqual(self.told()["jobs"], {}, "a replay judges by the release that processes")

    def test_a_version_on_lambda_is_asked_before_it_is_live(self):
        code, said = self.deploy("process", "aws")
        self.assertEqual((code, self.told()["live"]), (0, "2"), said)
        self.assertLess(self.calls().index("--qualifier 2"), self.calls().index("update-alias"))
        self.state(live="1", falls=True)
        code, said = self.deploy("process", "aws")
        self.assertEqual((code, self.told()["live"]), (1, "1"), said)
        self.assertIn("rolled back to version 1", said)
        self.assertEqual(self.calls().count("s3 cp"), 1, "it was there")

    def test_a_version_that_does_not_reach_its_log_is_not_live(self):
        self.state(environment={"QUESTLINE_LOG": "kafka:127.0.0.1:9"})
        code, said = self.deploy("ingest", "aws")
        self.assertEqual((code, self.told()["live"]), (1, "1"), said)
        self.assertRegex(said, "got no traffic: .*(ended with|not_ready)")
        self.assertNotIn("update-alias", self.calls())

    def test_wrong_wishes_are_named(self):
        for words, code, said in [
            (["nothing", "--platform", "gcp"], 2, "invalid choice"),
            (["ingest", "--platform", "moon"], 2, "invalid choice"),
            (["ingest", "--platform", "gcp", "--to", "nowhere", "--dry-run"], 1, "no place for images"),
        ]:
            done = subprocess.run(
                [sys.executable, ROOT / "scripts/deploy", *words],
                env={**os.environ, "QUESTLINE_CROSS": ""}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertTrue(re.search(said, done.stderr), done.stderr)


if __name__ == "__main__":
    unittest.main()
