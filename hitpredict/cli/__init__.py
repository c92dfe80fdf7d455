"""The command line. Only modules in here know typer and rich."""
