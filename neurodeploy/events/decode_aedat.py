"""Runs as a process of its own: decodes an AEDAT4 file, because the decoder aborts on some damage.

Arguments: the file, where the events go, and the bytes that they may take. What it found, or why
it failed, is one JSON document on stdout.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

__all__ = ["EVENT", "main"]

EVENT = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("p", "?")])


def main(path: str, out: str, limit: int) -> dict[str, Any]:
    """Decode a file.

    Args:
        path: The file.
        out: File that the events are written to, as an array of `EVENT`.
        limit: Bytes that they may take.

    Returns:
        Width and height of the sensor, or what is wrong with the file.
    """
    import aedat

    decoder = aedat.Decoder(path)
    streams = {k: s for k, s in decoder.id_to_stream().items() if s["type"] == "events"}
    if len(streams) != 1:
        return {"error": f"holds {len(streams)} streams of events, not one"}
    [stream] = streams.values()
    written = 0
    with open(out, "wb") as file:
        for packet in decoder:
            if "events" not in packet:
                continue
            found = packet["events"]
            kept = np.zeros(found.shape, EVENT)
            for name in ("t", "x", "y"):
                kept[name] = found[name]
            kept["p"] = found["p" if "p" in (found.dtype.names or ()) else "on"]
            written += kept.nbytes
            if written > limit:
                return {"error": f"holds more than {limit} bytes of events"}
            file.write(kept.tobytes())
    return {"width": int(stream["width"]), "height": int(stream["height"])}


if __name__ == "__main__":
    try:
        found = main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except BaseException as error:  # a panic of the decoder is no Exception
        found = {"error": f"cannot be read as AEDAT4: {error}"}
    sys.stdout.write(json.dumps(found))
