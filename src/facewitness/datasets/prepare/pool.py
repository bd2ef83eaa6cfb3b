"""Records in several processes that neither survive their parent nor take it down with them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import cv2

from facewitness.datasets.prepare.one_video import Job, note_problem, prepare_video
from facewitness.datasets.records import Record
from facewitness.faces.finder import FaceFinder


def pooled(records: Sequence[Record], job: Job, workers: int) -> Iterator[tuple[Record, int]]:
    """Prepare records in several processes.

    A record that brings its process down is tried once more by itself, then noted as a problem. After Ctrl-C, or an
    error, the records in work are finished.

    Yields:
        Record and bytes written, in the order in which they are done.

    Raises:
        OSError: If the disk is full.
        MissingExtraError: If a package is missing.
    """
    waiting = deque(records)
    while waiting:
        suspects: list[Record] = []
        yield from _until_broken(waiting, job, min(workers, len(waiting)), suspects)
        for record in suspects:
            broke: list[Record] = []
            yield from _until_broken(deque([record]), job, 1, broke)
            if broke:
                yield record, note_problem(record, job, "the process that worked on it died (memory, or its decoder)")


def _until_broken(
    waiting: deque[Record], job: Job, workers: int, suspects: list[Record]
) -> Iterator[tuple[Record, int]]:
    """Take records off the queue until it is empty or a process dies; ``suspects`` get those in work then."""
    context = multiprocessing.get_context("spawn")  # OpenVINO's threads do not survive a fork
    running: dict[Future[int], Record] = {}
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(job,))
    try:
        while waiting or running:
            for record in list(islice(waiting, 2 * workers - len(running))):
                running[pool.submit(_work, record)] = record
                waiting.popleft()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                written = future.result()
                yield running.pop(future), written
    except BrokenProcessPool:
        suspects += running.values()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_worker: tuple[Job, FaceFinder] | None = None


def _start_worker(job: Job) -> None:
    """Prepare this process: one thread, the terminal's Ctrl-C left to the parent, and no life without it."""
    global _worker  # noqa: PLW0603  # what an initializer leaves for the process's tasks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _worker = job, job.finder()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(record: Record) -> int:
    assert _worker is not None  # noqa: S101  # set by `_start_worker`
    job, finder = _worker
    return prepare_video(record, job, finder)[1]
