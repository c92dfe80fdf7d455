"""`hitpredict export-onnx`: one file that holds everything scoring needs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.output import check_writable
from hitpredict.errors import EnvironmentProblem

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
    waveform: Annotated[
        bool, typer.Option("--waveform", help="Fold the log-mel front-end in: the file takes samples (also --fp16).")
    ] = False,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Export, check, write."""
    messages = Messages(quiet, verbose)
    if not check_writable(output, force, skip_existing):
        messages.note(f"{output}: exists already, left as it is")
        return
    try:
        from hitpredict import onnx_export
        from hitpredict.model_folder import ModelFolder
    except ImportError as error:
        raise EnvironmentProblem(
            f"exporting needs more packages ({error.name}): pip install 'hitpredict[train]'"
        ) from error
    from hitpredict.audio.write import atomic

    folder = ModelFolder(model)
    exported = onnx_export.export(folder, fp16=fp16)
    data = exported.data
    if int8:
        data = onnx_export.quantized(data)
        messages.note(onnx_export.change_report(folder, exported.data, data, "8-bit weights"))
    if fp16:
        messages.note(onnx_export.change_report(folder, onnx_export.export(folder).data, data, "half precision"))
    if waveform:
        from hitpredict.onnx_waveform import with_front_end

        data = with_front_end(data, folder)
    with atomic(output) as file:
        file.write(data)
    messages.note(
        f"{output}: {len(data) / 2**20:.2f} MB, differs from the trained model by {exported.difference:.1g} of the scores"
    )
