"""The command that describes YAML files to editors: schema."""

from __future__ import annotations

from typing import Annotated

import typer

from atnn.cli.options import Document

EXAMPLES = {"schema": "Example: [bold]atnn schema > atnn.schema.json[/bold]"}
NO_ARGUMENTS = ("schema",)


def schema(
    document: Annotated[Document, typer.Argument(help="The training file, or a model by itself.")] = Document.train,
) -> None:
    """Print the JSON schema of the YAML file, by which editors complete and check keys.

    Redirect it to a file, and begin the YAML file with the line

    # yaml-language-server: $schema=atnn.schema.json
    """
    import json

    from atnn.model import ModelSpecification
    from atnn.specification import make_json_schema
    from atnn.training import RunConfig

    specification = RunConfig if document is Document.train else ModelSpecification
    print(json.dumps(make_json_schema(specification), indent=1))


COMMANDS = (schema,)
