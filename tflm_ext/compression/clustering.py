"""ClusteringCallback: trains weights with only a few distinct values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflm_ext.compression.k_means import Numbers, groups_of, k_means, most_values
from tflm_ext.compression.recipe import GROUPS
from tflm_ext.compression.weights import Kernel, Values, WeightsCallback, assign, read, whole
from tflm_ext.errors import ConfigError
from tflm_ext.near import one_of

MAX_CLUSTERS = 256


@dataclass(frozen=True, slots=True)
class LayerClusters:
    """The result for one kernel.

    Attributes:
        layer: name of the layer.
        weights: name of the weights within it, like "kernel"; "" for a layer left alone.
        size: number of weights.
        groups: number of groups with separate values: 1, or the number of channels.
        values: distinct values in the group that has the most, zero included.
        reason: why the layer was left alone, or "".
    """

    layer: str
    weights: str = ""
    size: int = 0
    groups: int = 0
    values: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Clusters:
    """The clusters of one kernel.

    Attributes:
        replicas: its variables.
        numbers: the cluster of each weight, in the kernel's shape.
        factors: from the sum of a cluster's weights to their common value: the mean, or zero.
    """

    replicas: tuple[Any, ...]
    numbers: Numbers
    factors: Values

    @classmethod
    def of(cls, kernel: Kernel, weights: Values, numbers: Numbers) -> Clusters:
        """Make clusters; the cluster of weights that are zero now remains zero."""
        factors = 1 / np.maximum(np.bincount(numbers), 1)
        factors[numbers[weights == 0]] = 0
        return cls(kernel.replicas, numbers.reshape(kernel.shape), factors)

    def kept(self) -> bool:
        """Whether no weights have become zero that were not when the clusters were found."""
        return not self.factors[self.numbers[self.weights() == 0]].any()

    def weights(self) -> Values:
        """Return the current weights; unlike .numpy(), this does not copy."""
        return np.asarray(read(self.replicas[0]))

    def means(self, weights: Values) -> Values:
        """Return the weights, each replaced with the mean of its cluster.

        NumPy is several times faster here than TensorFlow's operators, and needs no compilation,
        which takes XLA a second. It sums in float64, so that the mean of equal float32 values is
        exactly that value.
        """
        sums = np.bincount(self.numbers.ravel(), weights.ravel(), self.factors.size)
        return (sums * self.factors).astype(weights.dtype).take(self.numbers)


class ClusteringCallback(WeightsCallback):
    """Limits weights to a few distinct values during fit(), such as 16 for each kernel.

    The compiled runtime does not benefit: an int8 weight takes one byte, whatever its value, so
    flash, RAM and time stay the same. To make a model smaller and faster on every runtime, use
    tflm_ext.prune_channels(). Use this callback before tflm_ext.encode(), which trades RAM and time
    for flash in TensorFlow Lite Micro's interpreter; for a custom kernel that reads indexes
    into a table; or for a file that is sent compressed.

    At begin_epoch, k-means finds the clusters, initialised as in k-means++ (Arthur and
    Vassilvitskii, 2007), and gives the weights of each cluster a common value, as in Han et al.,
    2016, "Deep Compression". From then on, after every few batches and after the last batch of an
    epoch, each weight becomes the mean of its cluster: the steps of its weights are averaged. For
    SGD, with or without momentum, that is a step along the averaged gradients. Adam and similar
    optimizers scale the gradient of each weight by its own history before the average: clusters
    whose weights disagree take smaller steps than with a common history. With steps_per_execution,
    the average is taken at the next callback, because callbacks are not called more often; if fit()
    does not know the number of batches, it is taken after every batch. Nothing is wrapped, and you
    keep your own loss, metrics, sample weights and callbacks. Weights that are zero when the
    clusters are found stay zero and count as one cluster, so let a SparsityCallback reach its
    end_epoch first. The int8 model has the same number of distinct values.

    Put it last in callbacks=, after EarlyStopping and everything else that restores weights.

    Args:
        clusters: maximum number of distinct values, zero included; 2 to 256.
        per: "tensor": this many in each kernel; "channel": in each output channel of a kernel. In
            an int8 model, these channels have separate scales.
        layers: layers, or names of layers, including the layers inside them; by default all with a
            kernel that is multiplied.
        begin_epoch: first epoch with clusters, counted from 0.
        reassign_epochs: for this many epochs from begin_epoch, weights move freely within the
            epoch, and the clusters are found again at its end. After that, a weight stays in its
            cluster.
        average_batches: take the average after this many batches. 1 follows the averaged gradient
            in every step, and costs more than a quarter of the time of a step if batches are small
            and the layers are Dense.
        seed: of k-means++.

    Attributes:
        report: one row per kernel and per layer that is not changed, for the current state of the
            model.

    Raises:
        ConfigError: an argument is out of range. From fit(): it is too short or stopped before
            there were clusters, no layer can be clustered, or the loss is not finite.

    Example:
        >>> callback = ClusteringCallback(16, per="channel", begin_epoch=3)
        >>> ClusteringCallback.from_config(callback.get_config()).clusters
        16
    """

    what = "clustered"

    def __init__(
        self,
        clusters: int = 16,
        *,
        per: str = "tensor",
        layers: Sequence[Any] | None = None,
        begin_epoch: int = 0,
        reassign_epochs: int = 0,
        average_batches: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(begin_epoch, layers)
        self.clusters = whole(clusters, "clusters", 2)
        if clusters > MAX_CLUSTERS:
            raise ConfigError(
                f"clusters={clusters} is out of range.",
                f"Pass at most {MAX_CLUSTERS}: int8 does not have more values.",
            )
        self.per = one_of("per", per, GROUPS)
        self.reassign_epochs = whole(reassign_epochs, "reassign_epochs", 0)
        self.average_batches = whole(average_batches, "average_batches", 1)
        self.seed = whole(seed, "seed", 0)
        self._averaged, self._behind = -1, False
        self._groups: list[Numbers] = []
        self._clusters: list[Clusters] = []

    def get_config(self) -> dict[str, Any]:
        return {
            "clusters": self.clusters,
            "per": self.per,
            "layers": self._layer_names(),
            "begin_epoch": self.begin_epoch,
            "reassign_epochs": self.reassign_epochs,
            "average_batches": self.average_batches,
            "seed": self.seed,
        }

    @property
    def report(self) -> tuple[LayerClusters, ...]:
        rows = []
        for kernel, places in zip(self.kernels, self._groups, strict=True):
            values = most_values(kernel.values(), places)
            rows.append(
                LayerClusters(kernel.layer, kernel.weights, places.size, len(places), values)
            )
        rows += [LayerClusters(left.layer, reason=left.reason) for left in self.left_alone]
        return tuple(rows)

    @property
    def saving(self) -> str:
        """The gain of the current form, in one line."""
        return (
            f"{self.clusters} clusters per {self.per}: the compiled runtime stores one byte per "
            "weight, so nothing is saved; prune_channels() makes a model smaller"
        )

    def _refusal(self, kernel: Kernel) -> str:
        return ""

    def _start(self, epochs: int) -> None:
        last = self.begin_epoch + self.reassign_epochs
        if last >= epochs:
            what = "begin_epoch"
            what += f"={self.begin_epoch}, reassign_epochs" if self.reassign_epochs else ""
            raise ConfigError(
                f"{what}={self.reassign_epochs or self.begin_epoch} is out of range:"
                f" fit(epochs={epochs}) ends before epoch {last}.",
                f"Pass epochs={last + 1} or more to fit(), or a smaller value to the callback.",
            )
        self._clusters = []
        self._groups = [
            groups_of(kernel.shape, kernel.channel_axes, self.per) for kernel in self.kernels
        ]

    def _begin(self, epoch: int) -> None:
        self._averaged, self._behind = -1, False
        if epoch >= self.begin_epoch and not self._clusters:
            self._find()
        elif epoch >= self.begin_epoch + self.reassign_epochs:
            self._refuse_zeros()

    def _refuse_zeros(self) -> None:
        """Refuse zeros set by another callback, which the averages would fill.

        Raises:
            ConfigError: there are zeros that do not form a cluster.
        """
        for kernel, clusters in zip(self.kernels, self._clusters, strict=True):
            if not clusters.kept():
                raise ConfigError(
                    f"Layer {kernel.layer!r} has gained zeros since its clusters were found.",
                    "Set end_epoch of the SparsityCallback before begin_epoch of the "
                    "ClusteringCallback.",
                )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.begin_epoch <= epoch < self.begin_epoch + self.reassign_epochs:
            self._find()
        elif self._behind:  # the data ended early
            self._apply()

    def _find(self) -> None:
        """Find the clusters of the current weights, and move each weight to its cluster."""
        rng = np.random.default_rng(self.seed)
        self._clusters = []
        for kernel, weights, places in zip(self.kernels, self._values(), self._groups, strict=True):
            flat = weights.ravel()
            numbers = np.empty(flat.size, np.intp)
            found = k_means(flat[places], self.clusters, rng)
            numbers[places] = found + self.clusters * np.arange(len(places))[:, np.newaxis]
            self._clusters.append(Clusters.of(kernel, flat, numbers))
        self._average()

    def _due(self, batch: int) -> bool:
        # The last one comes before validation, and before other callbacks save the model.
        steps = (self.params or {}).get("steps") or 0
        if batch + 1 < steps and batch - self._averaged < self.average_batches:
            self._behind = True
            return False
        self._averaged, self._behind = batch, False
        return True

    def _apply(self) -> None:
        if self._epoch >= self.begin_epoch + self.reassign_epochs:
            self._average()

    def _average(self) -> None:
        # In three passes, because alternating between TensorFlow and NumPy takes longer.
        weights = [clusters.weights() for clusters in self._clusters]
        means = [c.means(values) for c, values in zip(self._clusters, weights, strict=True)]
        for clusters, values in zip(self._clusters, means, strict=True):
            for variable in clusters.replicas:
                assign(variable, values)

    def on_train_end(self, logs: Any = None) -> None:
        """Check that the weights do not have more values than they should.

        Raises:
            ConfigError: fit() ended before there were clusters.
        """
        if self._clusters:
            self._refuse_zeros()
        missing = self._missing()
        if missing and self._clusters:
            self._average()
            missing = self._missing()
            if not missing:
                warnings.warn(
                    "Another callback or the optimizer restored weights that were not clustered. "
                    "They are clustered now, but have not been trained since.",
                    stacklevel=2,
                )
        self._clusters = []
        if missing:
            raise ConfigError(
                f"fit() ended with epoch {self._epoch}, and {missing}.",
                f"Let EarlyStopping begin later (start_from_epoch={self.begin_epoch + 1}), or "
                "pass a smaller begin_epoch to the callback.",
            )

    def _missing(self) -> str:
        """Describe the first kernel that has too many values; "" if there is none."""
        for kernel, weights, places in zip(self.kernels, self._values(), self._groups, strict=True):
            values = most_values(weights, places)
            if values > self.clusters:
                return f"layer {kernel.layer!r} has {values} values, not {self.clusters}"
        return ""
