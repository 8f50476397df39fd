"""The schema of a Terraform provider, read from its prebuilt CDK bindings on the Python registry.

    schema.py WHEEL OUT.json

The bindings are generated from the provider's own schema: declarations (*.d.ts) say which members
there are, of which type, needed or not; the code (*.js) says which of them are blocks, how they
nest, and what the provider computes. It tells names, types, what is needed and how blocks nest,
and nothing else: neither the values that a provider accepts, nor what excludes what. The few whose
blocks hold themselves without end are left out, and counted.
"""

import json
import re
import sys
import tarfile
import zipfile
from collections import defaultdict

SIMPLE = {"string": "string", "number": "number", "boolean": "bool"}
NESTING = {"list": "LIST", "set": "SET", "struct": "SINGLE", "map": "MAP"}
GETTERS = {
    "string": "string",
    "number": "number",
    "cdktn.IResolvable": "bool",
    "string[]": ["list", "string"],
    "cdktn.StringMap": ["map", "string"],
}

INTERFACE = re.compile(r"^export interface (\w+)(?: extends [\w.]+)? \{\n(.*?)^\}", re.M | re.S)
PROPERTY = re.compile(r"readonly (\w+)(\?)?: ((?:\{[^}]*\}(?:\[\])?|[^;{]+)+);", re.S)
TO_HCL = re.compile(
    r"^(?:export )?function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.M | re.S
)
OF_RESOURCE = re.compile(r"synthesizeHclAttributes\(\) \{(.*?)^    \}", re.M | re.S)
MEMBER = re.compile(
    r"^\s+(\w+): \{\n\s+value: .*?,\n\s+isBlock: (true|false),\n"
    r'\s+type: "(\w+)",\n\s+storageClassType: "(\w+)",',
    re.M | re.S,
)
COMPUTED = re.compile(
    r"^\s*// (\w+) - computed: (true|false), optional: (?:true|false), required: (?:true|false)",
    re.M,
)
GETTER = re.compile(rf"get (\w+)\(\): ({'|'.join(map(re.escape, GETTERS))});")


def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])", r"_\g<0>", name).lower()


def interfaces(declarations):
    """Members of each interface, in Terraform's names: their type, and whether they may be absent."""
    found = {}
    for name, body in INTERFACE.findall(declarations):
        members, at = {}, 0
        for member in PROPERTY.finditer(body):
            # The documentation above a member names it as Terraform does.
            told = re.findall(r"#(\w+) \w+#", body[at : member.start()])
            at = member.end()
            key = told[-1] if told else snake(member[1])
            members[key] = (member[3].strip(), bool(member[2]))
        found[name] = members
    return found


def members(code):
    return {name: (block == "true", kind, of) for name, block, kind, of in MEMBER.findall(code)}


def attribute_type(kind, of):
    if kind == "simple":
        return SIMPLE.get(of, "dynamic")
    element = SIMPLE.get(re.sub(r"(List|Map)$", "", of))
    return [kind, element] if element else "dynamic"


class Resource:
    """One resource or data source: a folder of the bindings."""

    def __init__(self, declarations, code):
        self.declarations, self.code = declarations, code
        self.interfaces = interfaces(declarations)
        self.functions = {name.lower(): members(body) for name, body in TO_HCL.findall(code)}
        # Where several structures have a member of one name, it counts as computed if all say so.
        self.computed = defaultdict(lambda: True)
        for name, computed in COMPUTED.findall(code):
            self.computed[name] &= computed == "true"

    def schema(self):
        declared = re.search(r"export interface (\w+) extends cdkt[fn]\.TerraformMeta", self.declarations)
        own = OF_RESOURCE.search(self.code)
        told = self.interfaces[declared[1]] if declared else {}
        block = self.block(told, members(own[1]) if own else {})
        name = re.search(r'static readonly tfResourceType = "(\w+)"', self.declarations)[1]
        kind = self.declarations.index("tfResourceType")
        body = self.declarations[self.declarations.index("extends cdktn.Terraform", kind - 400) :]
        for getter, returns in GETTER.findall(body):
            key = snake(getter)
            if key not in block["attributes"] and key not in block["block_types"]:
                block["attributes"][key] = attribute(GETTERS[returns], computed=True)
        block["attributes"].setdefault("id", attribute("string", optional=True, computed=True))
        return name, block

    def block(self, declared, coded):
        attributes, blocks = {}, {}
        for name, (declaration, optional) in declared.items():
            if name not in coded:
                continue
            is_block, kind, of = coded[name]
            if is_block:
                inner = re.sub(r"List$", "", of)
                nesting = "SINGLE" if name == "timeouts" else NESTING[kind]
                single = nesting == "SINGLE"
                blocks[name] = {
                    "nesting": nesting,
                    "min": 0 if optional or single else 1,
                    "max": 0 if "[]" in declaration or single else 1,
                    "block": self.block(
                        self.interfaces.get(inner, {}), self.functions.get(inner.lower(), {})
                    ),
                }
            else:
                attributes[name] = attribute(
                    attribute_type(kind, of),
                    required=not optional,
                    optional=optional,
                    computed=optional and self.computed[name],
                )
        return {"attributes": attributes, "block_types": blocks}


def attribute(kind, required=False, optional=False, computed=False):
    return {"type": kind, "required": required, "optional": optional, "computed": computed}


def folders(wheel):
    """Declarations and code of each folder of the bindings."""
    texts = defaultdict(lambda: ["", ""])
    with zipfile.ZipFile(wheel) as package:
        inner = next(name for name in package.namelist() if name.endswith(".jsii.tgz"))
        with package.open(inner) as file, tarfile.open(fileobj=file, mode="r|gz") as bindings:
            for member in bindings:
                found = re.fullmatch(r"package/lib/([^/]+)/index(-structs/\w+)?\.(d\.ts|js)", member.name)
                if found and not member.name.endswith("index-structs/index.js"):
                    text = bindings.extractfile(member).read().decode()
                    texts[found[1]][found[3] == "js"] += text + "\n"
    return texts


def main():
    wheel, out = sys.argv[1:]
    schema, endless = {"resources": {}, "data": {}}, []
    for folder, (declarations, code) in folders(wheel).items():
        # Ephemeral resources read secrets from a running cloud.
        if folder == "provider" or folder.startswith("ephemeral-") or "tfResourceType" not in declarations:
            continue
        try:
            name, block = Resource(declarations, code).schema()
        except RecursionError:
            endless.append(folder)
            continue
        schema["data" if folder.startswith("data-") else "resources"][name] = block
    with open(out, "w") as file:
        json.dump(schema, file)
    counts = f"{len(schema['resources'])} resources, {len(schema['data'])} data sources"
    print(f"{counts}, {len(endless)} left out")


if __name__ == "__main__":
    main()
