"""Tests that run in `make campaign` alone, because they take seconds each and have siblings in CI that fail with them.

A plug-in of pytest that `tests/conftest.py` loads. What is slow by its nature has a mark of its own beside it.
"""

from __future__ import annotations

import pytest

SIBLINGS = (
    # A contract is kept by one tracker through kills, and by two in all else.
    "TestMlflowKeepsTheContract::test_killed",
    "TestTensorBoardKeepsTheContract::test_",
    "TestTrackioKeepsTheContract::test_",
    "test_wandb.py::test_a_part_that_did_not_arrive_is_noticed_and_only_that_is_sent_again[file_stream]",
    "test_wandb.py::test_a_server_that_fails_neither_stops_the_run_nor_loses_anything[hang]",
    "test_mlflow.py::test_without_a_server_everything_lies_beside_the_study_and_moves_with_it",
    # The other verbs take a study by the same function.
    "test_every_verb_takes_the_study_file_its_folder_or_a_part_of_that_folder[run]",
    "test_every_verb_takes_the_study_file_its_folder_or_a_part_of_that_folder[best]",
    "test_every_verb_takes_the_study_file_its_folder_or_a_part_of_that_folder[verify]",
    "test_every_verb_takes_the_study_file_its_folder_or_a_part_of_that_folder[export]",
    # Families of pipelines and layouts of the page: the others run in CI.
    "test_pictures.py::test_a_merged_call_makes_the_picture_of_the_plain_call[sd21]",
    "test_pictures.py::test_a_picture_has_the_same_bytes_for_any_neighbours_order_and_interruption[sd21]",
    "test_pictures.py::test_a_picture_has_the_same_bytes_for_any_neighbours_order_and_interruption[sdxl]",
    "test_recorded_pictures_have_the_bytes_of_the_model_s_own[sd21",
    "plainly_and_in_batches_at_the_cost_foretold[sana]",
    "plainly_and_in_batches_at_the_cost_foretold[pixart_sigma]",
    "plainly_and_in_batches_at_the_cost_foretold[lcm]",
    "plainly_and_in_batches_at_the_cost_foretold[auraflow]",
    "test_never_more_than_300_pictures_are_in_the_document[size=48]",
    "test_never_more_than_300_pictures_are_in_the_document[rows=prompt",
    "test_never_more_than_300_pictures_are_in_the_document[rows=seed",
    "each_of_its_levels_changes_the_picture[fifteen_models]",
    "each_of_its_levels_changes_the_picture[one_long_prompt]",
    "each_of_its_levels_changes_the_picture[schedulers_of_sdxl]",
    "test_an_example_runs_on_the_embedded_model[same_picture]",
    "test_an_example_runs_on_the_embedded_model[pussycat_or_cat]",
    "test_an_example_runs_on_the_embedded_model[scheduler_and_steps]",
    "test_a_migration_killed_at_any_statement_is_finished_by_the_next_run[1]",
    "test_plan_says_how_many_settings_are_made_alone_and_why",
    "test_openvino_in_single_precision_makes_the_pictures_of_pytorch",
    "test_several_lanes_may_ask_openvino_at_a_time",
    "test_run_with_view_opens_the_live_page_and_ends_it_with_the_run",
)
"""Parts of the names of tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(part in item.nodeid for part in SIBLINGS):
            item.add_marker(pytest.mark.slow)
