#!/usr/bin/env python3
"""Learns how hard each level will be tomorrow, and says whether that is worth anything.

    training.py train --training_date DAY --lookback_days N --manifest FILE --features DIR
                      --models DIR --model FILE --report FILE --better FILE
    training.py promote --model FILE --report FILE --models DIR

What is predicted: `pass_rate` of a level on the next day, from what is known of it up to today. The
error is the mean absolute one over days that the model has not seen, the last ones, beside that of
two guesses that cost nothing: today's value again, and the mean of the level's last days. A model
that does not beat both, or that the model in use beats, is reported and not promoted.

It reads the files that the manifest names, and no others; one whose hash differs is an error. Every
place may be a directory or gs://, which Vertex AI mounts under /gcs.
"""

import argparse
import hashlib
import json
import sys
from datetime import date, timedelta
from pathlib import Path

import joblib
import numpy
import pyarrow.parquet
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

MEASURED = ["pass_rate", "avg_moves", "p95_moves", "retry_rate", "booster_usage_rate"]
COLUMNS = [*MEASURED, "mean_pass_rate", "days_seen"]
# So many days back the mean of a level looks.
MEMORY = 7
# So many of the last days are kept from the model, a quarter of all at most.
HELD_BACK = 7
# With fewer examples an error says nothing.
FEWEST = {"learned from": 50, "held back": 10}


class Unusable(Exception):
    """What cannot be trained on, in words for whoever reads the job's log."""


def place(uri):
    return Path("/gcs/" + uri.removeprefix("gs://")) if uri.startswith("gs://") else Path(uri)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def levels(manifest, features):
    """What each level was on each day: {(app, level): {day: values of MEASURED}}."""
    found = {}
    for day in manifest["days"]:
        for file in day["files"]:
            path = place(features) / file["path"]
            if sha256(path) != file["sha256"]:
                raise Unusable(f"{path} is not the file that the manifest names: export {day['day']} anew")
            table = pyarrow.parquet.read_table(path, columns=["app_id", "level_id", *MEASURED])
            for row in table.to_pylist():
                # A level that nobody finished or failed has no rate: it is a day without the level.
                if row["pass_rate"] is not None:
                    of_level = found.setdefault((row["app_id"], row["level_id"]), {})
                    of_level[date.fromisoformat(day["day"])] = [row[name] for name in MEASURED]
    return found


def examples(found):
    """One for each level and day whose next day is known: what is known, the truth, its day."""
    known, truth, days = [], [], []
    for _, of_level in sorted(found.items()):
        for day, values in sorted(of_level.items()):
            tomorrow = of_level.get(day + timedelta(days=1))
            if tomorrow is None:
                continue
            past = [of_level[at][0] for back in range(MEMORY) if (at := day - timedelta(days=back)) in of_level]
            known.append([*values, sum(past) / len(past), len(past)])
            truth.append(tomorrow[0])
            days.append(day + timedelta(days=1))
    return numpy.array(known, dtype=float).reshape(-1, len(COLUMNS)), numpy.array(truth, dtype=float), numpy.array(days)


def measured(known):
    """A column that nobody measured, as zeros: there is nothing in it to learn, and the model takes
    none that is empty."""
    empty = numpy.isnan(known).all(axis=0)
    return numpy.where(empty, 0.0, known)


def learned(known, truth):
    """The model: it takes missing values as they are, and the same examples give the same model."""
    model = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=150, learning_rate=0.05, max_leaf_nodes=15, random_state=0
    )
    return model.fit(measured(known), truth)


def mean_error(guess, truth):
    return float(numpy.mean(numpy.abs(numpy.clip(guess, 0.0, 1.0) - truth)))


def in_use(models):
    """The promoted model and its report; none if nothing was promoted yet."""
    pointer = place(models) / "current.json"
    if not pointer.exists():
        return None, None
    current = json.loads(pointer.read_text())
    path = place(models) / current["model"]
    # What is loaded is run: only the very file that was promoted.
    if sha256(path) != current["sha256"]:
        raise Unusable(f"{path} is not the model that {pointer} names: promote one again")
    report = json.loads((path.parent / "report.json").read_text())
    return (joblib.load(path) if report["columns"] == COLUMNS else None), report


def judged(found, models, training_date):
    """A model and its report; the verdict is the report's `better`."""
    known, truth, days = examples(found)
    every = sorted(set(days.tolist()))
    # The first day held back; what comes before is learned from.
    back = min(HELD_BACK, len(every) // 4)
    first = every[-back] if back else None
    held = days >= first if back else numpy.zeros(len(days), dtype=bool)
    for name, count in {"learned from": int((~held).sum()), "held back": int(held.sum())}.items():
        if count < FEWEST[name]:
            raise Unusable(f"{count} examples to be {name}, and {FEWEST[name]} are needed: give it more days")
    fresh = learned(known[~held], truth[~held])
    errors = {
        "model": mean_error(fresh.predict(known[held]), truth[held]),
        "today_again": mean_error(known[held][:, COLUMNS.index("pass_rate")], truth[held]),
        "mean_of_days": mean_error(known[held][:, COLUMNS.index("mean_pass_rate")], truth[held]),
    }
    beside, why = replaced(fresh, models, training_date, known[held], truth[held], days[held])
    if errors["model"] >= min(errors["today_again"], errors["mean_of_days"]):
        why = "it is not better than guessing"
    report = {
        "better": why is None,
        "why_not": why,
        "mean_absolute_errors": errors,
        "beside_the_model_in_use": beside,
        "examples": {"learned_from": int((~held).sum()), "held_back": int(held.sum())},
        "levels": len(found),
        "held_back_from": first.isoformat(),
        "columns": COLUMNS,
        "scikit_learn": sklearn.__version__,
    }
    # What is promoted has learned from the days that judged it too.
    return learned(known, truth), report


def replaced(fresh, models, training_date, known, truth, days):
    """The errors of a model and of the one in use over days that are new to both; why the second is
    to stay, if it is."""
    older, its_report = in_use(models)
    through = its_report["training_date"] if its_report else ""
    # Days may be closed anew, in any order.
    if through >= training_date:
        return None, f"the model in use is of {through}, which is no earlier day"
    if older is None:
        return None, None
    # Days that it was trained on it would know by heart.
    unseen = days > date.fromisoformat(through)
    count = int(unseen.sum())
    if count < FEWEST["held back"]:
        why = f"the model in use has seen the days through {through}: {count} examples are left to compare by"
        return None, f"{why}, and {FEWEST['held back']} are needed"
    errors = {
        name: mean_error(model.predict(known[unseen]), truth[unseen])
        for name, model in {"model": fresh, "model_in_use": older}.items()
    }
    why = None if errors["model"] < errors["model_in_use"] else "it is not better than the model in use"
    return {"mean_absolute_errors": errors, "examples": count}, why


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def train(given):
    manifest_path = place(given.manifest)
    manifest = json.loads(manifest_path.read_text())
    for name in ("training_date", "lookback_days"):
        if str(manifest[name]) != getattr(given, name):
            raise Unusable(f"{given.manifest} is of {name} {manifest[name]}, not {getattr(given, name)}")
    model, report = judged(levels(manifest, given.features), given.models, given.training_date)
    report["training_date"] = manifest["training_date"]
    report["manifest"] = {"path": given.manifest, "sha256": sha256(manifest_path)}
    place(given.model).parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, place(given.model))
    written(place(given.report), json.dumps(report, indent=2) + "\n")
    written(place(given.better), json.dumps(report["better"]))
    print(json.dumps(report, indent=2))


def promote(given):
    """The model gets a folder of its own, then the pointer is moved to it: nobody sees half of one."""
    report = json.loads(place(given.report).read_text())
    if not report["better"]:
        raise Unusable(f"the model stays where it is: {report['why_not']}")
    _, of_older = in_use(given.models)
    # Of two jobs at once each has found the model before both.
    if of_older and of_older["training_date"] > report["training_date"]:
        raise Unusable(f"the model stays where it is: one of {of_older['training_date']} is in use by now")
    content = place(given.model).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    name = f"{report['training_date']}-{digest[:12]}"
    folder = place(given.models) / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.joblib").write_bytes(content)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    pointer = place(given.models) / "current.json"
    fresh = pointer.with_suffix(".new")
    fresh.write_text(json.dumps({"model": f"{name}/model.joblib", "sha256": digest}) + "\n")
    fresh.replace(pointer)


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for step, names in {
        train: ["training_date", "lookback_days", "manifest", "features", "models", "model", "report", "better"],
        promote: ["model", "report", "models"],
    }.items():
        of_step = steps.add_parser(step.__name__)
        of_step.set_defaults(run=step)
        for name in names:
            of_step.add_argument(f"--{name}", required=True)
    given = parser.parse_args(arguments)
    try:
        # Thousands of rows: a second thread would only be waited for.
        with threadpool_limits(1):
            given.run(given)
    except Unusable as error:
        sys.exit(f"training: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
