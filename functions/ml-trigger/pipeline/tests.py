#!/usr/bin/env python3
"""Tests of the pipeline and its training step, on Parquet files as the daily run exports them."""

import contextlib
import io
import json
import random
import re
import subprocess
import sys
import tempfile
import unittest
from datetime import date, timedelta
from pathlib import Path

import pyarrow
import pyarrow.parquet

import pipeline
import training

LAST = date(2026, 11, 22)
# As sql/level_features/export.sql gives them.
SCHEMA = pyarrow.schema(
    [("app_id", pyarrow.string()), ("level_id", pyarrow.string())]
    + [(name, pyarrow.float64()) for name in training.MEASURED]
)


class Place:
    """A place of features and models, and the manifest that the trigger would write."""

    def __init__(self, rows_of_day):
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.features, self.models = self.root / "features", self.root / "models"
        days = [self.exported(day, rows) for day, rows in sorted(rows_of_day.items())]
        self.manifest = {"training_date": str(max(rows_of_day)), "lookback_days": 30, "days": days}

    def exported(self, day, rows):
        path = self.features / str(day) / "part-0.parquet"
        path.parent.mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), path)
        file = {"path": f"{day}/part-0.parquet", "sha256": training.sha256(path)}
        return {"day": str(day), "files": [file]}

    def run(self, step, **changed):
        """The module with the words that a job starts it with; its error, if it is one."""
        (self.root / "manifest.json").write_text(json.dumps(self.manifest))
        names = {
            "train": {
                "training_date": self.manifest["training_date"], "lookback_days": "30",
                "manifest": self.root / "manifest.json", "features": self.features,
                "models": self.models, "model": self.root / "out" / "model",
                "report": self.root / "out" / "report", "better": self.root / "out" / "better",
            },
            "promote": {
                "model": self.root / "out" / "model", "report": self.root / "out" / "report",
                "models": self.models,
            },
        }[step]
        words = [f"--{name}={value}" for name, value in (names | changed).items()]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                training.main([step, *words])
        except SystemExit as ended:
            return str(ended)
        return None

    def report(self):
        return json.loads((self.root / "out" / "report").read_text())


def level(app, number, pass_rate, moves):
    return {
        "app_id": app, "level_id": str(number), "pass_rate": round(min(1.0, max(0.0, pass_rate)), 6),
        "avg_moves": moves, "p95_moves": None if number % 7 == 0 else moves * 2,
        "retry_rate": 0.3, "booster_usage_rate": 0.1,
    }


def steady(noise=0.08, days=30, levels=40):
    """Levels of a difficulty of their own that moves show, measured with noise."""
    chance = random.Random(7)
    return {
        LAST - timedelta(days=back): [
            level("game", n, 0.15 + 0.018 * n + chance.gauss(0, noise), 40.0 - 0.7 * n)
            for n in range(levels)
        ]
        for back in range(days)
    }


def wandering(days=30, levels=40):
    """Levels that walk at random: nobody can know more than where each is today."""
    chance = random.Random(7)
    at = [chance.uniform(0.3, 0.7) for _ in range(levels)]
    rows = {}
    for back in reversed(range(days)):
        at = [min(1.0, max(0.0, rate + chance.gauss(0, 0.02))) for rate in at]
        rows[LAST - timedelta(days=back)] = [level("game", n, at[n], 20.0) for n in range(levels)]
    return rows


class Training(unittest.TestCase):
    def test_a_model_that_knows_more_than_a_guess_is_promoted(self):
        place = Place(steady())
        self.assertIsNone(place.run("train"))
        report = place.report()
        errors = report["mean_absolute_errors"]
        self.assertTrue(report["better"], errors)
        self.assertLess(errors["model"], 0.9 * errors["today_again"])
        self.assertEqual((place.root / "out" / "better").read_text(), "true")
        self.assertEqual(report["examples"], {"learned_from": 22 * 40, "held_back": 7 * 40})
        self.assertEqual(report["held_back_from"], "2026-11-16")
        self.assertIsNone(place.run("promote"))
        model, in_use = training.in_use(str(place.models))
        self.assertEqual(in_use["training_date"], str(LAST))
        self.assertIsNotNone(model)

    def test_a_model_that_guessing_beats_is_not_promoted(self):
        place = Place(wandering())
        self.assertIsNone(place.run("train"))
        errors = place.report()["mean_absolute_errors"]
        self.assertLess(min(errors["today_again"], errors["mean_of_days"]), errors["model"])
        self.assertEqual((place.root / "out" / "better").read_text(), "false")
        self.assertIn("not better than guessing", place.run("promote"))
        self.assertFalse((place.models / "current.json").exists())

    def test_a_model_that_the_one_in_use_beats_is_not_promoted(self):
        rows = steady()
        # The one in use has learned before a week in which everything was measured badly.
        before = {day: of_day for day, of_day in rows.items() if day <= LAST - timedelta(days=7)}
        place = Place(before)
        self.assertIsNone(place.run("train"))
        self.assertIsNone(place.run("promote"))
        chance = random.Random(3)
        spoilt = {
            day: [dict(row, avg_moves=chance.uniform(10, 40)) for row in of_day] if day < LAST - timedelta(days=7) else of_day
            for day, of_day in rows.items()
        }
        later = Place(spoilt)
        place.models.rename(later.models)
        self.assertIsNone(later.run("train"))
        self.assert_worse(later.report(), 7 * 40)

    def assert_worse(self, report, examples):
        errors = report["beside_the_model_in_use"]["mean_absolute_errors"]
        self.assertLess(errors["model_in_use"], errors["model"])
        self.assertEqual(report["beside_the_model_in_use"]["examples"], examples)
        self.assertEqual((report["better"], report["why_not"]), (False, "it is not better than the model in use"))

    def test_a_day_that_is_missing_spares_no_model_the_comparison(self):
        rows = steady()
        place = Place({day: of_day for day, of_day in rows.items() if day <= LAST - timedelta(days=7)})
        self.assertIsNone(place.run("train"))
        self.assertIsNone(place.run("promote"))
        # Nothing but the moves tells how hard a level is, and those were measured badly before this week:
        # better than guessing, and still worse than the one in use.
        chance = random.Random(3)
        spoilt = {
            day: of_day if day >= LAST - timedelta(days=7) else
            [dict(row, avg_moves=row["avg_moves"] + chance.gauss(0, 6)) for row in of_day]
            for day, of_day in rows.items()
        }
        # So the first of the days that are held back is one that the model in use has learned from.
        del spoilt[LAST - timedelta(days=3)]
        later = Place(spoilt)
        place.models.rename(later.models)
        self.assertIsNone(later.run("train"))
        report = later.report()
        errors = report["mean_absolute_errors"]
        self.assertLess(errors["model"], min(errors["today_again"], errors["mean_of_days"]))
        self.assertLessEqual(report["held_back_from"], str(LAST - timedelta(days=7)))
        self.assert_worse(report, 5 * 40)

    def test_a_model_of_the_same_or_an_earlier_day_takes_no_place(self):
        place = Place(steady())
        self.assertIsNone(place.run("train"))
        self.assertIsNone(place.run("promote"))
        pointer = (place.models / "current.json").read_text()
        earlier = {day: of_day for day, of_day in steady(days=37).items() if day <= LAST - timedelta(days=7)}
        older = Place(earlier)
        # Its job has begun before the other's ended.
        self.assertIsNone(older.run("train"))
        self.assertTrue(older.report()["better"])
        place.models.rename(older.models)
        self.assertIn(f"one of {LAST} is in use by now", older.run("promote"))
        self.assert_no_earlier(older, pointer)
        older.models.rename(place.models)
        self.assert_no_earlier(place, pointer)

    def assert_no_earlier(self, place, pointer):
        self.assertIsNone(place.run("train"))
        why = f"the model in use is of {LAST}, which is no earlier day"
        self.assertEqual((place.report()["better"], place.report()["why_not"]), (False, why))
        self.assertIn(why, place.run("promote"))
        self.assertEqual((place.models / "current.json").read_text(), pointer)

    def test_too_few_days_that_are_new_to_the_model_in_use_promote_nobody(self):
        place = Place({day: of_day for day, of_day in steady(days=31, levels=9).items() if day < LAST})
        self.assertIsNone(place.run("train"))
        self.assertIsNone(place.run("promote"))
        later = Place(steady(levels=9))
        place.models.rename(later.models)
        self.assertIsNone(later.run("train"))
        self.assertFalse(later.report()["better"])
        self.assertIn("9 examples are left to compare by", later.report()["why_not"])

    def test_a_game_that_sends_no_moves_is_trained_on(self):
        rows = {
            day: [dict(row, avg_moves=None, p95_moves=None) for row in of_day]
            for day, of_day in steady(days=12).items()
        }
        place = Place(rows)
        self.assertIsNone(place.run("train"))
        errors = place.report()["mean_absolute_errors"]
        self.assertLess(errors["model"], errors["today_again"])

    def test_the_same_files_give_the_same_model(self):
        place = Place(steady(days=12))
        models = []
        for _ in range(2):
            self.assertIsNone(place.run("train"))
            models.append((training.sha256(place.root / "out" / "model"), place.report()))
        self.assertEqual(*models)

    def test_another_file_than_the_manifest_names_is_refused(self):
        place = Place(steady(days=12))
        path = next(place.features.glob("*/part-0.parquet"))
        path.write_bytes(path.read_bytes() + b" ")
        self.assertIn("is not the file that the manifest names", place.run("train"))
        self.assertFalse((place.root / "out" / "model").exists())

    def test_the_manifest_of_another_day_is_refused(self):
        said = Place(steady(days=12)).run("train", training_date="2026-11-15")
        self.assertIn("not 2026-11-15", said)

    def test_too_few_days_are_refused(self):
        for days in (1, 2, 4):
            self.assertIn("are needed", Place(steady(days=days, levels=5)).run("train"))

    def test_a_promoted_model_that_was_changed_is_not_loaded(self):
        place = Place(steady(days=12))
        self.assertIsNone(place.run("train"))
        self.assertIsNone(place.run("promote"))
        path = next(place.models.glob("*/model.joblib"))
        path.write_bytes(path.read_bytes() + b" ")
        self.assertIn("is not the model that", place.run("train"))

    def test_days_and_levels_that_are_missing_are_left_out(self):
        one, two, four = (LAST - timedelta(days=back) for back in (3, 2, 0))
        nobody_finished = level("game", 3, 0.5, 1.0) | {"pass_rate": None}
        found = {
            one: [level("game", 1, 0.25, 9.0), level("other", 1, 0.75, 9.0)],
            two: [level("game", 1, 0.5, 9.0), nobody_finished],
            four: [level("game", 1, 1.0, 9.0)],
        }
        place = Place(found)
        of_levels = training.levels(place.manifest, str(place.features))
        self.assertEqual(set(of_levels), {("game", "1"), ("other", "1")})
        known, truth, days = training.examples(of_levels)
        self.assertEqual((truth.tolist(), days.tolist()), ([0.5], [two]))
        self.assertEqual(known[0, training.COLUMNS.index("mean_pass_rate")], 0.25)


class Compiled(unittest.TestCase):
    def test_the_committed_pipeline_is_what_would_be_compiled(self):
        self.assertEqual(pipeline.TARGET.read_text(), pipeline.compiled(), "pipeline.py writes it")

    def test_its_steps_hold_the_code_and_the_pins(self):
        spec = json.loads(pipeline.TARGET.read_text())
        executors = spec["deploymentSpec"]["executors"]
        self.assertEqual(set(executors), {"exec-train", "exec-promote"})
        for executor in executors.values():
            _, _, _, pins, code = executor["container"]["command"]
            self.assertEqual(code, Path(training.__file__).read_text())
            self.assertTrue(all("--hash=sha256:" in pin for pin in re.findall(r"^\S.*(?:\n    .*)+", pins, re.M)))
            self.assertIn("scikit-learn==", pins)
        condition = spec["root"]["dag"]["tasks"]["condition-1"]["triggerPolicy"]["condition"]
        self.assertIn("better'] == true", condition)

    def test_a_step_starts_as_its_container_would(self):
        spec = json.loads(pipeline.TARGET.read_text())
        sh, flags, start, _, code = spec["deploymentSpec"]["executors"]["exec-train"]["container"]["command"]
        with tempfile.TemporaryDirectory() as folder:
            # What is there already need not be installed.
            pip = Path(folder) / "pip"
            pip.write_text("#!/bin/sh\ntest -s requirements.txt\n")
            (Path(folder) / "python").symlink_to(sys.executable)
            pip.chmod(0o755)
            path = {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
            words = [sh, flags, start, "pins", code, "promote", "--help"]
            done = subprocess.run(words, capture_output=True, text=True, env=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--models", done.stdout)


if __name__ == "__main__":
    unittest.main()
