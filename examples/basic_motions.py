"""Deploy a trained CNN on smartwatch movements: convert, compile, run, bill, compare.

    pip install "neurodeploy[torch]"
    python examples/basic_motions.py

The network of `train_basic_motions.py` becomes a spiking one for several numbers of time steps
T. Each is compiled for this computer, runs on all 40 test recordings, is billed, and is compared
with the reference simulator: `exact` means bit for bit the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file
from train_basic_motions import DATA, build_network, load_basic_motions_split

import neurodeploy as nd

TIMESTEPS = (4, 8, 16, 32, 64)


def trained_network() -> torch.nn.Module:
    """Return the network with the weights that lie beside the data."""
    network = build_network()
    network.load_state_dict(load_file(DATA / "basic_motions.safetensors"))
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Deploy the BasicMotions network.")
    parser.add_argument("--out", type=Path, default=Path("build/basic_motions"))
    parser.add_argument("--timesteps", type=int, nargs="+", default=TIMESTEPS, metavar="T")
    arguments = parser.parse_args()

    data = load_basic_motions_split()
    x, y = data.xte, data.yte
    ann = nd.load(trained_network(), example=data.xtr[:8])
    accuracy = (nd.run(ann, x, timesteps=1).predictions == y).mean()
    print(f"{len(x)} recordings of {', '.join(data.classes)}\n")
    print("   T  accuracy  spikes/sample  energy per sample (uJ)     verdict")
    print(f" ANN  {accuracy:8.1%}")

    for steps in arguments.timesteps:
        # Thresholds come from the training part; the test part is only run.
        snn = nd.convert(ann, data=data.xtr, timesteps=steps)
        artifact = nd.compile(snn, target="cpu", out=arguments.out / f"T{steps}")
        recording = artifact.run(x, timesteps=steps)
        bill = nd.profile(artifact, x, y).to_json()
        verdict = nd.compare(snn, artifact, x).verdict

        accuracy = (recording.predictions == y).mean()
        spikes = sum(int(count.sum()) for count in recording.counts.values()) / len(x)
        joules = bill["energy"]["joules_per_sample"]
        low, value, high = (joules[key] * 1e6 for key in ("low", "value", "high"))
        energy = f"{value:.3g} ({low:.3g} to {high:.3g})"
        print(f"{steps:4}  {accuracy:8.1%}  {spikes:13,.0f}  {energy:25}  {verdict}")


if __name__ == "__main__":
    main()
