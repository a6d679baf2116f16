"""JAX: `lax.scan` over the steps, compiled by `jit`."""

from __future__ import annotations

import os

from peers import Array, Peer

# before jax is imported; it divides its work by the number of threads that it finds
THREADS = {
    1: "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    2: "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=2",
}


def peer(workload: object, threads: int) -> Peer:
    os.environ.setdefault("XLA_FLAGS", THREADS[threads])
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax import lax

    # matrices as (in, out): what a product of row vectors reads contiguously
    weights = {
        k: jnp.asarray(np.ascontiguousarray(v.T) if v.ndim == 2 else v)
        for k, v in workload.weights.items()  # type: ignore[attr-defined]
    }

    def lif(v, current):  # type: ignore[no-untyped-def]
        v = 0.9 * v + current
        s = (v >= 1).astype(jnp.float32)
        return v - s, s

    def conv(x, w):  # type: ignore[no-untyped-def]
        y = lax.conv_general_dilated(x, w, (1, 1), "VALID")
        return lax.reduce_window(y, 0.0, lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4

    def start(n):  # type: ignore[no-untyped-def]
        if workload.name == "W1":  # type: ignore[attr-defined]
            shapes = [(n, 512), (n, 512), (n, 10)]
        elif workload.name == "W3":  # type: ignore[attr-defined]
            shapes = [(n, 256), (n, 256), (n, 256), (n, 20), (n, 20)]
        else:
            shapes = [(n, 12, 15, 15), (n, 32, 5, 5), (n, 10)]
        return tuple(jnp.zeros(s, jnp.float32) for s in shapes)

    def w1(state, x):  # type: ignore[no-untyped-def]
        new = []
        for k, v in enumerate(state, 1):
            v, x = lif(v, x @ weights[f"fc{k}"])
            new.append(v)
        return tuple(new), x

    def w3(state, x):  # type: ignore[no-untyped-def]
        i, v, s, io, vo = state
        i = 0.8 * i + x @ weights["in"] + s @ weights["rec"]
        v = 0.95 * v + i
        s = (v >= 1).astype(jnp.float32)
        v = v - s
        io = 0.8 * io + s @ weights["out"]
        vo = 0.95 * vo + io
        so = (vo >= 1).astype(jnp.float32)
        return (i, v, s, io, vo - so), so

    def w4(state, x):  # type: ignore[no-untyped-def]
        a, s = lif(state[0], conv(x, weights["conv1"]))
        b, s = lif(state[1], conv(s, weights["conv2"]))
        c, s = lif(state[2], s.reshape(s.shape[0], -1) @ weights["fc"])
        return (a, b, c), s

    step = {"W1": w1, "W3": w3, "W4": w4}[workload.name]  # type: ignore[attr-defined]

    @jax.jit
    def net(x):  # type: ignore[no-untyped-def]
        x = jnp.moveaxis(x, 1, 0).astype(jnp.float32)
        _, spikes = lax.scan(step, start(x.shape[1]), x)
        return spikes.sum(axis=0)

    def run(x: Array) -> Array:
        return np.asarray(net(x))

    return Peer(f"JAX {jax.__version__} lax.scan, jit", run)
