"""One function's program, for the processor and the system that its platform has."""

import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from .steps import Failed

FUNCTIONS = ["ingest", "process", "dlq-reprocess", "daily-aggregate", "ml-trigger", "dashboard"]
PROFILE = "deploy"

# Linked statically: it runs in an empty directory.
MUSL = "x86_64-unknown-linux-musl"
# On either platform without what cargo builds by default: DuckDB.
LIGHT = "--no-default-features"
# The glibc of provided.al2023, Lambda's system.
LAMBDA = "aarch64-unknown-linux-gnu.2.34"
# The same as zig calls them.
ZIG = {MUSL: "x86_64-linux-musl", LAMBDA: "aarch64-linux-gnu.2.34"}


class Built(NamedTuple):
    function: str
    program: Path
    # Shared libraries that go along, where tests try what they have built.
    libraries: list


def version(steps, profile):
    """The commit that is deployed. What is not committed has no name to go back to."""
    commit = steps.here("git", "rev-parse", "--short=12", "HEAD", quiet=True)
    if steps.here("git", "status", "--porcelain", quiet=True):
        if not steps.dry and profile == PROFILE:
            raise Failed("there are changes that no commit holds: commit or stash them")
        return f"{commit}-changed"
    return commit


def build(steps, function, platform, profile):
    program = f"questline-{function}"
    cargo = ["--locked", "--profile", profile]
    if profile != PROFILE:
        # With the tests, as scripts/test builds it, so that nothing is built twice.
        steps.here("cargo", "build", *cargo, "--workspace", "--bin", program, "--tests")
        return gathered(steps, function, "debug" if profile == "dev" else profile)
    steps.say(f"building {function}, without DuckDB: clouds have BigQuery")
    target = LAMBDA if platform == "aws" else MUSL
    flags = [
        f"--remap-path-prefix={steps.root}=/questline",
        f"--remap-path-prefix={Path.home()}/.cargo=/cargo",
    ]
    # librdkafka's configure asks for none but these, and would take the compiler of this machine.
    compiler = f"-- -target {ZIG[target]}"
    env = {
        "PATH": f"{os.environ['QUESTLINE_CROSS']}:{os.environ['PATH']}",
        "RUSTFLAGS": " ".join(flags),
        "CC": f"cargo-zigbuild zig cc {compiler}",
        "CXX": f"cargo-zigbuild zig c++ {compiler}",
        # Its shared library, which nothing here uses, names what only its tests have.
        "LDFLAGS": "-Wl,--undefined-version",
        "HOST_CC": "cc",
        "HOST_CXX": "c++",
    }
    packages = ["-p", program, LIGHT]
    packages += ["-p", "questline-log-kafka", "--features", "questline-log-kafka/vendored"]
    steps.here("cargo", "zigbuild", *cargo, "--target", target, *packages, env=env)
    return Built(function, programs() / target.partition(".")[0] / profile / program, [])


def programs():
    return Path(os.environ["CARGO_TARGET_DIR"])


def gathered(steps, function, folder):
    """A program of this machine, and the machine's libraries that it is linked to."""
    program = programs() / folder / f"questline-{function}"
    env = {"LD_LIBRARY_PATH": os.environ.get("DUCKDB_LIB_DIR", duckdb_of_machine(steps))}
    lines = steps.here("ldd", program, env=env).splitlines()
    if lost := [line for line in lines if "not found" in line]:
        raise Failed(f"{program} misses {', '.join(line.split()[0] for line in lost)}")
    words = (line.split() for line in lines)
    # What only a debugger reads is not carried along.
    bare = program.with_name(f"{program.name}.bare")
    steps.here("strip", "--strip-debug", "-o", bare, program)
    libraries = [next((word for word in line if word.startswith("/")), None) for line in words]
    return Built(function, bare, [Path(library) for library in libraries if library])


def duckdb_of_machine(steps):
    """Where scripts/setup has told cargo that DuckDB lies."""
    config = tomllib.loads((steps.root / ".cargo" / "config.toml").read_text())
    return config["env"]["DUCKDB_LIB_DIR"]
