"""Puts LoRAs on a loaded pipeline and takes them off again, so that nothing of one shot's reaches another's.

LoRAs that are off stay in memory for a while, because a study comes back to them. Knows a loaded pipeline and files;
nothing of shots. Imports torch and diffusers when called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teststrip.batching import out_of_memory
from teststrip.diffusion.failures import MOST, CannotAdapt
from teststrip.diffusion.heard import Ear
from teststrip.diffusion.loading import Loaded, as_transformers_has_them, listening
from teststrip.diffusion.loras import MOST_LORAS, Lora
from teststrip.errors import first_line
from teststrip.records import Reason


def adapt(loaded: Loaded, loras: Sequence[Lora]) -> None:
    """Put these LoRAs on, each at its scale, and take all others off.

    Args:
        loaded: changed in place.
        loras: none, one or several; those that were used longest ago leave the memory for them.

    Raises:
        CannotAdapt: a LoRA does not fit the model, or memory ran out. The pipeline may hold a part of a LoRA then.
    """
    wanted = tuple(loras)
    if loaded.adapted == wanted:
        return
    _make_room(loaded, wanted)
    for lora in wanted:
        _loaded(loaded, lora.file)
    ear = Ear()
    try:
        with listening(ear):
            _switch(loaded, wanted)
    except Exception as error:  # as in `_loaded`
        raise _misfit(loaded, " + ".join(lora.file for lora in wanted), error) from error
    for lora in wanted[-1:]:
        loaded.said[lora.file] = tuple(dict.fromkeys((*loaded.said[lora.file], *ear.take())))
    loaded.adapted = wanted


def _switch(loaded: Loaded, wanted: Sequence[Lora]) -> None:
    """Switch LoRAs that are in memory on and off."""
    if not wanted:
        loaded.pipe.disable_lora()
        return
    loaded.pipe.enable_lora()  # also for one that was just loaded: layers that were switched off stay so
    loaded.pipe.set_adapters([loaded.adapters[lora.file] for lora in wanted], [lora.scale for lora in wanted])


def _make_room(loaded: Loaded, wanted: Sequence[Lora]) -> None:
    """Let LoRAs that are not wanted go, as far as those that are need their places."""
    files = {lora.file for lora in wanted}
    most = max(MOST_LORAS, len(files))
    unused = [file for file in loaded.adapters if file not in files]
    with listening(Ear()):  # peft warns where what goes was on; what is on is decided after this
        while unused and len(files | loaded.adapters.keys()) > most:
            loaded.pipe.delete_adapters(loaded.adapters.pop(unused.pop(0)))


def _loaded(loaded: Loaded, lora: str) -> None:
    """Load a LoRA where it is not in memory; it stands last among those that are."""
    if lora not in loaded.adapters:
        name, file = f"lora{loaded.loras}", Path(lora).expanduser()
        loaded.loras += 1
        ear = Ear()
        try:
            with listening(ear), as_transformers_has_them(loaded.pipe):
                loaded.pipe.load_lora_weights(
                    str(file.parent), weight_name=file.name, adapter_name=name, use_safetensors=True
                )
        except Exception as error:  # whatever a file of unknown origin brings about, there is one remedy
            raise _misfit(loaded, lora, error) from error
        loaded.said[lora] = ear.take()
        loaded.adapters[lora] = name
    loaded.adapters[lora] = loaded.adapters.pop(lora)


def _misfit(loaded: Loaded, what: str, error: Exception) -> CannotAdapt:
    reason: Reason = "oom" if out_of_memory(error) else "error"
    why = first_line(error).rstrip(".")[:MOST]
    return CannotAdapt(f"lora: {what!r} does not fit {loaded.model.name!r} ({why})", reason)
