"""A callback that works with fit() of both Keras libraries."""

from __future__ import annotations

import keras


class TrainingCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Acts after batches of training.

    fit() of tf_keras accepts any object with the hooks of a callback, and queries three more
    attributes before it calls on_train_begin().
    """

    def _implements_train_batch_hooks(self) -> bool:
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False
