"""Events of cameras, cochleas and skins: what holds them, which files are read, how they become x.

::

    npz, mapping, structured arrays, .h5, .aedat4  ->  Events  ->  to_frames  ->  (N, T, *input)

Time starts at 0 in every sample, and step k takes the events from k * dt to before (k + 1) * dt.
"""

from __future__ import annotations

from neurodeploy.events.files import read_events
from neurodeploy.events.frames import to_frames
from neurodeploy.events.record import Events
from neurodeploy.events.sources import event_data, events_of_mapping, events_of_samples

__all__ = [
    "Events",
    "event_data",
    "events_of_mapping",
    "events_of_samples",
    "read_events",
    "to_frames",
]
