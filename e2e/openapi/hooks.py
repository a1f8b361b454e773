"""What a generator of requests can't know of the service."""

import json
import uuid

import schemathesis

MADE_UP = ("content-digest", "repr-digest", "if-match")
USED = set()


@schemathesis.hook
def before_call(context, case, kwargs):
    """What is refused for what it means: a digest that is made up is never that of
    the body, a tag never that of a file, and a key is good for one body."""
    if case.meta is None or not case.meta.generation.mode.is_positive or not case.headers:
        return
    for name in list(case.headers):
        if name.lower() in MADE_UP:
            del case.headers[name]
        elif name.lower() == "idempotency-key":
            if case.headers[name] in USED:
                case.headers[name] = uuid.uuid4().hex
            USED.add(case.headers[name])


def too_long(name):
    """A schema counts characters, a file system counts bytes."""
    return isinstance(name, str) and len(name) <= 255 < len(name.encode("utf-8", "surrogatepass"))


def no_form(body):
    """A form has text under names of text, whatever else a schema could say."""
    return any(
        not isinstance(value, (str, bytes)) or not (name.isascii() and name.isprintable())
        for name, value in body.items()
    )


@schemathesis.hook
def filter_case(context, case):
    body = case.body if isinstance(case.body, dict) else {}
    path = case.path_parameters or {}
    if case.media_type != "application/json" and no_form(body):
        return False
    return not too_long(path.get("filename")) and not too_long(body.get("filename"))


@schemathesis.deserializer("application/x-ndjson")
def ndjson(context, response):
    """An object a line: the first is held against the schema, and where there is none the
    example, which fits it."""
    lines = response.content.splitlines()
    if lines:
        return json.loads(lines[0])
    content = context.operation.definition.raw["responses"]["200"]["content"]
    return content["application/x-ndjson"]["example"]
