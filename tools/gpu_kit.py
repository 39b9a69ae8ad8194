"""`python -m tools.gpu_kit FOLDER`: the wheels that `bench.gpu` needs on a machine that has PyTorch and no network."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"

MOST = 64 * 10**6
"""Bytes of all wheels together."""

PACKAGES = (
    "diffusers",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface-hub",
    "greenlet",
    "numpy",
    "pillow",
    "importlib-metadata",
    "zipp",
    "regex",
    "requests",
    "httpx2",
    "httpcore2",
    "anyio",
    "certifi",
    "charset-normalizer",
    "h11",
    "idna",
    "truststore",
    "urllib3",
    "filelock",
    "fsspec",
    "packaging",
    "pyyaml",
    "tqdm",
)
"""What `bench.gpu`, Diffusers and Transformers import. PyTorch is left out: it is there, and too large to carry."""

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "any")


def command(folder: Path, packages: Iterable[str], python: str) -> list[str]:
    """The call of pip that collects these packages."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    only = ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms]
    kept = ["--constraint", str(CONSTRAINTS), "--dest", str(folder)]
    return [sys.executable, "-m", "pip", "download", "--quiet", *only, *kept, *packages]


def table(sizes: dict[str, int]) -> str:
    """A line a wheel, the largest first, and their sum."""
    lines = [f"{size / 10**6:8.1f} MB  {name}" for name, size in sorted(sizes.items(), key=lambda one: -one[1])]
    return "\n".join([*lines, f"{sum(sizes.values()) / 10**6:8.1f} MB  in {len(sizes)} wheels"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_kit", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="Version of Python on the machine.")
    parser.add_argument("--without", type=lambda text: set(text.split(",")), default=set(), metavar="A,B")
    asked = parser.parse_args(arguments)
    packages = [name for name in PACKAGES if name not in asked.without]
    asked.folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command(asked.folder, packages, asked.python), check=False)
    if done.returncode:
        return done.returncode
    sizes = {wheel.name: wheel.stat().st_size for wheel in asked.folder.glob("*.whl")}
    print(table(sizes))
    if sum(sizes.values()) > MOST:
        print(
            f"That is more than {MOST / 10**6:.0f} MB. Leave out what the machine has: --without A,B", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
