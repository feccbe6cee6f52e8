"""The protocol's JSON Schema, made from the models."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stocktrack.messages import COMMANDS, PROTOCOL_VERSION, SERVER_MESSAGES


class _WireSchema(GenerateJsonSchema):
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
    commands = COMMANDS.json_schema(schema_generator=_WireSchema)
    messages = SERVER_MESSAGES.json_schema(schema_generator=_WireSchema, mode="serialization")
    definitions = {**commands.pop("$defs"), **messages.pop("$defs")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "StockTrack protocol",
        "description": f"Version {PROTOCOL_VERSION}: one JSON object a line, UTF-8.",
        "oneOf": [{"$ref": "#/$defs/command"}, {"$ref": "#/$defs/server_message"}],
        "$defs": {**definitions, "command": commands, "server_message": messages},
    }
