"""What no test of Terraform's can see: it looks at the text of the configurations.

    habits.py ROOT

* Only ingest is public, whatever else is added.
* Names of revisions are not kept: a change would be sent under the name of one that is there.
* Calls count for the project, which the budget's interface asks of whoever signed in as a person.
* Every variable that a function is told is read by its code.
* Whatever is made of Google's waits for the interfaces to be switched on, by itself or by what it names:
  in an empty project a first apply would stop with 403.

Ends with 1, and names the file, if one of them is broken.
"""

import re
import sys
from pathlib import Path

PUBLIC = re.compile(r'"(allUsers|allAuthenticatedUsers)"')
VARIABLE = re.compile(r"\b((?:QUESTLINE|OTEL)_[A-Z0-9_]+)\b")
BLOCK = re.compile(r'^(resource|module|locals)((?: "[\w-]+")*) \{\n(.*?)^\}', re.M | re.S)
LOCAL = re.compile(r"^  (\w+)\s*=(.*?)(?=^  \w+\s*=|\Z)", re.M | re.S)
INTERFACES = "google_project_service.api"
KEPT_REVISION = re.compile(r"ignore_changes\s*=\s*\[[^\]=]*\.revision\b")


def configurations(root):
    """Each configuration with its text, without what is a comment."""
    for path in sorted((root / "terraform").rglob("*.tf")):
        text = re.sub(r"^\s*(#|//).*$", "", path.read_text(), flags=re.M)
        yield path.relative_to(root).as_posix(), text


def named_blocks(text):
    """What a configuration defines, each with the text that defines it."""
    for kind, names, body in BLOCK.findall(text):
        if kind == "locals":
            yield from ((f"local.{name}", value) for name, value in LOCAL.findall(body))
        else:
            names = re.findall(r"[\w-]+", names)
            yield ".".join(["module", *names] if kind == "module" else names), body


def too_early(text):
    """Resources of Google's that do not wait for the interfaces."""
    blocks = dict(named_blocks(text))
    waiting, found = set(), {INTERFACES}
    while found:
        waiting |= found
        names = "|".join(re.escape(name) for name in waiting)
        names = re.compile(rf"(?<![\w.-])({names})(?![\w-])")
        found = {name for name, body in blocks.items() if names.search(body)} - waiting
    return sorted(name for name in blocks if name.startswith("google_") and name not in waiting)


def read_by_code(root):
    """Variables that programs name, and those that stand for one by the name of its secret."""
    sources = [path for top in ("functions", "shared") for path in (root / top).rglob("src/**/*.rs")]
    named = {name for path in sources for name in VARIABLE.findall(path.read_text())}
    return named | {f"{name}_SECRET" for name in named}


def faults(root):
    known, public, trees = read_by_code(root), [], {}
    for path, text in configurations(root):
        trees.setdefault(path.rpartition("/")[0], []).append(text)
        public += [path] * len(PUBLIC.findall(text))
        # Within its brackets, indices have brackets of their own.
        if KEPT_REVISION.search(re.sub(r"\[\d+\]", "", text)):
            yield f"{path}: the name of a revision is kept"
        for name in sorted(set(VARIABLE.findall(text)) - known):
            yield f"{path}: no function reads {name}"
    for tree in ("terraform/gcp", "terraform/aws"):
        for name in too_early("\n".join(trees[tree])):
            yield f"{tree}: {name} does not wait for {INTERFACES}"
    if public != ["terraform/gcp/ingest.tf"]:
        yield f"only ingest is public, once: {', '.join(public) or 'nothing is'}"
    provider = (root / "terraform/gcp/versions.tf").read_text()
    for line in (r"user_project_override\s*=\s*true", r"billing_project\s*=\s*var\.project"):
        if not re.search(line, provider):
            yield f"terraform/gcp/versions.tf: the provider needs {line}"


if __name__ == "__main__":
    if found := list(faults(Path(sys.argv[1]))):
        sys.exit("\n".join(found))
