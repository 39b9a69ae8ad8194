"""DALL·E mini and mega, the models behind Craiyon: a small implementation of the published architecture.

A BART reads the text and writes 256 image tokens, one after another; a VQGAN turns the tokens into a picture. `sizes`
says how large each part is and which tensors it has; `folder` finds a model; `text` reads prompts; `transformer` and
`detokenizer` are the networks; `sampling` makes a picture. Knows tensors and files; nothing of shots or studies.

The sources are dalle-mini (Apache-2.0, Flax) and min-dalle (MIT, PyTorch), whose names of tensors are kept here.
"""
