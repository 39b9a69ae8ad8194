"""A process that speaks the frames of `teststrip.imagen.child` and misbehaves where a prompt asks for it.

It stands in the place of the child's program where a test is about the process and not about pictures: the pixels are
those of the seed. Any first argument is the program that the engine wanted to start; its frames are used.
"""

from __future__ import annotations

import array
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[1]).parent))
from child import read_frame, write_frame

sys.path.pop(0)
out, side = sys.stdout.buffer, 16


def picture(seed: int) -> bytes:
    return array.array("f", [(seed * 7 + place) % 251 / 251 for place in range(3 * side * side)]).tobytes()


def misbehave(prompt: str) -> None:
    if prompt == "die":
        print("the last words of the process", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if prompt == "exit":
        sys.exit(3)
    if prompt == "hang":
        time.sleep(60)
    if prompt in ("garbage", "cut"):
        out.write(b"print() of a library\n" if prompt == "garbage" else b"TSim\x10\0\0\0\0\0\0\0\0\0\0\0{")
        out.flush()
        out.close()
        os.close(1)
        time.sleep(60)
    if prompt == "late":  # answers after a while, as to a run that no longer waits
        time.sleep(1)


while True:
    try:
        request, _ = read_frame(sys.stdin.buffer)
    except EOFError:
        sys.exit()
    if request["do"] == "about":
        versions = {"imagen-pytorch": "2.1.0", "torch": "0"}
        write_frame(out, {"is": "about", "missing": [], "versions": versions, "python": "3", "device": "cpu"})
        continue
    asked = request["asked"]
    misbehave(asked["prompt"])
    if asked["prompt"] == "refuse":
        write_frame(out, {"is": "failed", "phase": "picture", "reason": "oom", "text": "x\ny", "retryable": True})
        continue
    write_frame(out, {"is": "step"})
    shape = [3, 8, 8] if asked["prompt"] == "small" else [3, side, side]
    body = picture(asked["seed"])
    if asked["prompt"] == "nan":
        body = array.array("f", [float("nan")] * (3 * side * side)).tobytes()
    write_frame(out, {"is": "picture", "shape": shape, "facts": {"denoiser_calls": 1}}, body)
