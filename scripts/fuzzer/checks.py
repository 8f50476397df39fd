"""A value that a closed list does not have is refused, whatever else is sent."""

import schemathesis


@schemathesis.check
def closed_lists_are_closed(ctx, response, case):
    for parameter in case.operation.query:
        known = parameter.definition.get("schema", {}).get("enum")
        sent = (case.query or {}).get(parameter.name)
        if known and sent is not None and str(sent) not in known and response.status_code < 400:
            raise AssertionError(f"{parameter.name}={sent!r} was answered {response.status_code}")
