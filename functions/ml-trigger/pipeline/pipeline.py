#!/usr/bin/env python3
"""The pipeline difficulty-prediction-training, compiled to pipeline.json.

    pipeline.py          writes pipeline.json
    pipeline.py --check  ends with 1 if the committed file is not what would be compiled

The steps' code and their packages, pinned by hash, stand in the compiled file as text: its hash
names everything that a model was made by. Needs kfp, in the version that requirements.txt pins.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from kfp import compiler, dsl

HERE = Path(__file__).resolve().parent
TARGET = HERE / "pipeline.json"
IMAGE = "python:3.12-slim"
# What the steps get as words: the packages' pins, the code, then the step and its arguments.
START = """\
cd "$(mktemp -d)"
printf '%s' "$0" >requirements.txt
printf '%s' "$1" >training.py
shift
pip install --quiet --no-cache-dir --no-deps --require-hashes -r requirements.txt
exec python training.py "$@"
"""


def step(*arguments):
    requirements = (HERE / "training.requirements.txt").read_text()
    code = (HERE / "training.py").read_text()
    return dsl.ContainerSpec(
        image=IMAGE, command=["sh", "-ec", START, requirements, code], args=list(arguments)
    )


@dsl.container_component
def train(
    training_date: str,
    lookback_days: int,
    manifest: str,
    features: str,
    models: str,
    model: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.Artifact],
    better: dsl.OutputPath(bool),
):
    return step(
        *("train", "--training_date", training_date, "--lookback_days", lookback_days),
        *("--manifest", manifest, "--features", features, "--models", models),
        *("--model", model.path, "--report", report.path, "--better", better),
    )


@dsl.container_component
def promote(model: dsl.Input[dsl.Artifact], report: dsl.Input[dsl.Artifact], models: str):
    return step("promote", "--model", model.path, "--report", report.path, "--models", models)


@dsl.pipeline(
    name="difficulty-prediction-training",
    description="Learns the pass rate of each level on the next day; a worse model is not promoted.",
)
def pipeline(training_date: str, lookback_days: int, manifest: str, features: str, models: str):
    """What the job is about: the day, so many days before it, and the manifest of their files."""
    trained = train(
        training_date=training_date,
        lookback_days=lookback_days,
        manifest=manifest,
        features=features,
        models=models,
    )
    # Its result depends on the model in use too.
    trained.set_caching_options(False)
    trained.set_cpu_limit("2").set_memory_limit("4G")
    # A failed step costs a week: the platform's own troubles are tried again.
    trained.set_retry(2, backoff_duration="60s")
    with dsl.If(trained.outputs["better"] == True, "better"):  # noqa: E712, it is a condition of kfp
        promoted = promote(
            model=trained.outputs["model"], report=trained.outputs["report"], models=models
        )
        promoted.set_caching_options(False)


def compiled():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.json"
        compiler.Compiler().compile(pipeline, str(path))
        return json.dumps(json.loads(path.read_text()), indent=2) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    text = compiled()
    stale = not TARGET.exists() or TARGET.read_text() != text
    if parser.parse_args().check:
        if stale:
            sys.exit(f"differs: {TARGET}; pipeline.py writes it")
    elif stale:
        TARGET.write_text(text)
        print(f"wrote: {TARGET}")


if __name__ == "__main__":
    main()
