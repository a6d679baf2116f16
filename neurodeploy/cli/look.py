"""The verbs that look: inspect, targets, converters, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from neurodeploy.artifact import Artifact
from neurodeploy.cli.arguments import PathArgument, load_path, shape_example
from neurodeploy.cli.session import Session, verb
from neurodeploy.ir.duration import duration_text

__all__ = ["converters", "doctor", "inspect", "targets"]


@verb("inspect")
def inspect(
    session: Session,
    path: PathArgument,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="1,28,28", help="Shape of one sample; a torch model needs it."),
    ] = None,
) -> None:
    """Show what a model, graph or compiled folder holds."""
    what = load_path(path, shape_example(input_shape))
    graph = what.graph if isinstance(what, Artifact) else what
    document: dict[str, object] = {
        "graph": graph.digest,
        "nodes": [
            {
                "name": n.name,
                "family": n.family,
                "source": list(n.source),
                "outputs": {
                    o: {
                        "shape": list(graph.signals[(n.name, o)].shape),
                        "kind": graph.signals[(n.name, o)].kind,
                    }
                    for o in n.outputs
                },
            }
            for n in graph.nodes
        ],
        "edges": [
            {
                "source": e.source,
                "output": e.output,
                "target": e.target,
                "port": e.port,
                "delay": e.delay,
            }
            for e in graph.edges
        ],
        "inputs": [n.name for n in graph.inputs],
        "outputs": [n.name for n in graph.outputs],
        "dt": duration_text(graph.dt),
        "timesteps": graph.timesteps,
        "changes": [c.to_json() for c in graph.changes],
    }
    session.finish(document, str(graph))


@verb("targets")
def targets(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A target.")] = None,
) -> None:
    """List the targets, or the options, limits and runners of one."""
    from neurodeploy.runners import runner_names
    from neurodeploy.targets.registry import resolve_target, target_profiles

    if name is None:
        profiles = target_profiles()
        rows = [
            {"name": n, "target": t.name, "description": c.description}
            for n, (t, c) in profiles.items()
        ]
        session.finish(
            {"targets": rows},
            "\n".join(f"{r['name']:<16} {r['description']}" for r in rows),
        )
        return
    target, can = resolve_target(name)
    document: dict[str, object] = {
        "target": name,
        "description": can.description,
        "options": [
            {"name": o.name, "default": o.default, "meaning": o.meaning, "choices": list(o.choices)}
            for o in can.options
        ],
        "limits": [
            {"name": x.name, "value": x.value, "per": x.per, "unit": x.unit, "source": x.source}
            for x in can.limits
        ],
        "weight_bits": can.weight_bits,
        "runners": list(runner_names(target)),
    }
    lines = [f"{name}: {can.description}"]
    lines += [f"  option {o.name}={o.default}: {o.meaning}" for o in can.options]
    lines += [f"  limit {x.name} {x.value} {x.unit} per {x.per} ({x.source})" for x in can.limits]
    lines.append(f"  runners: {', '.join(runner_names(target))}")
    session.finish(document, "\n".join(lines))


@verb("converters")
def converters(session: Session) -> None:
    """List the kinds of models that can be read."""
    from neurodeploy.cli.health import front_ends

    rows = front_ends()
    session.finish(
        {"converters": [r.to_json() for r in rows]},
        "\n".join(
            f"{r.name:<12} {'ready' if r.ready else 'needs ' + r.needs:<18} {r.reads}" for r in rows
        ),
    )


@verb("doctor")
def doctor(session: Session) -> None:
    """Check what is installed and say how to install what is not."""
    from neurodeploy.cli.health import checks

    rows = checks()
    width = max(len(r.name) for r in rows)
    lines = []
    for r in rows:
        mark = "ok     " if r.ok else "missing"
        lines.append(f"{mark} {r.name:<{width}}  {r.version or '-':<12} {r.needed_for}")
        if not r.ok:
            lines.append(f"{'':8}{'':<{width}}  {r.fix}")
    session.finish({"checks": [r.to_json() for r in rows]}, "\n".join(lines))
