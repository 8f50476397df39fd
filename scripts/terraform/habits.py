"""What no test of Terraform's can see: it looks at the text of the configurations.

    habits.py ROOT

* Only ingest is public, whatever else is added.
* Names of revisions are not kept: a change would be sent under the name of one that is there.
* Calls count for the project, which the budget's interface asks of whoever signed in as a person.
* Every variable that a function is told is read by its code.

Ends with 1, and names the file, if one of them is broken.
"""

import re
import sys
from pathlib import Path

PUBLIC = re.compile(r'"(allUsers|allAuthenticatedUsers)"')
VARIABLE = re.compile(r"\b((?:QUESTLINE|OTEL)_[A-Z0-9_]+)\b")
KEPT_REVISION = re.compile(r"ignore_changes\s*=\s*\[[^\]=]*\.revision\b")


def configurations(root):
    """Each configuration with its text, without what is a comment."""
    for path in sorted((root / "terraform").rglob("*.tf")):
        text = re.sub(r"^\s*(#|//).*$", "", path.read_text(), flags=re.M)
        yield path.relative_to(root).as_posix(), text


def read_by_code(root):
    """Variables that programs name, and those that stand for one by the name of its secret."""
    sources = [path for top in ("functions", "shared") for path in (root / top).rglob("src/**/*.rs")]
    named = {name for path in sources for name in VARIABLE.findall(path.read_text())}
    return named | {f"{name}_SECRET" for name in named}


def faults(root):
    known, public = read_by_code(root), []
    for path, text in configurations(root):
        public += [path] * len(PUBLIC.findall(text))
        # Within its brackets, indices have brackets of their own.
        if KEPT_REVISION.search(re.sub(r"\[\d+\]", "", text)):
            yield f"{path}: the name of a revision is kept"
        for name in sorted(set(VARIABLE.findall(text)) - known):
            yield f"{path}: no function reads {name}"
    if public != ["terraform/gcp/ingest.tf"]:
        yield f"only ingest is public, once: {', '.join(public) or 'nothing is'}"
    provider = (root / "terraform/gcp/versions.tf").read_text()
    for line in (r"user_project_override\s*=\s*true", r"billing_project\s*=\s*var\.project"):
        if not re.search(line, provider):
            yield f"terraform/gcp/versions.tf: the provider needs {line}"


if __name__ == "__main__":
    if found := list(faults(Path(sys.argv[1]))):
        sys.exit("\n".join(found))
