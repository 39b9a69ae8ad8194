"""How the model in the box was made: data, autoencoder, scorers, latents, denoiser, export, evaluation.

Each stage is one module, run as `python -m training.STAGE`, with its settings in recipe.toml.
Nothing here is imported by Teststrip, and nothing here knows Teststrip.
"""
