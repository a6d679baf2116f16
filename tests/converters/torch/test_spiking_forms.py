"""Ways in which people write a spiking ``forward``: read right, or refused by name."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
snn = pytest.importorskip("snntorch", reason="snntorch is not installed")
utils = pytest.importorskip("snntorch.utils", reason="snntorch is not installed")

import neurodeploy as nd  # noqa: E402
from neurodeploy.errors import ConversionError, DataError, NeurodeployError  # noqa: E402
from spiking_nets import events, on_grid  # noqa: E402

nn = torch.nn
N, T, INPUTS, HIDDEN, OUTPUTS = 3, 20, 6, 8, 4


class Net(nn.Module):  # type: ignore[misc]
    """Two layers, and a ``forward`` that the test gives."""

    def __init__(self, run: Callable[[Any, Any], Any], **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.fc2 = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, OUTPUTS)
        self.lif1, self.lif2 = snn.Leaky(beta=0.5, **options), snn.Leaky(beta=0.75, **options)
        self.run = run
        on_grid(self)

    def forward(self, x: Any) -> Any:
        return self.run(self, x)


def looped(net: Any, x: Any, between: Callable[[Any, int], Any], steps: int = 0) -> Any:
    mem1, mem2, rows = net.lif1.init_leaky(), net.lif2.init_leaky(), []
    for t in range(steps or x.shape[0]):
        spk1, mem1 = net.lif1(net.fc1(x[t]), mem1)
        spk2, mem2 = net.lif2(net.fc2(between(spk1, t)), mem2)
        rows.append(spk2)
    return torch.stack(rows)


def queued(net: Any, x: Any, delay: int) -> Any:
    queue = deque([torch.zeros(x.shape[1], HIDDEN)] * delay)

    def later(spk: Any, t: int) -> Any:
        queue.append(spk)
        return queue.popleft()

    return looped(net, x, later)


def plain(net: Any, x: Any) -> Any:
    return looped(net, x, lambda spk, t: spk)


def equal_on_other_data(net: Any, graph: Any, steps: int = 2 * T) -> None:
    x = events((5, steps, INPUTS), 0.5, seed=3)
    with torch.no_grad():
        due = net(torch.from_numpy(x).movedim(1, 0)).movedim(0, 1).numpy()
    assert due.any()
    np.testing.assert_array_equal(nd.run(graph, x).outputs, due)


@pytest.mark.parametrize("delay", [1, 2, 3, 10])
def test_a_queue_is_a_delay(delay: int) -> None:
    net = Net(lambda n, x: queued(n, x, delay))
    equal_on_other_data(net, nd.load(net, example=events((N, T, INPUTS), 0.5), time_axis=0))


def test_a_queue_that_is_longer_than_the_example_is_refused() -> None:
    net = Net(lambda n, x: queued(n, x, 10))
    with pytest.raises(ConversionError, match="lif2: its input is constant in the first 6 steps"):
        nd.load(net, example=events((N, 6, INPUTS), 0.5), time_axis=0)


def test_a_loop_over_a_number_of_its_own() -> None:
    net = Net(lambda n, x: looped(n, x, lambda spk, t: spk, steps=T))
    graph = nd.load(net, example=events((N, T, INPUTS), 0.5), time_axis=0)
    equal_on_other_data(net, graph, T)
    with pytest.raises(NeurodeployError, match="is called 20 times in 25 steps"):
        nd.compare(net, graph, events((N, 25, INPUTS), 0.5))


@pytest.mark.parametrize("step", [2, 5, 10, 15])
def test_a_branch_on_the_step_is_seen_however_late(step: int) -> None:
    net = Net(lambda n, x: looped(n, x, lambda spk, t: spk * (2.0 if t < step else 1.0)))
    with pytest.raises(ConversionError, match="the input of lif2 is computed otherwise"):
        nd.load(net, example=events((N, T, INPUTS), 0.5), time_axis=0)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda v: v[:10].sum(0), "10 of 20 steps"),
        (lambda v: v[:10], "10 of 20 steps"),
        (lambda v: v[10:].sum(0), "10 of 20 steps"),
        (lambda v: v[2], "the value of step 2 of 20"),
        (lambda v: v.max(0)[1], "the step of a maximum"),
        (lambda v: torch.cat([v[0], v[-1]]), "no sum, mean, maximum or last step"),
    ],
)
def test_a_part_of_time_is_refused(read: Callable[[Any], Any], message: str) -> None:
    net = Net(lambda n, x: read(plain(n, x)))
    with pytest.raises(ConversionError, match=message):
        nd.load(net, example=events((N, T, INPUTS), 0.5), time_axis=0)


def test_a_first_value_that_is_computed_otherwise_is_refused() -> None:
    def run(net: Any, x: Any) -> Any:
        last = [torch.ones(x.shape[1], HIDDEN) * 0.25]

        def before(spk: Any, t: int) -> Any:
            last.append(spk * 1.0)
            return last[-2]

        return looped(net, x, before)

    with pytest.raises(ConversionError, match="computed otherwise at step 0"):
        nd.load(Net(run), example=events((N, 6, INPUTS), 0.5), time_axis=0)


@pytest.mark.parametrize("shape", [(5,), (5, 0, INPUTS)])
def test_an_example_without_a_sequence_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="holds no sequence"):
        nd.load(Net(plain), example=np.ones(shape, np.float32), time_axis=0)


@pytest.mark.parametrize("name", ["forward", "fire"])
def test_a_method_that_is_replaced_is_refused(name: str) -> None:
    net = Net(plain)
    was = getattr(net.lif1, name)
    setattr(net.lif1, name, lambda *args: was(*args))
    with pytest.raises(ConversionError, match=f"lif1: Leaky: its {name} is replaced"):
        nd.load(net, example=np.zeros((N, T, INPUTS), np.float32), time_axis=0)


def test_what_fails_in_eager_mode_alone_is_refused() -> None:
    def run(net: Any, x: Any) -> Any:
        rows, mem = [], net.start
        for now in x:
            spk, mem = net.lif1(net.fc1(now), mem)
            rows.append(spk)
        return torch.stack(rows)

    net = Net(run)
    net.start = nn.Parameter(torch.full((HIDDEN,), 0.5))
    with pytest.raises(ConversionError, match="does not run on"):
        nd.load(net, example=events((N, 6, INPUTS), 0.5), time_axis=0)


def test_containers_of_a_module_are_left_as_they_were() -> None:
    def run(net: Any, x: Any) -> Any:
        spk = net.lif1(net.fc1(x) + (net.fc3(net.queue[0]) if len(net.queue) > 1 else 0.0))
        net.queue.append(spk)
        net.log["spikes"].append(spk)
        return spk

    net = Net(run, init_hidden=True)
    net.fc3 = nn.Linear(HIDDEN, HIDDEN)
    net.queue, net.log = deque(maxlen=2), {"spikes": []}
    queue, log = net.queue, net.log["spikes"]
    with pytest.raises(ConversionError, match="does not compute what the module computes"):
        nd.load(net, example=events((N, INPUTS), 0.5))
    assert net.queue is queue
    assert net.log["spikes"] is log
    assert not queue
    assert not log


def test_a_reset_of_all_neurons_in_forward_leaves_other_networks_alone() -> None:
    def run(net: Any, x: Any) -> Any:
        utils.reset(net)
        return torch.stack([net.lif1(net.fc1(now)) for now in x])

    other = snn.Leaky(beta=0.5, init_hidden=True)
    other(torch.ones(2, 3))
    net, x = Net(run, init_hidden=True), events((N, 6, INPUTS), 0.5)
    graph = nd.load(net, example=x, time_axis=0)
    assert type(other.mem) is torch.Tensor
    assert other.mem.tolist() == [[1.0] * 3] * 2
    assert nd.compare(net, graph, x).verdict == "exact"


class Handed(nn.Module):  # type: ignore[misc]
    """One step, its membrane an argument."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.lif = nn.Linear(INPUTS, HIDDEN), snn.Leaky(beta=0.5)
        on_grid(self)

    def forward(self, x: Any, mem: Any) -> Any:
        return self.lif(self.fc(x), mem)


def test_a_state_that_is_handed_in_is_where_the_layer_starts() -> None:
    net, x = Handed(), events((N, T, INPUTS), 0.5)
    graph = nd.load(net, example=(x[:, 0], np.full((N, HIDDEN), 0.5, np.float32)))
    mem, rows = torch.full((N, HIDDEN), 0.5), []
    with torch.no_grad():
        for t in range(T):
            _, mem = net(torch.from_numpy(x[:, t]), mem)
            rows.append(mem)
    found = nd.run(graph, x).outputs["out1"]
    np.testing.assert_array_equal(found, torch.stack(rows, 1).numpy())


def test_a_module_that_takes_its_state_is_compared_with_any_form_of_its_graph(
    tmp_path: Path,
) -> None:
    module, x = Handed().eval(), 2 * events((N, T, INPUTS))
    graph = nd.load(module, example=(x[:, 0], np.full((N, HIDDEN), 0.5, np.float32)))
    nd.save(graph, tmp_path / "net.nd")
    found = nd.compare(module, tmp_path / "net.nd", x)
    assert found.verdict == "exact"
    assert found.nodes[0].count_a > 0
    assert found.timesteps == T


@pytest.mark.parametrize("shape", [(N, T), (N, T, 2)])
def test_an_argument_that_nothing_reads_is_left_out(shape: tuple[int, ...]) -> None:
    class Masked(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lif = snn.Leaky(beta=0.75)

        def forward(self, x: Any, mask: Any) -> Any:
            membrane, rows = self.lif.init_leaky(), []
            for now in x:
                spikes, membrane = self.lif(now, membrane)
                rows.append(spikes)
            return torch.stack(rows).sum(0)

    example = (2 * events((N, T, INPUTS)), np.ones(shape, np.float32))
    graph = nd.load(Masked().eval(), example=example, time_axis=0)
    assert [n.name for n in graph.inputs] == ["x"]
    assert graph.outputs[0].decode == "count"


def test_a_state_that_differs_from_sample_to_sample_is_refused() -> None:
    mem = np.arange(N * HIDDEN, dtype=np.float32).reshape(N, HIDDEN)
    with pytest.raises(ConversionError, match="its mem, forward's argument mem, differs"):
        nd.load(Handed(), example=(events((N, INPUTS), 0.5), mem))


class Static(nn.Module):  # type: ignore[misc]
    """Loops over one input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.lif = nn.Linear(INPUTS, HIDDEN), snn.Leaky(beta=0.5)

    def forward(self, x: Any) -> Any:
        mem, rows = self.lif.init_leaky(), []
        for _ in range(10):
            spk, mem = self.lif(self.fc(x), mem)
            rows.append(spk)
        return torch.stack(rows)


def test_a_loop_is_compared_for_no_longer_than_it_runs() -> None:
    net, x = Static(), events((N, INPUTS), 0.5)
    graph = nd.load(net, example=x, steps=10)
    assert nd.compare(net, graph, x, timesteps=5).equal
    with pytest.raises(NeurodeployError, match="loops over 10 steps by itself, not 20"):
        nd.compare(net, graph, x, timesteps=20)
    with pytest.raises(DataError, match="have a time axis"):
        nd.compare(net, graph, events((N, 5, INPUTS), 0.5))


class Traced(nn.Module):  # type: ignore[misc]
    """Keeps a decaying trace of its spikes in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.lif, self.trace = snn.Leaky(beta=0.75, init_hidden=True), None

    def forward(self, x: Any) -> Any:
        spikes = self.lif(x)
        self.trace = spikes if self.trace is None else 0.5 * self.trace + spikes
        return self.trace


def test_a_state_in_an_attribute_is_named() -> None:
    module = Traced().eval()
    with pytest.raises(ConversionError, match="forward sets trace: a value that lasts"):
        nd.load(module, example=2 * events((N, INPUTS)))
    assert module.trace is None
