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
    # Other models, formats and ways of the same law.
    "call_makes_a_picture_from_text_alone[flux]",
    "test_a_controlled_picture_is_the_one_that_diffusers_makes[sdxl]",
    "test_a_controlled_picture_is_the_one_that_diffusers_makes[sd3]",
    "test_a_controlled_picture_is_the_one_that_diffusers_makes[flux]",
    "test_a_picture_from_a_picture_is_the_one_that_diffusers_makes[sdxl]",
    "test_a_picture_from_a_picture_is_the_one_that_diffusers_makes[sd3]",
    "test_a_picture_from_a_picture_is_the_one_that_diffusers_makes[flux]",
    "test_pictures_from_pictures_share_forwards_and_stay_within_a_level[sdxl]",
    "test_pictures_from_pictures_share_forwards_and_stay_within_a_level[sd3]",
    "test_pictures_from_pictures_share_forwards_and_stay_within_a_level[flux]",
    "test_text_alone_and_pictures_are_made_one_after_another_as_in_fresh_processes",
    "test_pictures_that_a_quantization_cannot_make_in_batches_are_made_alone_and_plan_says_so",
    "or_one_sentence_says_what_is_missing[quanto-int4]",
    "or_one_sentence_says_what_is_missing[quanto-fp8]",
    "or_one_sentence_says_what_is_missing[torchao-fp8]",
    "test_a_lora_is_put_on_quantized_weights_and_taken_off_again",
    "whatever_was_made_before_it[faster_cache",
    "whatever_was_made_before_it[pab",
    "whatever_was_made_before_it[taylorseer",
    "whatever_was_made_before_it[magcache",
    "test_an_attention_backend_is_put_on_one_model_and_no_other",
    "test_a_folder_that_was_saved_quantized_is_loaded_as_it_was_saved",
    "test_a_file_in_the_names_of_its_authors_is_read_as_diffusers_reads_it",
    "test_a_lora_of_the_text_encoder_goes_on_and_off_beside_a_textual_inversion",
    "that_diffusers_makes_with_the_file[sd15-three.safetensors",
    "that_diffusers_makes_with_the_file[sdxl-two.safetensors",
    "test_a_guider_makes_the_picture_of_the_modular_pipeline[qwen_image]",
    "test_a_guider_makes_the_picture_of_the_modular_pipeline[flux2_klein]",
    "test_plain_guidance_by_a_guider_is_that_of_the_pipeline[qwen_image]",
    "test_plain_guidance_by_a_guider_is_that_of_the_pipeline[flux2_klein]",
    "each_of_its_levels_changes_the_picture[number_formats]",
    "each_of_its_levels_changes_the_picture[quantized_at_one_seed]",
    "each_of_its_levels_changes_the_picture[spacing_of_the_steps]",
    "test_pictures.py::test_a_merged_call_makes_the_picture_of_the_plain_call[sdxl]",
    "test_pictures.py::test_a_picture_has_the_same_bytes_for_any_neighbours_order_and_interruption[sd3]",
    "test_auto_is_openvino_where_its_pictures_are_those_of_pytorch_and_its_facts_say_it",
    "plainly_and_in_batches_at_the_cost_foretold[sana_sprint]",
    "plainly_and_in_batches_at_the_cost_foretold[lumina2]",
    "plainly_and_in_batches_at_the_cost_foretold[pixart]",
    "plainly_and_in_batches_at_the_cost_foretold[flux2_klein]",
    "plainly_and_in_batches_at_the_cost_foretold[qwen_image]",
    "test_what_cannot_be_loaded_fails_its_own_shots_and_the_others_are_made[1]",
    "test_texts_of_one_digest_have_one_picture_and_others_have_two[case-sdxl]",
    "test_texts_of_one_digest_have_one_picture_and_others_have_two[long-flux]",
    "test_axe_finds_nothing[light-phone]",
    "test_axe_finds_nothing[dark-desktop]",
    "test_a_model_is_converted_once_for_all_schedulers_and_runs",
    "test_a_model_that_is_half_on_the_disk_is_fetched_or_one_sentence_says_how",
    "test_a_gguf_file_gives_the_picture_that_diffusers_makes_with_it",
    "test_quantized_pictures_share_forwards_and_stay_within_a_level",
    "test_diffusers_inversions.py::test_cells_in_any_order_are_those_of_a_fresh_engine",
    "test_the_number_of_rows_is_found_once_on_a_machine",
    "test_never_more_than_300_pictures_are_in_the_document[layout=wall",
    "test_plain_guidance_by_a_guider_is_that_of_the_pipeline[sdxl]",
)
"""Parts of the names of tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(part in item.nodeid for part in SIBLINGS):
            item.add_marker(pytest.mark.slow)
