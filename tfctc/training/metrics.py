"""Keras metrics that a training reports."""

from typing import Any

import keras

from tfctc.models.classifier import log_odds


@keras.saving.register_keras_serializable("tfctc")
class AUROC(keras.metrics.AUC):
    """Area under the ROC curve of logits ``(B, K)``, of the positive class against all others.

    The error is below 0.002 for log-odds with a spread of 0.1 to 100.

    `keras.metrics.AUC` uses evenly spaced thresholds of the probability. All predictions of a confident network would
    lie below the first or above the last one, and could not be ranked. Here the thresholds are evenly spaced in
    ``z / (4 + |z|)``, with z the log-odds.
    """

    def __init__(self, name: str = "auroc", num_thresholds: int = 2000, **options: Any):
        super().__init__(name=name, num_thresholds=num_thresholds, **options)

    def update_state(self, y_true, y_pred, sample_weight=None):
        z = log_odds(y_pred)
        positive = keras.ops.equal(y_true, 1)
        super().update_state(positive, 0.5 + 0.5 * z / (4 + keras.ops.abs(z)), sample_weight)
