"""The protocol's JSON Schema, made from the models."""

import functools
import operator
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stocktrack.messages import COMMANDS, PROTOCOL_VERSION, PUSHES, Failure


class WireSchema(GenerateJsonSchema):
    """The schema of what is on the wire: no nulls, and what always stands there is required."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A None is left out on the wire."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Only a command's field that may be left out has a default to tell."""
        is_told = self.mode == "validation" and schema["schema"]["type"] != "literal"
        if is_told and schema.get("default") is not None:
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """The type always, and of the server's fields whatever is never None."""
        schema = field["schema"]
        if schema["type"] != "default":
            return True
        return schema["schema"]["type"] == "literal" or (
            self.mode == "serialization" and schema.get("default") is not None
        )

    def field_title_should_be_set(self, schema: Any) -> bool:
        """A title would only repeat the field's name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Clients ignore what they do not know, also inside a quote."""
        made = super().model_schema(schema)
        if self.mode == "serialization":
            made.pop("additionalProperties", None)
        return made


def protocol_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of both directions, made from the models: each line is one or the other."""
    commands = _any_of([row.command for row in COMMANDS.values()], discriminator="type").json_schema(
        schema_generator=WireSchema
    )
    hello, *others = PUSHES.values()
    messages = _any_of([hello, *(row.reply for row in COMMANDS.values()), Failure, *others]).json_schema(
        schema_generator=WireSchema, mode="serialization"
    )
    # A message is exactly one of them: the `reason` of a failure stands in no reply that succeeds.
    messages["oneOf"] = messages.pop("anyOf")
    definitions = {**commands.pop("$defs"), **messages.pop("$defs")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "StockTrack protocol",
        "description": f"Version {PROTOCOL_VERSION}: one JSON object a line, UTF-8.",
        "oneOf": [{"$ref": "#/$defs/command"}, {"$ref": "#/$defs/server_message"}],
        "$defs": {**definitions, "command": commands, "server_message": messages},
    }


def _any_of(models: Sequence[type[BaseModel]], *, discriminator: str | None = None) -> TypeAdapter[Any]:
    union: Any = functools.reduce(operator.or_, models)
    return TypeAdapter(Annotated[union, Field(discriminator=discriminator)] if discriminator else union)
