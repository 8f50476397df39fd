"""Serves the schemas that schema.py wrote as Terraform providers, so that Terraform checks
configurations, and runs tests on mocks, without the providers themselves.

    stub.py SOCKETS TREE GOOGLE.json AWS.json

Only what the configurations under TREE name is served: Terraform asks for all of it again and again.
Prints TF_REATTACH_PROVIDERS=... for Terraform, and serves until it is ended. Every value passes
that the schema allows: this is a schema, not the provider.
"""

import json
import os
import re
import sys
from concurrent import futures
from pathlib import Path

import grpc

# The protocol is compiled when it is needed, from the text beside this file.
sys.path.insert(0, str(Path(__file__).parent))
messages, services = grpc.protos_and_services("provider.proto")
Schema = messages.Schema

PROVIDERS = {
    "google": {
        "project": "string",
        "region": "string",
        "billing_project": "string",
        "user_project_override": "bool",
    },
    "aws": {"region": "string"},
}


def block(told):
    made = Schema.Block()
    for name, attribute in told["attributes"].items():
        made.attributes.add(
            name=name,
            type=json.dumps(attribute["type"]).encode(),
            required=attribute["required"],
            optional=attribute["optional"],
            computed=attribute["computed"] and not attribute["required"] and not write_only(name, attribute),
            write_only=write_only(name, attribute),
        )
    for name, nested in told["block_types"].items():
        made.block_types.add(
            type_name=name,
            block=block(nested["block"]),
            nesting=Schema.NestedBlock.NestingMode.Value(nested["nesting"]),
            min_items=nested["min"],
            max_items=nested["max"],
        )
    return made


def write_only(name, attribute):
    """Both providers name so what they take and never keep."""
    return name.endswith("_wo") and (attribute["optional"] or attribute["required"])


def served(schemas, named):
    return {of: Schema(block=block(told)) for of, told in schemas.items() if of in named}


class Stub(services.ProviderServicer):
    def __init__(self, name, schema, named):
        configuration = {
            argument: {"type": kind, "required": False, "optional": True, "computed": False}
            for argument, kind in PROVIDERS[name].items()
        }
        self.schema = messages.GetProviderSchema.Response(
            provider=Schema(block=block({"attributes": configuration, "block_types": {}})),
            provider_meta=Schema(block=Schema.Block()),
            resource_schemas=served(schema["resources"], named),
            data_source_schemas=served(schema["data"], named),
        )

    def GetSchema(self, request, context):
        return self.schema

    def PrepareProviderConfig(self, request, context):
        return messages.PrepareProviderConfig.Response(prepared_config=request.config)

    def nothing_to_say(self, request, context):
        return messages.Empty.Response()

    ValidateResourceTypeConfig = ValidateDataSourceConfig = Configure = Stop = nothing_to_say


def main():
    sockets, tree, *schemas = sys.argv[1:]
    texts = (path.read_text() for path in Path(tree).rglob("*.tf"))
    named = {of for text in texts for of in re.findall(r'^(?:resource|data) "(\w+)"', text, re.M)}
    servers, reattach = [], {}
    for name, path in zip(PROVIDERS, schemas):
        address = f"{sockets}/{name}.sock"
        server = grpc.server(
            futures.ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)]
        )
        services.add_ProviderServicer_to_server(Stub(name, json.loads(Path(path).read_text()), named), server)
        server.add_insecure_port(f"unix:{address}")
        server.start()
        servers.append(server)
        reattach[f"hashicorp/{name}"] = {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": address},
        }
    print("TF_REATTACH_PROVIDERS=" + json.dumps(reattach), flush=True)
    for server in servers:
        server.wait_for_termination()


if __name__ == "__main__":
    main()
