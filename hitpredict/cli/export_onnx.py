"""`hitpredict export-onnx`: one file that holds everything scoring needs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared
from hitpredict.errors import UsageError, needs

COMMAND: dict[str, Any] = {
    "help": "Turn a model folder into one .onnx file for `hitpredict score --model`, checked against the model.",
    "epilog": "Example: hitpredict export-onnx model/ -o model.onnx",
}


def export_onnx(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL_DIR", help="A model folder, as `hitpredict train` writes it.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.onnx", help="The file to write.")],
    fp16: Annotated[bool, typer.Option("--fp16", help="Half-precision weights; reports the change of scores.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit weights (dynamic); reports the change of scores.")
    ] = False,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="The region to score for, of a model that knows several.")
    ] = None,
    waveform: Annotated[
        bool, typer.Option("--waveform", help="Fold the log-mel front-end in: the file takes samples, not frames.")
    ] = False,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Export, check, write."""
    messages = Messages(quiet, verbose)
    if fp16 and int8:
        raise UsageError("--fp16 and --int8 are two ways to store the weights; give one of them")
    if not cleared({"-o": output}, model.glob("*"), force, skip_existing):
        messages.note(f"{output}: exists already, left as it is")
        return
    with needs("train", "exporting needs"):
        from hitpredict.export import graph, parity
        from hitpredict.export.export import export
        from hitpredict.model_folder.folder import ModelFolder, RegionFolder
    from hitpredict.files.owned import atomic

    folder = RegionFolder(model, region) if region is not None else ModelFolder(model)
    full = export(folder)
    exported = export(folder, fp16=True) if fp16 else full
    data = graph.quantized(exported.data) if int8 else exported.data
    if fp16 or int8:
        what = "half-precision weights" if fp16 else "8-bit weights"
        messages.note(parity.change_report(folder, full.data, data, what))
    if waveform:
        from hitpredict.export.waveform import with_front_end

        data = with_front_end(data, folder, exact=full.data)
    with atomic(output) as file:
        file.write(data)
    # How far 8-bit weights move the scores is said above.
    difference = "" if int8 else f", differs from the trained model by {exported.difference:.1g} of the scores"
    messages.note(f"{output}: {len(data) / 2**20:.2f} MB{difference}")
