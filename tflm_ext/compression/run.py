"""compress(): applies all techniques in order, and reports the costs and gains of each."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras

from tflm_ext.compression.arguments import is_number, plain
from tflm_ext.compression.channels.prune import prune_channels
from tflm_ext.compression.channels.report import Ended, PruningReport
from tflm_ext.compression.checkpoints import Checkpoints, Done, key_of
from tflm_ext.compression.checks import check_order, check_weights
from tflm_ext.compression.clustering import ClusteringCallback
from tflm_ext.compression.data import read_data
from tflm_ext.compression.fingerprint import loss_key, optimizer_key
from tflm_ext.compression.measure import measure, sizes
from tflm_ext.compression.qat import quantize_aware, strip
from tflm_ext.compression.recipe import Recipe
from tflm_ext.compression.result import CompressionReport, CompressionResult, CompressionStep
from tflm_ext.compression.sparsity import SparsityCallback
from tflm_ext.compression.training import Progress, Training
from tflm_ext.convert import one_child
from tflm_ext.convert.order import library
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.options import DEFAULT_BOARD, Budget, as_budget
from tflm_ext.report.progress import show_progress
from tflm_ext.storage import as_path
from tflm_ext.targets import board as find_board

_QUANTIZE_RATE = 0.1  # of the learning rate: weights now move by rounding steps only


def compress(
    model: Any,
    train_data: Any,
    *,
    validation_data: Any = None,
    recipe: Recipe | None = None,
    budget: Budget | Mapping[str, int] | None = None,
    board: str | None = DEFAULT_BOARD,
    min_accuracy: float | None = None,
    loss: Any = None,
    checkpoints: str | os.PathLike[str] | None = None,
    progress: bool | Progress = True,
) -> CompressionResult:
    """Make a model smaller and faster in one call: fewer channels, then training for int8.

    Use it before export() if a model does not fit or is too slow. It trains the model, which takes
    about as long as the original training, and needs the data. For more control, use
    prune_channels(), Distiller and quantize_aware() directly.

    The recipe selects the steps: remove channels and fine-tune, with the uncompressed model as the
    teacher; sparsity; clusters; quantisation-aware training. After each step the model is
    converted, planned, and measured in TensorFlow Lite Micro. If a step does not make the compiled
    runtime smaller, the report says so.

        result = tflm_ext.compress(model, (x_train, y_train), recipe=tflm_ext.Recipe.balanced())
        print(result.report)
        tflm_ext.export(result.model, "digits", calibration_data=x_train[:200])

    Args:
        model: a trained keras.Model, or a tf_keras.Model for recipes without channel pruning and
            distillation. It is not changed.
        train_data: (x, y) or (x, y, weights) as arrays, or a batched tf.data.Dataset or
            keras.utils.PyDataset of them. y is what the loss expects.
        validation_data: (x, y), in any form that train_data can have, for scores and min_accuracy.
            Never pass the test data, whose score would then be too optimistic. By default, the
            recipe's validation_share of the training arrays is held out.
        recipe: what to do; by default Recipe.balanced().
        budget: limits for the int8 model, instead of the recipe's shrink or ratio: a Budget, or a
            dict like {"flash_bytes": 64_000}.
        board: target board; the int8 model is planned for its core. See `tflm-ext boards`.
        min_accuracy: with a budget or shrink, remove channels only while the accuracy on the
            validation data stays at or above this value.
        loss: by default that of the compiled model.
        checkpoints: a folder that keeps the model of every step and epoch; after an interruption,
            the same call resumes from there.
        progress: whether to show progress on a terminal; or a function that is called with a short
            text instead.

    Returns:
        The model, for export(), and a report with one row per step.

    Raises:
        ConfigError: an argument or the data cannot be used, or checkpoints belong to another run.
        UnsupportedModelError: the model cannot be pruned, trained or converted; names the layer.
        ToolError: the converter crashed.
        StorageError: the checkpoints cannot be written.
    """
    recipe = Recipe.balanced() if recipe is None else recipe
    budget = as_budget(budget)
    target = find_board(board)
    _check(model, recipe, budget, min_accuracy, checkpoints)
    data = read_data(model, train_data, validation_data, recipe.validation_share, recipe.seed)
    training = Training.of(model, loss, recipe, data)
    others = {
        "loss": loss_key(training.loss),
        "loss weights": loss_key(training.loss_weights),
        "optimizer": optimizer_key(getattr(model, "optimizer", None)),
        "budget": asdict(budget) if budget else None,
        "board": target.name,
        "min_accuracy": plain(min_accuracy),
    }
    store = Checkpoints(
        as_path("checkpoints", checkpoints) if checkpoints is not None else None,
        key_of(model, recipe, data.shapes, others),
    )
    # Train the smaller models in the same strategy scope as the given one.
    with model.distribute_strategy.scope(), one_child(), show_progress(progress) as say:
        return _Run(model, training, store, budget, board, min_accuracy, loss, say).result()


def _check(model: Any, recipe: Any, budget: Any, min_accuracy: Any, checkpoints: Any) -> None:
    kind = library(model)
    if kind is None:
        raise ConfigError(
            f"A {type(model).__name__} is not a model.", "Pass a keras.Model or a tf_keras.Model."
        )
    if not isinstance(recipe, Recipe):
        raise ConfigError(
            f"recipe={recipe!r} is not a Recipe.", "Pass one like tflm_ext.Recipe.balanced()."
        )
    try:
        known = bool(model.inputs) and bool(model.outputs)
    except (AttributeError, ValueError):
        known = False
    if not known:
        raise UnsupportedModelError(
            f"The inputs of model {model.name!r} are unknown: it is a subclass of Model or was "
            "never built.",
            "Build it as keras.Sequential with an Input, or as keras.Model(inputs, outputs).",
        )
    check_order(model)
    check_weights(model, f"model {model.name!r}")
    if budget is not None and budget == Budget():
        raise ConfigError(
            f"budget={budget!r} has no limit.", "Set one, as in Budget(flash_bytes=60_000)."
        )
    if min_accuracy is not None and not (is_number(min_accuracy) and 0 <= min_accuracy <= 1):
        raise ConfigError(
            f"min_accuracy={min_accuracy!r} is not a fraction of correct classes.",
            "Pass a number from 0 to 1.",
        )
    if checkpoints is not None and not isinstance(checkpoints, str | os.PathLike):
        raise ConfigError(
            f"checkpoints={checkpoints!r} is not a path.", "Pass the name of a new or empty folder."
        )
    if min_accuracy is not None and budget is None and recipe.shrink is None:
        raise ConfigError(
            "min_accuracy has nothing to stop: the recipe has no shrink, and there is no budget.",
            "Pass budget=, or a recipe with shrink= instead of ratio=.",
        )
    if kind == "tf_keras" and (_prunes(recipe, budget) or recipe.temperature is not None):
        raise ConfigError(
            f"Model {model.name!r} is a tf_keras model; channel pruning and distillation need a "
            "Keras 3 model.",
            "Build the same layers with keras and copy the weights, "
            "new.set_weights(old.get_weights()); or pass Recipe(temperature=None).",
        )


def _prunes(recipe: Recipe, budget: Budget | None) -> bool:
    return budget is not None or recipe.shrink is not None or bool(recipe.ratio)


@dataclass(frozen=True)
class _Step:
    """One step of a recipe.

    Attributes:
        name: in checkpoints.
        title: in the report; "" for a step after which nothing is measured.
        run: maps a model to a new one and notes. It never changes the model that it receives.
    """

    name: str
    title: str
    run: Callable[[Any], tuple[Any, list[str]]]


@dataclass
class _Run:
    """One call of compress()."""

    given: Any
    training: Training
    store: Checkpoints
    budget: Budget | None
    board: str | None
    min_accuracy: float | None
    loss: Any
    say: Progress

    def result(self) -> CompressionResult:
        """Run the remaining steps, and return the result."""
        recipe, given = self.training.recipe, self.given
        first = self._first()
        assert first.row is not None
        rows = [first.row]
        steps = list(self._steps(first.row))
        over = [done for step in steps if (done := self.store.done(step.name)) is not None]
        model = self.store.load(over[-1].name, given) if over else given
        if len(over) < len(steps):
            self.training = self.training.prepared(self.say)
        pending: tuple[str, ...] = ()
        for step in steps:
            done = self.store.done(step.name)
            if done is None:
                self.say(step.title or step.name)
                _seed(given, recipe.seed)
                model, notes = step.run(model)
                done = Done(step.name, notes=(*pending, *notes))
                if step.title:
                    metric, row = self._measure(step.title, model)
                    done = Done(step.name, metric, replace(row, notes=done.notes))
                self.store.save(done, model)
            pending = () if done.row else done.notes
            rows += [done.row] if done.row else []
        missed = self._missed(rows)
        for note in missed:
            warnings.warn(note, stacklevel=3)
        samples = len(self.training.data.targets)
        report = CompressionReport(first.metric, samples, recipe, tuple(rows), missed)
        return CompressionResult(model, report)

    def _first(self) -> Done:
        done = self.store.done("given")
        if done is None:
            metric, row = self._measure("as given", self.given)
            if self.min_accuracy is not None and metric != "accuracy":
                raise ConfigError(
                    f"min_accuracy needs class targets, but these targets are scored by {metric}.",
                    "Leave it out, and check the report instead.",
                )
            done = Done("given", metric, row)
            self.store.save(done)
        return done

    def _measure(self, title: str, model: Any) -> tuple[str, CompressionStep]:
        parameters = _plain(model).count_params()
        return measure(
            title,
            model,
            self.training.data,
            parameters,
            find_board(self.board),
            lambda text: self.say(f"{title}: {text}"),
        )

    def _limits(self, first: CompressionStep) -> Budget | None:
        shrink = self.training.recipe.shrink
        if self.budget is not None or shrink is None:
            return self.budget
        return Budget(weight_bytes=int(first.weight_bytes / shrink), macs=int(first.macs / shrink))

    def _steps(self, first: CompressionStep) -> Iterator[_Step]:
        recipe = self.training.recipe
        limits = self._limits(first)
        if limits is not None or recipe.ratio:
            tuned = bool(recipe.fine_tune_epochs)
            yield _Step(
                "prune", "" if tuned else "channel pruning", lambda model: self._prune(limits)
            )
            if tuned:
                yield _Step("tune", "channel pruning", self._tune)
        if recipe.sparsity:
            yield _Step("sparsify", f"{recipe.sparsity_pattern} sparsity", self._sparsify)
        if recipe.clusters:
            yield _Step("cluster", f"{recipe.clusters} clusters", self._cluster)
        if recipe.quantize_epochs:
            yield _Step("quantise", "quantisation-aware training", self._quantise)

    def _prune(self, limits: Budget | None) -> tuple[Any, list[str]]:
        recipe, data = self.training.recipe, self.training.data
        with warnings.catch_warnings():
            # The result reports a budget that is not reached.
            warnings.filterwarnings("ignore", "The budget is not reached")
            new, report = prune_channels(
                self.given,
                ratio=recipe.ratio if limits is None else None,
                budget=limits,
                board=self.board,
                data=data.train,
                validation_data=data.validation if limits is not None else None,
                importance=recipe.importance,
                multiple_of=recipe.multiple_of,
                min_accuracy=self.min_accuracy if limits is not None else None,
                fine_tune_epochs=0 if limits is None else recipe.round_epochs,
                loss=self.loss,
                optimizer=self.training.optimizer(recipe.round_epochs, 1.0),
                seed=recipe.seed,
                report=True,
                progress=self.say,
            )
        return new, _pruning_notes(report)

    def _tune(self, model: Any) -> tuple[Any, list[str]]:
        epochs = self.training.recipe.fine_tune_epochs
        return self._fit(model, "tune", "fine-tuning", epochs), []

    def _sparsify(self, model: Any) -> tuple[Any, list[str]]:
        recipe = self.training.recipe
        assert recipe.sparsity is not None
        callback = SparsityCallback(recipe.sparsity, pattern=recipe.sparsity_pattern)
        new = self._fit(model, "sparsify", "sparsity", recipe.sparsity_epochs, callback)
        left = [
            f"{row.layer} is not changed: {row.reason}" for row in callback.report if row.reason
        ]
        return new, [callback.saving, *left]

    def _cluster(self, model: Any) -> tuple[Any, list[str]]:
        recipe = self.training.recipe
        assert recipe.clusters is not None
        callback = ClusteringCallback(recipe.clusters, per=recipe.clusters_per, seed=recipe.seed)
        new = self._fit(model, "cluster", "clustering", recipe.clustering_epochs, callback)
        left = [
            f"{row.layer} is not changed: {row.reason}" for row in callback.report if row.reason
        ]
        return new, [callback.saving, *left]

    def _quantise(self, model: Any) -> tuple[Any, list[str]]:
        epochs = self.training.recipe.quantize_epochs
        aware = quantize_aware(model)
        self.training.fit(
            aware,
            epochs,
            "quantisation-aware training",
            self.say,
            rate=_QUANTIZE_RATE,
            backup=self.store.state("quantise"),
        )
        return aware, ["recovers accuracy that int8 loses; does not make the model smaller"]

    def _fit(self, model: Any, name: str, title: str, epochs: int, *callbacks: Any) -> Any:
        """Train a copy."""
        copy = _copy(model)
        self.training.fit(
            copy, epochs, title, self.say, callbacks=callbacks, backup=self.store.state(name)
        )
        return copy

    def _missed(self, rows: list[CompressionStep]) -> tuple[str, ...]:
        """Return notes about goals that were not reached."""
        notes = []
        limits = self._limits(rows[0])
        if limits is not None and not sizes(rows[-1]).within(limits):
            asked = "budget" if self.budget else f"shrink={self.training.recipe.shrink:g}"
            wanted = ", ".join(f"{k} {v:,}" for k, v in asdict(limits).items() if v is not None)
            why = (
                Ended.ACCURACY
                if any(str(Ended.ACCURACY) in note for row in rows for note in row.notes)
                else Ended.EXHAUSTED
            )
            notes.append(f"The {asked} is not reached ({wanted}): {why}.")
        least = self.min_accuracy
        if least is not None and rows[-1].int8_score < least:
            notes.append(
                f"The int8 model's accuracy is {rows[-1].int8_score:.4f}, less than"
                f" min_accuracy={least:g}: min_accuracy holds for the float model after pruning."
            )
        return tuple(notes)


def _pruning_notes(report: PruningReport) -> list[str]:
    gone = f"{report.removed_channels} of {report.prunable_channels} prunable channels were removed"
    return [
        f"{gone} ({report.removed_share:.0%}): {report.ended}",
        *(f"untouched: {row}" for row in report.untouched),
    ]


def _copy(model: Any) -> Any:
    """Return a copy of the model with its own weights, not compiled."""
    if library(model) == "tf_keras":
        import tf_keras

        copy = tf_keras.models.clone_model(model)
    else:
        copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _plain(model: Any) -> Any:
    """Return the plain model, without the additions of quantisation-aware training."""
    return strip(model) if _is_aware(model) else model


def _is_aware(model: Any) -> bool:
    if library(model) == "tf_keras":
        from tflm_ext.compression.qat.tf_keras import is_quantized

        return is_quantized(model)
    from tflm_ext.qat.model import QuantizedModel

    return isinstance(model, QuantizedModel)


def _seed(model: Any, seed: int) -> None:
    if library(model) == "keras":
        keras.utils.set_random_seed(seed)
    else:
        import tf_keras

        tf_keras.utils.set_random_seed(seed)
