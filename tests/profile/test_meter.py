"""The powercap probe, against counters that the test plays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from neurodeploy.errors import UnavailableTargetError
from neurodeploy.profile.meter import Measured, NotMeasured, measure_energy, powercap_counters

RANGE = 262_143_328_850


class Computer:
    """A clock, and packages whose counters follow it: idle watts, and more while working."""

    def __init__(self, root: Path, *, start: int = 0, span: int = RANGE) -> None:
        self.root, self.now, self.span = root, 0.0, span
        self.values: dict[Path, int] = {}
        for zone, label in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        ):
            folder = root / zone
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{label}\n")
            (folder / "max_energy_range_uj").write_text(f"{span}\n")
            self.values[folder / "energy_uj"] = start
        self.show()

    def show(self) -> None:
        for file, value in self.values.items():
            file.write_text(f"{value}\n")

    def spend(self, seconds: float, watts: float) -> None:
        self.now += seconds
        for file in self.values:
            self.values[file] = (self.values[file] + round(seconds * watts * 1e6)) % self.span
        self.show()

    def measure(self, work: Callable[[], None], samples: int) -> Measured | NotMeasured:
        return measure_energy(
            work,
            samples,
            root=self.root,
            clock=lambda: self.now,
            sleep=lambda seconds: self.spend(seconds, 4.0),
        )


def test_total_and_dynamic_over_a_window_of_a_second(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        computer.spend(0.3, 10.0)

    found = computer.measure(work, 5)
    assert isinstance(found, Measured)
    assert len(calls) == 4  # four runs of 0.3 s are the first to reach a second
    assert found.seconds == pytest.approx(1.2)
    assert found.samples == 20
    # package and dram, each idle at 4 W and busy at 10 W; core, psys, mmio are not added
    assert found.idle_watts == pytest.approx(8.0)
    assert found.total == pytest.approx(2 * 12.0 / 20)
    assert found.dynamic == pytest.approx(2 * 7.2 / 20)
    assert "package-0, dram" in found.scope


def test_a_counter_that_wraps(tmp_path: Path) -> None:
    computer = Computer(tmp_path, start=RANGE - 5_000_000)
    found = computer.measure(lambda: computer.spend(2.0, 10.0), 1)
    assert isinstance(found, Measured)
    assert found.total == pytest.approx(40.0)


def test_a_run_in_which_a_counter_may_wrap_twice_is_not_measured(tmp_path: Path) -> None:
    computer = Computer(tmp_path, span=3_000_000_000)
    found = computer.measure(lambda: computer.spend(4.0, 10.0), 1)
    assert isinstance(found, NotMeasured)
    assert "wrap more than once" in found.reason


def test_without_a_sensor_the_reason_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    found = measure_energy(lambda: None, 1, root=missing)
    assert isinstance(found, NotMeasured)
    assert "no powercap counters" in found.reason
    with pytest.raises(UnavailableTargetError, match="not measured") as error:
        measure_energy(lambda: None, 1, require_measured=True, root=missing)
    assert error.value.exit_code == 3
    (tmp_path / "empty").mkdir()
    nothing = powercap_counters(tmp_path / "empty")
    assert isinstance(nothing, NotMeasured)
    assert "no counter of a package" in nothing.reason


def test_an_unreadable_counter_is_never_replaced_by_a_guess(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    found = computer.measure(lambda: None, 1)
    assert isinstance(found, NotMeasured)
    assert "intel-rapl:0" in found.reason


def test_permission_denied_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Computer(tmp_path)
    read = Path.read_text

    def deny(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(self, encoding, errors)

    monkeypatch.setattr(Path, "read_text", deny)
    found = powercap_counters(tmp_path)
    assert isinstance(found, NotMeasured)
    assert "permission denied" in found.reason
