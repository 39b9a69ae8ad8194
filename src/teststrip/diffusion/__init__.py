"""Diffusers: what pipelines and model folders say before anything is loaded; loading; one shot on what is loaded."""
