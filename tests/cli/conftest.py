import pytest


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals from few resamples: `tfctc evaluate` draws a thousand."""
    monkeypatch.setattr("tfctc.evaluation.evaluate.RESAMPLES", 20)
