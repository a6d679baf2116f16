"""Train the small CNN that `neurodeploy demo` deploys, on 1,797 real scanned digits.

    pip install "neurodeploy[torch]" scikit-learn
    python examples/train_digits.py --out neurodeploy/demo

It takes about a minute on one core and leaves in the output folder

    digits.npz            xtr, ytr, xte, yte as uint8, and `scale`: the network sees x / scale
    digits.safetensors    the trained weights
    digits_training.json  seeds, versions, loss and accuracy of every epoch
    digits.nd             the trained network as neurodeploy reads it

The last epoch of a fixed number is kept. The 500 test digits choose nothing: the recipe was
picked by cross-validation inside the 1,297 training digits, before the first look at them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

SCALE = 16  # a pixel counts the ink dots in a 4 x 4 block: 0 to 16
DEMO = Path(__file__).resolve().parents[1] / "neurodeploy" / "demo"


@dataclass(frozen=True)
class Split:
    """Training and test part: x (N, 1, 8, 8) uint8 from 0 to 16, y (N,) uint8 from 0 to 9."""

    xtr: NDArray[np.uint8]
    ytr: NDArray[np.uint8]
    xte: NDArray[np.uint8]
    yte: NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the code and the data."""

    seed: int = 0
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    shift: int = 1


def load_digits_split() -> Split:
    """Return scikit-learn's digits, 1,297 to train and 500 to test, stratified, seed 0."""
    digits = load_digits()
    x = digits.images.astype(np.uint8)[:, None]
    y = digits.target.astype(np.uint8)
    xtr, xte, ytr, yte = train_test_split(x, y, test_size=500, stratify=y, random_state=0)
    return Split(xtr, ytr, xte, yte)


def build_network() -> nn.Sequential:
    """Return the untrained network: two convolutions and two dense layers, 36,010 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def to_tensors(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return labels as they are and pixels as float32 in [0, 1], exact since the scale is 16."""
    return torch.from_numpy(x.astype(np.float32) / SCALE), torch.from_numpy(y.astype(np.int64))


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Return each image moved by up to `most` pixels each way, zeros moving in at the edge."""
    count, _, height, width = images.shape
    padded = nn.functional.pad(images[:, 0], (most, most, most, most))
    corner = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator)
    rows = corner[0] + torch.arange(height)
    columns = corner[1] + torch.arange(width)
    sample = torch.arange(count)[:, None, None]
    return padded[sample, rows[:, :, None], columns[:, None, :]][:, None]


def correct(network: nn.Module, x: Tensor, y: Tensor) -> int:
    """Return how many samples the network classifies correctly in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return int((network(x).argmax(dim=1) == y).sum())


def train(
    network: nn.Module, split: Split, recipe: Recipe, generator: torch.Generator
) -> list[dict[str, float]]:
    """Train in place and return epoch, mean loss and both accuracies for every epoch."""
    x, y = to_tensors(split.xtr, split.ytr)
    xte, yte = to_tensors(split.xte, split.yte)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    epochs = []
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(recipe.batch):
            logits = network(shifted(x[batch], recipe.shift, generator))
            loss = nn.functional.cross_entropy(
                logits, y[batch], label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
        figures = {
            "epoch": epoch,
            "loss": round(total / len(x), 6),
            "train_accuracy": round(correct(network, x, y) / len(x), 6),
            "test_accuracy": round(correct(network, xte, yte) / len(xte), 6),
        }
        epochs.append(figures)
        print(f"epoch {epoch}: loss {figures['loss']:.4f}, test {figures['test_accuracy']:.3f}")
    return epochs


def train_and_save(out: Path, recipe: Recipe) -> tuple[nn.Module, Split]:
    """Train from the seed on and write data, weights and training log to the folder `out`."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    split = load_digits_split()
    network = build_network()
    epochs = train(network, split, recipe, torch.Generator().manual_seed(recipe.seed))

    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "digits.npz", **asdict(split), scale=np.uint8(SCALE))
    (out / "digits.safetensors").write_bytes(save(network.state_dict()))
    log = training_log(network, split, recipe, epochs)
    log["files"] = {name: described(out / name) for name in ("digits.npz", "digits.safetensors")}
    (out / "digits_training.json").write_text(json.dumps(log, indent=1) + "\n")
    return network.eval(), split


def training_log(
    network: nn.Module, split: Split, recipe: Recipe, epochs: list[dict[str, float]]
) -> dict[str, Any]:
    """Return what somebody needs to judge the weights, or to train them again."""
    return {
        "data": {
            "name": "Optical recognition of handwritten digits, 8 x 8 pixels",
            "source": f"sklearn.datasets.load_digits of scikit-learn {sklearn.__version__}",
            "origin": "E. Alpaydin and C. Kaynak, 1998; test part of the UCI data set",
            "licence": "BSD-3-Clause (scikit-learn)",
            "split": "train_test_split(test_size=500, stratify=y, random_state=0)",
            "train_samples": len(split.ytr),
            "test_samples": len(split.yte),
            "scale": SCALE,
        },
        "network": {
            "layers": [str(layer) for layer in network.children()],
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        "recipe": asdict(recipe)
        | {
            "optimizer": "AdamW",
            "schedule": "cosine to 0, stepped once an epoch",
            "augmentation": "each digit moved by -shift to shift pixels in both directions",
            "selection": "last epoch; the recipe by 5-fold cross-validation on the training part",
        },
        "environment": {
            "torch": torch.__version__,
            "numpy": np.__version__,
            "threads": torch.get_num_threads(),
        },
        "result": {key: epochs[-1][key] for key in ("train_accuracy", "test_accuracy")},
        "epochs": epochs,
    }


def described(path: Path) -> dict[str, Any]:
    """Return size and checksum of a file."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def export(network: nn.Module, example: Tensor, out: Path) -> None:
    """Write the trained network as `digits.nd`, from which no torch is needed any more."""
    import neurodeploy as nd

    nd.save(nd.load(network, example=example), out / "digits.nd")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the digit network of the demo.")
    parser.add_argument("--out", type=Path, default=DEMO, help="folder for the results")
    out = parser.parse_args().out
    network, split = train_and_save(out, Recipe())
    export(network, to_tensors(split.xte[:8], split.yte[:8])[0], out)


if __name__ == "__main__":
    main()
