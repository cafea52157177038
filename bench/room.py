"""How many pieces of work are done at once, as far as codecs say what memory they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench import memory
from bench.codec import EstimatesMemory, one_sentence
from bench.registry import CodecSpec
from bench.task import Settings, Task, make_codec


def with_room(work: Sequence[Sequence[Task]], settings: Settings, what: str, say: Callable[[str], None]) -> Settings:
    """Settings with as many jobs as there is memory for.

    Args:
        work: pieces of work, each the chains whose images it codes, one image after the other.
        settings: as many jobs as are wanted.
        what: "chains are coded", for people.
        say: called with a sentence where there is not so much memory.

    Raises:
        BenchError: a codec's ``memory_needed`` fails.
    """
    needs = [max((_need(spec, task, settings), task.image) for task in tasks for spec in task.specs) for tasks in work]
    wanted = min(settings.jobs, len(work))
    jobs = memory.fitting((need for need, _ in needs), wanted)
    if jobs == wanted:
        return settings
    need, image = max(needs)
    say(f"{image} takes about {memory.gibibytes(need)} of memory: {jobs} of {wanted} {what} at once.")
    return replace(settings, jobs=jobs)


def _need(spec: CodecSpec, task: Task, settings: Settings) -> int:
    codec = make_codec(spec, settings)
    if not isinstance(codec, EstimatesMemory):
        return 0
    with one_sentence(f"{codec.name}: memory_needed()"):
        return int(codec.memory_needed(*task.size))
