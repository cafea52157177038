"""Workers on other machines: a Dask or a Ray cluster that is already running, asked for one chain at a time.

The run needs nothing from a cluster but calls of a function, each in a process that codes nothing else meanwhile.
"""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

from bench.codec import BenchError

BACKENDS = ("local", "dask", "ray")
ATTEMPTS = 3
"""Ray workers that may die over one call before it is given up; Dask's scheduler counts for itself."""

PATIENCE = 60.0
"""Seconds to wait for a scheduler to answer and for its first worker."""


class WorkerLost(Exception):
    """Every worker that was given this call died; the text is one sentence."""


class Cluster(Protocol):
    """Machines that call functions."""

    name: str

    def slots(self) -> int:
        """How many calls it does at once; raises BenchError where its workers are no use."""
        ...

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns. Called from many threads. Raises WorkerLost, or BenchError without a cluster."""
        ...

    def close(self) -> None:
        """Take back what has been asked and leave the cluster running."""
        ...


def connect(backend: str, scheduler: str | None) -> Cluster:
    """The cluster that ``--backend`` and ``--scheduler`` name; raises BenchError where there is none."""
    if backend == "dask":
        if scheduler is None:
            raise BenchError("--backend dask needs --scheduler ADDRESS, as `dask scheduler` prints it.")
        return DaskCluster(scheduler)
    return RayCluster(scheduler)


class DaskCluster:
    """A Dask cluster whose workers have one thread each."""

    name = "Dask"

    def __init__(self, scheduler: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise _missing("dask", error) from error
        self._scheduler = scheduler
        try:
            self._client = Client(scheduler, set_as_default=False, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise BenchError(f"No Dask scheduler answers at {scheduler}; change it with --scheduler.") from error

    def slots(self) -> int:
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise BenchError(f"The Dask scheduler at {self._scheduler} has no workers; start some.") from None
        threads: dict[str, int] = self._client.nthreads()
        crowded = [f"{address} has {count}" for address, count in threads.items() if count != 1]
        if crowded:
            # A time limit that ends the process, or a codec that crashes, must hit one chain and not its neighbours.
            raise BenchError(
                f"Dask workers must have one thread, {crowded[0]}: start them with --nthreads 1 and, for many cores, "
                f"--nworkers."
            )
        return len(threads)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")
            future = self._client.submit(function, *arguments, pure=False, key=f"chain-{uuid.uuid4().hex}")
        try:
            return future.result()
        except KilledWorker as error:
            reason = "Every Dask worker that coded this chain died: out of memory, killed, or a crash in the codec."
            raise WorkerLost(reason) from error
        except ImportError as error:
            raise _not_there(error) from error
        except (CancelledError, OSError) as error:
            raise BenchError(
                f"The Dask scheduler at {self._scheduler} has gone; what is finished is kept: start the same command "
                f"again."
            ) from error

    def close(self) -> None:
        with suppress(Exception):
            self._client.close(timeout=5)


class RayCluster:
    """A Ray cluster; one that is found by RAY_ADDRESS or on this machine where none is named, or else a new one."""

    name = "Ray"

    def __init__(self, scheduler: str | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise _missing("ray", error) from error
        self._ray = ray
        self._remote = cache(lambda function: ray.remote(num_cpus=1, max_retries=0)(function))
        try:
            ray.init(address=scheduler, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
        except (OSError, ValueError, RuntimeError) as error:
            if named := scheduler or os.environ.get("RAY_ADDRESS"):
                raise BenchError(f"No Ray cluster answers at {named}; change it with --scheduler.") from error
            raise BenchError(
                "No Ray cluster answers on this machine, and none can be started; name one with --scheduler."
            ) from error

    def slots(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if cores < 1:
            raise BenchError("The Ray cluster has no CPU to give; start a node with ray start --num-cpus.")
        return cores

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        errors = self._ray.exceptions
        for _ in range(ATTEMPTS):
            try:
                return self._ray.get(self._remote(function).remote(*arguments))
            except errors.RayTaskError as error:
                cause = getattr(error, "cause", error)
                raise (_not_there(cause) if isinstance(cause, ImportError) else cause) from error
            except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError):
                continue
            except errors.RaySystemError as error:
                raise BenchError(
                    "The Ray cluster has gone; what is finished is kept: start the same command again."
                ) from error
        raise WorkerLost(
            f"{ATTEMPTS} Ray workers that coded this chain died: out of memory, killed, or a crash in the codec."
        )

    def close(self) -> None:
        self._ray.shutdown()


def _missing(package: str, error: ImportError) -> BenchError:
    return BenchError(f"--backend {package} needs packages: pip install 'reencode-bench[{package}]' ({error}).")


def _not_there(error: ImportError) -> BenchError:
    return BenchError(f"A worker of the cluster can't import reencode-bench: install it on every machine ({error}).")
