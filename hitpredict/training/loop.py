"""The loop of a fit: Lightning runs it, and a run that was killed ends with the weights it would have had."""

import logging
import math
import re
import signal
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from hitpredict.errors import CheckpointError, EnvironmentProblem, TrainingError, UsageError
from hitpredict.files.owned import atomic
from hitpredict.networks.model import NetworkModel
from hitpredict.recipes.recipe import Optimizer, Training
from hitpredict.training.batches import Tracks, in_order, shuffled
from hitpredict.training.run import TrainingRun

# Lightning's remarks on hardware and its tips; errors and our own progress remain.
for _name in ("lightning.pytorch", "lightning.fabric", "torch.multiprocessing"):
    logging.getLogger(_name).setLevel(logging.ERROR)

OPTIMIZERS: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


# What training may stop by and choose weights by besides the loss: of outputs and what was to be learnt, by batch.
METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mae": lambda outputs, targets: (outputs - targets.reshape(outputs.shape)).abs().mean(),
    "accuracy": lambda outputs, targets: (outputs.argmax(dim=1) == targets).float().mean(),
}
Loss = Callable[[tuple[Tensor, ...], Tensor], Tensor]


class _Fit(lightning.LightningModule):
    """One fit: a loss over some parameters, an optimiser, and the numbers of `training.csv`."""

    def __init__(
        self,
        model: nn.Module,
        parameters: Iterable[nn.Parameter],
        loss: Loss,
        metrics: Mapping[str, Loss],
        spec: Training,
        seed: int,
        tracks: Tracks,
        log: Path,
        refresh: Callable[[], None] | None = None,
        watch: Callable[[int], None] | None = None,
    ):
        super().__init__()
        self.model, self._fitted, self._loss, self._metrics = model, list(parameters), loss, metrics
        self._spec, self._seed, self._tracks, self._log = spec, seed, tracks, log
        self._sums: list[Tensor] = []
        self._refresh, self._watch = refresh, watch
        self.begun = False

    def on_validation_epoch_start(self) -> None:
        # Networks that answer by comparing with training songs need them at hand to be judged.
        if self._refresh is not None:
            self._refresh()

    def on_validation_epoch_end(self) -> None:
        if self._watch is not None:
            self._watch(self.current_epoch)

    def on_train_start(self) -> None:
        self.begun = True
        # A resumed run may ask for its first batch before it says which epoch begins.
        self._tracks.epoch = self.current_epoch
        # A process of several is ended by the one that started it, maybe while it tells of an error of its own: at
        # once and without a word. Lightning's handler would wait for the others, the program's own would raise.
        if self.trainer.world_size > 1:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)

    def on_train_epoch_start(self) -> None:
        # Dropout and shuffling follow the epoch's number, not what happened before it.
        torch.manual_seed(self._seed * 1_000_003 + self.current_epoch)
        self._tracks.epoch = self.current_epoch
        self._sums = []

    def training_step(self, batch: tuple[tuple[Tensor, ...], Tensor], number: int) -> Tensor:
        loss = self._loss(*batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {float(loss)} in epoch {self.current_epoch + 1}, batch {number + 1}; lower "
                "training.learning_rate or look for extreme values in the features"
            )
        self._sums.append(loss.detach())
        return loss

    def validation_step(self, batch: tuple[tuple[Tensor, ...], Tensor], number: int) -> None:
        for name, measure in {"loss": self._loss, **self._metrics}.items():
            self.log(f"validation_{name}", measure(*batch), batch_size=len(batch[1]))

    def on_train_epoch_end(self) -> None:
        if not self.trainer.is_global_zero:
            return
        train = float(torch.stack(self._sums).mean())
        validation = float(self.trainer.callback_metrics.get("validation_loss", torch.tensor(float("nan"))))
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        kept = _rows_until(self._log, self.current_epoch)
        row = f"{self.current_epoch + 1},{train:.6g},{validation:.6g},{rate:.6g}"
        text = "\n".join(["epoch,training_loss,validation_loss,learning_rate", *kept, row]) + "\n"
        with atomic(self._log) as file:
            file.write(text.encode())

    def configure_optimizers(self) -> Any:
        spec, name = self._spec, self._spec.optimizer or "adam"
        given = {"weight_decay": spec.weight_decay, "betas": spec.betas}
        arguments = {key: value for key, value in given.items() if value is not None}
        try:
            optimizer = OPTIMIZERS[name](self._fitted, lr=spec.learning_rate, **arguments)
        except (TypeError, ValueError) as error:
            raise UsageError(f"training.optimizer {name}: {error}") from error
        if spec.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=spec.factor or 0.9, patience=0, threshold=0
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "validation_loss"}}
        if spec.schedule == "cosine":
            return {"optimizer": optimizer, "lr_scheduler": _cosine(optimizer, spec)}
        return optimizer


class _Patience(EarlyStopping):
    """A fit that has been stopped stays stopped when it is taken up; Lightning would run another epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class _Checkpoints(TorchCheckpointIO):
    """Checkpoints that appear whole; Lightning's come by the folder of temporary files, where kills leave them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        with atomic(path) as file:
            torch.save(checkpoint, file)


def _rows_until(log: Path, epoch: int) -> list[str]:
    """What an earlier run has written of its first epochs; lines that are no such rows are left out."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines[1:] if (row := re.match(r"(\d{1,9}),", line)) and int(row[1]) <= epoch]


def _cosine(optimizer: torch.optim.Optimizer, spec: Training) -> Any:
    """Linear warm-up, then half a cosine down to 1 %."""
    warm, epochs = spec.warmup_epochs or 0, spec.epochs

    def factor(epoch: int) -> float:
        if epoch < warm:
            return float((epoch + 1) / (warm + 1))
        return float(0.01 + 0.495 * (1 + math.cos(math.pi * (epoch - warm) / max(1, epochs - warm))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def fit_loop(
    model: NetworkModel,
    parameters: list[nn.Parameter],
    loss: Loss,
    spec: Training,
    train: Tracks,
    validation: Tracks,
    run: TrainingRun,
    folder: Path,
    refresh: Callable[[], None] | None = None,
    watch: Callable[[int], None] | None = None,
) -> None:
    """One fit; the model is left with its best weights on the validation tracks.

    spec: `patience` ends it after so many epochs without a better `monitor`, `checkpoint` says whose best weights are
    kept. folder: where checkpoints and `training.csv` go. refresh: what is done before each validation. watch: called
    after each with the number of the epoch.
    Raises `TrainingError` when the loss is not finite any more, `CheckpointError` for damage in what is resumed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    named = {name for name in (spec.monitor, spec.checkpoint) if name and name != "loss"}
    metrics: dict[str, Loss] = {name: partial(_measured, model, METRICS[name]) for name in sorted(named)}
    module = _Fit(model, parameters, loss, metrics, spec, run.seed, train, folder / "training.csv", refresh, watch)
    last = folder / "last.ckpt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = _trainer(
            run,
            max_epochs=spec.epochs,
            callbacks=_callbacks(spec, folder, run.progress),
            gradient_clip_val=spec.gradient_clip,
        )
        data = shuffled(train, spec.batch_size, run.seed), in_order(validation, spec.batch_size)
        _fitted(trainer, module, data, last if run.resume and last.exists() else None)
    # Not by the path that a checkpoint names, which may lead anywhere.
    kept = folder / "best.ckpt"
    kept = kept if kept.exists() else last
    try:
        module.load_state_dict(torch.load(kept, map_location="cpu", weights_only=True)["state_dict"])
    except Exception as error:
        raise _damaged(kept) from error
    model.eval()


def _measured(
    model: NetworkModel, metric: Callable[[Tensor, Tensor], Tensor], inputs: tuple[Tensor, ...], target: Tensor
) -> Tensor:
    return metric(model.network(*model.prepared(*inputs)), target)


def _fitted(trainer: lightning.Trainer, module: _Fit, data: tuple[Any, Any], start: Path | None) -> None:
    try:
        trainer.fit(module, *data, ckpt_path=start, weights_only=True)
    except SystemExit as end:
        # Lightning's answer to Ctrl-C.
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise
    except ProcessRaisedException as error:
        # What a process of several raised arrives as text, the error itself in its last line.
        raise TrainingError(str(error).strip().splitlines()[-1].partition("Error: ")[2] or str(error)) from error
    except ProcessExitedException as error:
        raise TrainingError(f"a process of the training was killed ({error.signal_name or error.exit_code})") from error
    except Exception as error:
        # What reading a damaged checkpoint ends in has no common class; once an epoch begins, it was taken up.
        if start is None or module.begun:
            raise
        raise _damaged(start) from error


def _damaged(checkpoint: Path) -> CheckpointError:
    return CheckpointError(f"{checkpoint}: not a checkpoint of this training; begin anew, without resuming")


def _callbacks(spec: Training, folder: Path, progress: bool) -> list[Any]:
    # A checkpoint from within an epoch would be resumed in the middle of it.
    saved = partial(ModelCheckpoint, folder, enable_version_counter=False, save_on_train_epoch_end=True)
    # Of every epoch, and after the best: what the last one says of the best is true then. Lightning's own `save_last`
    # leaves out the epochs that were not the best.
    callbacks: list[Any] = [saved("best", **_watched(spec.checkpoint)), saved("last")]
    if spec.patience:
        callbacks.append(_Patience(**_watched(spec.monitor), patience=spec.patience, check_finite=False))
    return [*callbacks, RichProgressBar(console_kwargs={"stderr": True})] if progress else callbacks


def _watched(name: str | None) -> dict[str, Any]:
    return {"monitor": f"validation_{name or 'loss'}", "mode": "max" if name == "accuracy" else "min"}


def _trainer(run: TrainingRun, **more: Any) -> lightning.Trainer:
    """Lightning's trainer. Raises `EnvironmentProblem` where there is no such device, `UsageError` for a precision."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return lightning.Trainer(
            plugins=[_Checkpoints()],
            accelerator=run.accelerator,
            devices=run.devices,
            # Processes of their own for each device, that take their shares of each batch.
            strategy="ddp_fork_find_unused_parameters_true" if run.devices > 1 else "auto",
            use_distributed_sampler=False,
            precision=run.precision,  # type: ignore[arg-type]
            deterministic="warn",
            logger=False,
            num_sanity_val_steps=0,
            enable_progress_bar=run.progress,
            enable_model_summary=False,
            **more,
        )
    except MisconfigurationException as error:
        device = run.accelerator.replace("gpu", "cuda")
        raise EnvironmentProblem(f"`device` {device}: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise UsageError(f"`precision` {run.precision}: {str(error).splitlines()[0]}") from error
