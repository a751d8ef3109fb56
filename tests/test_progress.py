"""Progress: each step is reported once it is done."""

import pytest

from tfctc.progress import Task, silent, tracked


@pytest.fixture
def events():
    return []


@pytest.fixture
def progress(events):
    return lambda *step: events.append(step)


def test_a_task_counts_its_steps(events, progress):
    task = Task(progress, "Checking images", 5)
    for steps in (1, 3, 1):
        task.advance(steps)
    task.advance()
    assert events == [("Checking images", done, 5) for done in (1, 4, 5, 6)]


def test_an_item_is_reported_after_it_has_been_dealt_with(events, progress):
    for item in tracked(progress, "Reading", iter("ab"), 2):
        events.append(item)
    assert events == ["a", ("Reading", 1, 2), "b", ("Reading", 2, 2)]


def test_an_item_that_fails_is_not_reported(events, progress):
    with pytest.raises(ZeroDivisionError):
        for item in tracked(progress, "Reading", [1, 0, 2], 3):
            1 / item  # noqa: B018
    assert events == [("Reading", 1, 3)]


def test_nothing_is_reported_of_nothing_and_silence_takes_any_step(events, progress):
    assert list(tracked(progress, "Reading", [], 0)) == [] and not events
    assert list(tracked(silent, "Reading", [1, 2], 2)) == [1, 2]
