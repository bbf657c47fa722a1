import datetime as dt
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from alliance.serve.store.audit import Service
from alliance.serve.store.errors import GoneError, IdempotencyError
from alliance.serve.store.job import JobState
from alliance.serve.store.store import Store

LEASE = dt.timedelta(seconds=60)
NO_TIME = dt.timedelta(0)
ITEMS = [{"n": 0}, {"n": 1}, {"n": 2}]


def work(store: Store, *, most: int = 1000) -> int:
    """Does a job as the worker does; returns how many items it did."""
    job = store.jobs.claim(LEASE)
    assert job is not None
    for done in range(most):
        item = store.jobs.next_item(job)
        if item is None:
            assert store.jobs.finish(job)
            return done
        n, payload = item
        assert store.jobs.finish_item(job, n, {"result": payload["n"]}, LEASE)
    return most


def test_a_job_from_end_to_end(store: Store, anna: Service) -> None:
    job = store.jobs.add(anna, ITEMS, {"purpose": "research"})
    assert (job.state, job.items, job.items_done) == (JobState.QUEUED, 3, 0)
    assert store.jobs.results(anna, job.id) is None
    assert work(store) == 3
    done = store.jobs.get(anna, job.id)
    assert done is not None
    assert (done.state, done.items_done) == (JobState.DONE, 3)
    assert done.finished_at is not None
    assert done.expires_at == done.finished_at + dt.timedelta(days=1)
    results = store.jobs.results(anna, job.id)
    assert results is not None
    assert list(results) == [{"result": 0}, {"result": 1}, {"result": 2}]
    assert store.jobs.claim(LEASE) is None


def test_what_was_sent_goes_as_its_result_comes(store: Store, anna: Service) -> None:
    store.jobs.add(anna, ITEMS, {})
    work(store, most=2)
    with store.database.reading() as db:
        left = db.execute(text("SELECT n FROM job_items WHERE payload IS NOT NULL")).scalars()
        assert list(left) == [2]


def test_another_group_sees_no_job(store: Store, anna: Service, ben: Service) -> None:
    job = store.jobs.add(anna, ITEMS, {})
    work(store)
    assert store.jobs.get(ben, job.id) is None
    assert store.jobs.results(ben, job.id) is None
    assert not store.jobs.erase(ben, job.id)


def test_a_job_that_was_left_lying_goes_on_where_it_was(store: Store, anna: Service) -> None:
    store.jobs.add(anna, ITEMS, {})
    lost = store.jobs.claim(NO_TIME)
    assert lost is not None
    assert store.jobs.finish_item(lost, 0, {"result": 0}, NO_TIME)
    assert work(store) == 2
    assert not store.jobs.finish_item(lost, 1, {"result": "twice"}, LEASE)
    assert not store.jobs.renew(lost, LEASE)
    assert not store.jobs.finish(lost)


def test_a_job_in_hand_is_nobody_elses(store: Store, anna: Service) -> None:
    store.jobs.add(anna, ITEMS, {})
    held = store.jobs.claim(LEASE)
    assert held is not None
    assert store.jobs.claim(LEASE) is None
    store.jobs.give_back(held)
    assert store.jobs.claim(LEASE) is not None


def test_workers_at_once_get_a_job_each(store: Store, anna: Service) -> None:
    made = {store.jobs.add(anna, ITEMS, {}).id for _ in range(4)}
    claimed: list[str] = []

    def claim() -> None:
        # On PostgreSQL a claim may pass over the row that another is just taking.
        for _ in range(50):
            if (job := store.jobs.claim(LEASE)) is not None:
                claimed.append(job.id)
                return

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(made)


def test_attempts_are_counted_until_an_item_is_done(store: Store, anna: Service) -> None:
    store.jobs.add(anna, ITEMS, {})
    claims = [store.jobs.claim(NO_TIME) for _ in range(3)]
    assert [job.attempts for job in claims if job is not None] == [1, 2, 3]
    assert claims[-1] is not None
    store.jobs.finish_item(claims[-1], 0, {}, NO_TIME)
    again = store.jobs.claim(LEASE)
    assert again is not None
    assert again.attempts == 1


def test_a_result_goes_after_its_time(
    url: str, open_store: Callable[..., Store], anna: Service
) -> None:
    store = open_store(url, jobs_kept=dt.timedelta(microseconds=1))
    job = store.jobs.add(anna, ITEMS, {})
    waiting = store.jobs.add(anna, ITEMS, {})
    work(store)
    assert store.tidy() == 1
    gone = store.jobs.get(anna, job.id)
    assert gone is not None
    assert gone.state is JobState.EXPIRED
    with pytest.raises(GoneError, match="found it gone"):
        store.jobs.results(anna, job.id)
    left = store.jobs.get(anna, waiting.id)
    assert left is not None
    assert left.state is JobState.QUEUED


def test_the_same_request_makes_one_job(store: Store, anna: Service) -> None:
    request = store.idempotency(anna, "job", "key", b"body")
    job = store.jobs.add(anna, ITEMS, {}, idempotency=request)
    work(store)
    again = store.jobs.add(anna, ITEMS, {}, idempotency=request)
    assert (again.id, again.state) == (job.id, JobState.DONE)
    other = store.idempotency(anna, "job", "key", b"other body")
    with pytest.raises(IdempotencyError):
        store.jobs.add(anna, ITEMS, {}, idempotency=other)
    assert store.jobs.erase(anna, job.id)
    assert store.jobs.add(anna, ITEMS, {}, idempotency=other).id != job.id


def test_the_same_request_at_once_makes_one_job(store: Store, anna: Service) -> None:
    request = store.idempotency(anna, "job", "key", b"body")
    made: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: made.append(store.jobs.add(anna, ITEMS, {}, idempotency=request).id)
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len(set(made)) == 1
