"""`stocktrack protocol`: the protocol of this version, for people who write a client; it calls no server."""

import json
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(protocol)


def protocol(
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON Schema of all messages")] = False,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="print the AsyncAPI document: TCP, WebSocket and server-sent events")
    ] = False,
) -> None:
    """Print the protocol in short, or a description of it for programs."""
    from stocktrack.messages import COMMAND_TYPES, PROTOCOL_VERSION
    from stocktrack.wire.asyncapi import asyncapi_json
    from stocktrack.wire.schema import protocol_schema

    if schema and asyncapi:
        raise typer.BadParameter("print one of them at a time: --schema or --asyncapi.")
    if asyncapi:
        typer.echo(asyncapi_json())
        return
    if schema:
        typer.echo(json.dumps(protocol_schema(), indent=2))
        return
    typer.echo(f"StockTrack protocol {PROTOCOL_VERSION}: one JSON object a line, in UTF-8.")
    typer.echo(f"Commands: {', '.join(COMMAND_TYPES)}.")
    typer.echo("docs/protocol.md shows a line of each message; --schema prints the JSON Schema, --asyncapi AsyncAPI's.")
