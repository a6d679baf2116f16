"""Events, loaders and data sets as people pass them to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from event_files import SHD, as_structured, of_frames
from neurodeploy.data import as_samples
from neurodeploy.errors import DataError, UsageError
from neurodeploy.events import Events, event_data
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType
from oracles import Ledger
from tiers import VERIFY

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def graph(dt: str | None = "1ms") -> Graph:
    b = GraphBuilder(dt)
    return b.output("out", b.cell("n", "lif", b.input("x", (3,)))).build()


def samples() -> list[tuple[Any, int]]:
    return [
        (as_structured(SHD, t=[0, 100, 4000], x=[0, 0, 2], p=1), 1),
        (as_structured(SHD, t=[1000], x=[1], p=1), 2),
    ]


class Set:
    """A data set as torch and tonic have it: items and a length, and no end of its own."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index % len(self.items)]


def test_all_forms_of_events_are_the_same(tmp_path: Path) -> None:
    listed = samples()
    flat = np.concatenate([e for e, _ in listed])
    columns = np.stack([flat["t"], flat["x"], 0 * flat["x"], flat["p"]], axis=1)
    file = {"events": flat, "offsets": np.array([0, 3, 4]), "y": np.array([1, 2])}
    np.savez(tmp_path / "fields.npz", **file, t_unit="us")
    np.savez(tmp_path / "columns.npz", **{**file, "events": columns})
    seconds = {**file, "events": columns * [1e-6, 1, 1, 1], "t_unit": np.array("s")}
    np.savez(tmp_path / "seconds.npz", **seconds)
    whole = Events(flat["t"], flat["x"], None, flat["p"], file["offsets"], labels=file["y"])
    forms: list[object] = [
        listed,
        iter(listed),
        tuple(listed),
        (x for x in listed),
        Set(listed),
        whole,
        file,
        seconds,
        *sorted(tmp_path.iterdir()),
        str(tmp_path / "fields.npz"),
    ]
    for data in forms:
        found = as_samples(graph(), data)
        assert found.inputs["x"].dtype == np.float32
        assert found.inputs["x"].sum(axis=2).tolist() == [[2, 0, 0, 0, 1], [0, 1, 0, 0, 0]]
        assert found.labels is not None
        assert found.labels.tolist() == [1, 2]
        assert found.lengths is not None
        assert found.lengths.tolist() == [5, 2]
        assert as_samples(graph(), whole, [0, 0]).labels is not None
    unlabelled = as_samples(graph(), [e for e, _ in listed])
    assert unlabelled.labels is None
    alone = as_samples(graph(), listed[0][0], layout="TN")
    assert alone.inputs["x"].shape == (1, 5, 3)
    assert as_samples(graph(), whole, limit=1).count == 1


def test_a_run_lasts_as_long_as_events_or_as_t() -> None:
    run = nd.run(graph(), samples())
    assert run.steps.tolist() == [5, 2]
    longer = nd.run(graph(), samples(), timesteps=9)
    assert longer.steps.tolist() == [9, 9]
    assert longer.outputs.shape[1] == 9
    assert nd.run(graph(), samples(), timesteps=2).outputs.shape[1] == 2
    with pytest.raises(DataError, match="timesteps is 0"):
        nd.run(graph(), samples(), timesteps=0)


def test_the_type_of_the_input_says_what_a_cell_holds() -> None:
    def plain(**more: Any) -> Graph:
        b = GraphBuilder("1ms")
        return b.output("out", b.reshape("r", b.input("x", (3,), **more), (3,))).build()

    assert as_samples(plain(), samples()).inputs["x"].max() == 2
    assert as_samples(plain(type=BOOL), samples()).inputs["x"].dtype == np.bool_
    assert as_samples(plain(type=QType(0, 2)), samples()).inputs["x"].max() == 2
    with pytest.raises(DataError, match="does not lie in"):
        as_samples(plain(type=QType(0, 1)), samples())


BAD: list[tuple[object, str]] = [
    ([*samples(), (np.zeros((3, 3)), 1)], "others hold events"),
    ([*samples(), samples()[0][0]], "sample 2 has no label"),
    ([samples()[0][0], samples()[1]], "sample 1 has a label"),
    ([(samples()[0][0], np.zeros(2))], "label of sample 0 has shape"),
    ([samples()[0][0][["t", "x"]], samples()[1][0]], "sample 0 has no field 'p'"),
    ([np.zeros(2, [("t", int), ("x", int), ("z", int)])], "with fields"),
    ([np.zeros((2, 2), SHD)], "events of shape"),
    ({"events": np.zeros((2, 3)), "offsets": [0, 2]}, "columns t, x, y, p"),
    ({"events": np.zeros((2, 4)), "offsets": [0, 2], "x": 1}, "arrays beside events"),
    ({"events": np.zeros((2, 4))}, "events without offsets"),
    ({"events": np.zeros((2, 4)), "offsets": [0, 2], "t_unit": 3}, "t_unit: is int64"),
    ({"events": np.zeros((2, 4)), "offsets": [0, 2], "t_unit": "h"}, "unit of time is 'h'"),
    ({"events": np.zeros((2, 4)), "offsets": [0, 2], "shape": [0]}, "shape: is"),
    ({"events": np.zeros((2, 4)), "offsets": [0, 2], "shape": [2.0]}, "shape: is float64"),
    ({"events": np.zeros((2, 4)), "offsets": [0, 9]}, "offsets end at 9, and there are 2"),
    ({"events": np.full((2, 4), np.nan), "offsets": [0, 2]}, "sample 0, event 0: t is nan"),
    ({"x": np.zeros((2, 4, 3)), "lengths": [4]}, "lengths of type"),
    ({"x": np.zeros((2, 4, 3)), "lengths": [4, 5]}, "sample 1 lasts 5 steps of 4"),
    ({"x": np.zeros((2, 4, 3)), "lengths": [0, 4]}, "last no step, such as sample 0"),
    ({"x": np.zeros((2, 3)), "lengths": [1, 1]}, "no time axis"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_bad_events_are_refused(data: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_samples(graph(), data)


def test_events_need_dt_one_input_and_their_own_names() -> None:
    with pytest.raises(DataError, match="how long a step lasts"):
        nd.run(graph(None), samples())
    b = GraphBuilder("1ms")
    both = b.concat("c", b.input("events", (3,)), b.input("offsets", (3,)), axis=0)
    two = b.output("out", both).build()
    with pytest.raises(DataError, match="several"):
        as_samples(two, samples())
    named = as_samples(two, {"events": np.zeros((2, 3)), "offsets": np.ones((2, 3))})
    assert named.inputs["offsets"].sum() == 6


def test_nothing_that_is_drawn_is_lost() -> None:
    batches = [(np.ones((2, 4, 3)), np.zeros(2)), (np.ones((1, 2, 3)), np.zeros(1))]
    for data in (iter(batches), (b for b in batches)):
        found = as_samples(graph(), data)
        assert found.lengths is not None
        assert found.lengths.tolist() == [4, 4, 2]
    assert event_data(iter([]))[0] is None


def test_the_items_of_a_data_set_are_samples() -> None:
    frames = [(np.ones((5, 3)), 1), (np.ones((2, 3)), 0)]
    for layout in ("NT", "TN"):
        found = as_samples(graph(), Set(frames), layout=layout)
        assert found.inputs["x"].sum(axis=(1, 2)).tolist() == [15, 6]
        assert found.lengths is not None
        assert found.lengths.tolist() == [5, 2]
        assert found.labels is not None
        assert found.labels.tolist() == [1, 0]
    still = as_samples(graph(), Set([np.zeros(3), np.ones(3)]))
    assert still.inputs["x"].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert nd.compare(graph(), graph(), Set(frames), layout="TN").equal
    assert nd.compare(graph(), graph(), Set(samples())).equal


def test_lengths_travel_with_a_mapping_and_a_deployment(tmp_path: Path) -> None:
    ragged = [np.ones((2, 4, 3), np.float32), np.ones((1, 2, 3), np.float32)]
    direct = nd.run(graph(), ragged)
    found = as_samples(graph(), ragged)
    np.savez(tmp_path / "x.npz", x=found.inputs["x"], lengths=[4, 4, 2])
    again = nd.run(graph(), tmp_path / "x.npz")
    assert again.steps.tolist() == direct.steps.tolist() == [4, 4, 2]
    assert np.array_equal(again.decoded, direct.decoded)


def test_loaders_of_tonic_in_both_layouts(oracle: Ledger) -> None:
    torch, tonic = oracle("torch"), oracle("tonic")
    rng = np.random.default_rng(0)
    frames = [
        ((rng.random((int(n), 3)) < 0.4).astype(np.float32), i % 3)
        for i, n in enumerate(rng.integers(2, 9, 12))
    ]
    results = []
    for first, layout in ((True, "NT"), (False, "TN")):
        pad = tonic.module.collation.PadTensors(batch_first=first)
        loader = torch.module.utils.data.DataLoader(frames, 5, collate_fn=pad)
        found = as_samples(graph(), loader, layout=layout)
        assert found.lengths is not None
        assert found.labels is not None
        assert found.labels.tolist() == [label for _, label in frames]
        longest = [max(len(x) for x, _ in frames[i : i + 5]) for i in (0, 5, 10)]
        assert found.lengths.tolist() == np.repeat(longest, [5, 5, 2]).tolist()
        for x, (given, _) in zip(found.inputs["x"], frames, strict=True):
            assert np.array_equal(x[: len(given)], given)
            assert x[len(given) :].sum() == 0
        results.append(nd.run(graph(), loader, layout=layout))
        assert nd.compare(graph(), graph(), loader, layout=layout).equal
    assert np.array_equal(results[0].outputs, results[1].outputs)
    assert results[0].steps.tolist() == results[1].steps.tolist()
    tonic.record(2, spiking=2)


def test_a_time_first_loader_from_reading_to_proof(oracle: Ledger) -> None:
    """A notebook of snnTorch and tonic: forward loops over x[t], batches differ in length."""
    snntorch, torch, tonic = oracle("snntorch"), oracle("torch").module, oracle("tonic")

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(3, 4)
            self.lif = snntorch.module.Leaky(beta=0.9, threshold=0.5)

        def forward(self, x: Any) -> Any:
            mem = self.lif.reset_mem()
            spikes, states = [], []
            for now in x:
                spike, mem = self.lif(self.fc(now), mem)
                spikes.append(spike)
                states.append(mem)
            return torch.stack(spikes), torch.stack(states)

    torch.manual_seed(0)
    net = Net().eval()
    rng = np.random.default_rng(4)
    to_frame = tonic.module.transforms.ToFrame(
        sensor_size=(3, 1, 1), time_window=4000, start_time=0, include_incomplete=True
    )
    events = [
        as_structured(SHD, t=np.sort(rng.integers(0, last, 90)), x=rng.integers(0, 3, 90), p=1)
        for last in (30_000, 60_000, 50_000, 90_000, 20_000)
    ]
    frames = [(to_frame(e)[:, 0].astype(np.float32), i % 4) for i, e in enumerate(events)]
    pad = tonic.module.collation.PadTensors(batch_first=False)
    loader = torch.utils.data.DataLoader(frames, 2, collate_fn=pad)
    example = next(iter(loader))[0]
    loaded = nd.load(net, example=example, time_axis=0, layout="TN", dt="4ms", output=0)
    by_frames = nd.run(loaded, loader, layout="TN")
    assert by_frames.accuracy is not None
    assert len(set(by_frames.steps.tolist())) > 1
    compared = nd.compare(net, loaded, loader, layout="TN")
    assert [n.name for n in compared.nodes if n.mismatches] == []
    assert "lif" in {n.name for n in compared.nodes}
    by_events = nd.run(loaded, [(e, i % 4) for i, e in enumerate(events)])
    for i, (x, _) in enumerate(frames):
        steps = int(by_events.steps[i])
        assert steps == len(x)
        assert np.array_equal(by_events.outputs[i, :steps], by_frames.outputs[i, :steps])
    snntorch.record(spiking=bool(by_frames.counts["lif"].any()))


def test_transforms_of_tonic_stand_in_front(oracle: Ledger) -> None:
    tonic = oracle("tonic")
    transforms = tonic.module.transforms
    rng = np.random.default_rng(1)
    t = np.sort(rng.integers(0, 30_000, 300))
    event = as_structured(SHD, t=t, x=rng.integers(0, 30, 300), p=1)
    window = {"time_window": 1000, "start_time": 0, "include_incomplete": True}
    down = transforms.Downsample(sensor_size=(30, 1, 1), target_size=(3, 1))
    framed = transforms.Compose([down, transforms.ToFrame(sensor_size=(3, 1, 1), **window)])
    ours = as_samples(graph(), [(down(event.copy()), 0)])
    theirs = as_samples(graph(), [framed(event.copy()).reshape(1, -1, 3)])
    assert np.array_equal(ours.inputs["x"], theirs.inputs["x"])
    tonic.record(spiking=True)


def braille_net() -> Graph:
    rng = np.random.default_rng(0)
    b = GraphBuilder("4ms")
    hidden = b.cell("h", "lif", b.dense("fc1", b.input("x", (12,)), rng.normal(size=(20, 12)) / 2))
    return b.output(
        "out", b.cell("o", "lif", b.dense("fc2", hidden, rng.normal(size=(7, 20))))
    ).build()


@pytest.mark.skipif(not (DATA / "braille7.npz").is_file(), reason=f"no Braille data in {DATA}")
def test_braille_as_events_is_braille_as_frames(tmp_path: Path, oracle: Ledger) -> None:
    oracle("torch")
    from l2mu import braille

    x, y = braille()
    listed, offsets = of_frames(x, 4000)
    np.savez(tmp_path / "events.npz", events=listed, offsets=offsets, y=y)
    network = braille_net()
    found = as_samples(network, tmp_path / "events.npz", timesteps=256)
    assert np.array_equal(found.inputs["x"], x)
    few = {"events": listed[: offsets[60]], "offsets": offsets[:61], "y": y[:60]}
    by_events = nd.run(network, few, timesteps=256, record="all")
    by_frames = nd.run(network, x[:60], y[:60], record="all")
    assert np.array_equal(by_events.outputs, by_frames.outputs)
    assert all(np.array_equal(by_events.counts[n], by_frames.counts[n]) for n in by_frames.counts)
    assert sum(int(c.sum()) for c in by_frames.counts.values()) > 1000
    assert by_events.accuracy == by_frames.accuracy
    assert nd.compare(network, network, few, timesteps=256).equal
    assert nd.profile(network, few, timesteps=256).to_json() is not None


@pytest.mark.skipif(
    not (DATA / "l2mu_braille7_weights.npz").is_file(), reason=f"no L2MU weights in {DATA}"
)
@pytest.mark.skipif(not VERIFY, reason="another ten seconds of one network: in the full tier")
def test_the_published_network_reads_braille_from_events(oracle: Ledger) -> None:
    oracle("snntorch")
    from l2mu import braille, l2mu

    x, y = braille()
    listed, offsets = of_frames(x, 4000)
    whole = {"events": listed, "offsets": offsets, "y": y}
    few = {"events": listed[: offsets[4]], "offsets": offsets[:5]}
    network = l2mu()
    # 12 channels, 256 steps: what a file of events says of its sensor is enough
    loaded = nd.load(network, example={**few, "shape": [12]}, time_axis=0, dt="4ms")
    found = nd.run(loaded, whole, timesteps=256, on="engine")
    assert found.accuracy == pytest.approx(0.9853, abs=5e-5)  # as published, from frames
    assert nd.compare(network, loaded, few, timesteps=256).verdict in ("exact", "near")
    oracle("snntorch").record(spiking=True)


def test_a_torch_model_is_shown_the_first_frames(oracle: Ledger) -> None:
    torch = oracle("torch").module
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    flat = np.concatenate([e for e, _ in samples()])
    file = {"events": flat, "offsets": [0, 3, 4], "y": [1, 0]}
    with pytest.raises(DataError, match="which shape a frame has"):
        nd.load(model, example=file, dt="1ms")
    with pytest.raises(DataError, match="how long a step lasts"):
        nd.load(model, example={**file, "shape": [3]})
    ann = nd.load(model, example={**file, "shape": [3]}, dt="1ms")
    assert ann.inputs[0].shape == (3,)
    assert nd.compare(model, ann, file).equal
    assert nd.load(ann, example=None).dt == ann.dt


def test_names_that_a_data_file_cannot_hold(tmp_path: Path) -> None:
    b = GraphBuilder()
    g = b.output("out", b.cell("n", "lif", b.input("lengths", (3,)))).build()
    with pytest.raises(UsageError, match="cannot hold"):
        nd.deploy(
            g, target="cpu", data=[np.ones((2, 4, 3)), np.ones((1, 2, 3))], out=tmp_path / "o"
        )
