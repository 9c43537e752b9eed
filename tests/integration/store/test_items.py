"""The items of a job that several workers share."""

import threading

import pytest
from alembic import command

from pfa_store.database import make_engine, migrations
from pfa_store.errors import LostLease
from pfa_store.item_record import Item
from pfa_store.items import owner
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock

FRAMES = {"vid_a": 11, "vid_b": 31, "vid_c": 21}
PART_FRAMES = Settings.model_fields["part_frames"].default
LONG = 4 * PART_FRAMES + 7


def running(store: Store) -> Job:
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=list(FRAMES))).id, "w")
    assert job is not None
    store.items.enqueue(job, FRAMES)
    return job


def claimed(store: Store, job: Job, worker: str = "w1") -> Item:
    item = store.items.claim(job.id, worker)
    assert item is not None
    return item


def statuses(store: Store, job: Job) -> dict[str, str]:
    return {item.video_id: item.status for item in store.items.all(job.id)}


def cut(store: Store) -> Job:
    """A job of one long video and a short one, begun."""
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=["vid_long", "vid_short"])).id, "w")
    assert job is not None
    store.items.enqueue(job, {"vid_long": LONG, "vid_short": 3})
    return job


def of_parts(store: Store, job: Job) -> dict[int, str]:
    """By part of the long video, its status."""
    return {item.part: item.status for item in store.items.all(job.id) if item.video_id == "vid_long"}


def to_revision(settings: Settings, revision: str, *, rows: str = "", down: bool = False) -> None:
    """Bring the tables to an older revision and put rows in."""
    engine = make_engine(settings.sqlalchemy_url)
    with engine.execution_options(pfa_writes=True).begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
        for statement in filter(None, rows.split(";")):
            connection.exec_driver_sql(statement)
    engine.dispose()


OLD_JOB = """
    INSERT INTO jobs (id, kind, queue, spec, status, phase, step, total, metrics, attempt, token, created_s)
    VALUES ('job_old', 'flow', 'flow', '{}', 'queued', '', 0, 0, '{}', 0, 0, 1);
"""
OLD_ITEMS = """
    INSERT INTO job_items (job_id, video_id, status, pairs, step, crashes, token, worker, lease_until_s)
    VALUES ('job_old', 'vid_a', 'done', 10, 10, 0, 1, 'attempt 1', NULL),
           ('job_old', 'vid_b', 'running', 99999, 7, 1, 3, 'attempt 1', 5);
    INSERT INTO job_items (job_id, video_id, status, pairs, step, crashes, token, error_code, error_message)
    VALUES ('job_old', 'vid_d', 'refused', 4, 0, 2, 2, 'video_unreadable', 'torn')
"""


def test_a_database_of_the_first_release_is_upgraded(settings: Settings) -> None:
    to_revision(settings, "r0001", rows=OLD_JOB)
    store = Store.open(settings)
    job = store.jobs.claim("job_old", "w")
    assert job is not None
    store.items.enqueue(job, FRAMES)
    assert len(store.items.all("job_old")) == 3
    store.close()


def test_items_that_were_whole_videos_stay_so(settings: Settings) -> None:
    """A job that was under way when the installation was upgraded: nothing is lost, nothing is cut in its middle."""
    to_revision(settings, "r0002", rows=OLD_JOB + OLD_ITEMS)
    store = Store.open(settings)
    job = store.jobs.claim("job_old", "w")
    assert job is not None
    store.items.enqueue(job, {"vid_a": 11, "vid_b": 100_000, "vid_c": 21, "vid_d": 5})
    items = store.items.all("job_old")
    assert [(item.video_id, item.part, item.pairs, item.crashes) for item in items] == [
        ("vid_a", 0, 10, 0),
        ("vid_b", 0, 99999, 1),
        ("vid_c", 0, 20, 0),
        ("vid_d", 0, 4, 2),
    ]
    assert {(item.first_frame, item.num_frames) for item in items} == {(0, None)}
    assert store.items.refused("job_old") == {"vid_d": ("video_unreadable", "torn")}
    taken = claimed(store, job)
    assert (taken.video_id, taken.token) == ("vid_b", 4)
    store.close()


def test_the_way_back(settings: Settings) -> None:
    store = Store.open(settings)
    job = cut(store)
    store.close()
    to_revision(settings, "r0002", down=True)
    store = Store.open(settings)
    assert [(item.video_id, item.part) for item in store.items.all(job.id)] == [("vid_long", 0), ("vid_short", 0)]
    store.close()


def test_the_longest_comes_first_and_each_once(store: Store) -> None:
    job = running(store)
    taken = [claimed(store, job).video_id for _ in FRAMES]
    assert taken == ["vid_b", "vid_c", "vid_a"]
    assert store.items.claim(job.id, "w2") is None


def test_many_workers_share_without_a_double(store: Store) -> None:
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=["v"])).id, "w")
    assert job is not None
    store.items.enqueue(job, {f"vid_{n}": n for n in range(40)})
    taken: list[str] = []

    def work(name: str) -> None:
        while item := store.items.claim(job.id, name):
            taken.append(item.video_id)
            store.items.finish(item)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while item := store.items.claim(job.id, "last"):  # all may have found the same row locked
        taken.append(item.video_id)
        store.items.finish(item)
    assert sorted(taken) == sorted(f"vid_{n}" for n in range(40))
    assert store.items.tally(job.id).ended == 40


def test_the_database_counts(store: Store) -> None:
    job = running(store)
    first, second = claimed(store, job, "w1"), claimed(store, job, "w2")
    store.items.renew(second, step=7)
    tally = store.items.tally(job.id)
    assert (tally.waiting, tally.running, tally.ended, tally.pairs, tally.pairs_done) == (1, 2, 0, 60, 7)
    assert store.items.tally(job.id, without="w2").pairs_done == 0
    store.items.finish(first)
    store.items.refuse(second, "video_too_short", "too short")
    tally = store.items.tally(job.id)
    assert (tally.waiting, tally.running, tally.ended, tally.pairs_done) == (1, 0, 2, 50)
    assert statuses(store, job) == {"vid_a": "queued", "vid_b": "done", "vid_c": "refused"}


def test_what_crashes_twice_is_refused(store: Store) -> None:
    job = running(store)
    store.items.crashed(claimed(store, job, "w1"), "video_unreadable", "it died")
    again = claimed(store, job, "w2")
    assert (again.video_id, again.crashes, again.error_code) == ("vid_b", 1, None)
    store.items.crashed(again, "video_unreadable", "it died")
    refused = store.items.all(job.id)[1]
    assert (refused.status, refused.crashes, refused.error_code) == ("refused", 2, "video_unreadable")
    assert claimed(store, job).video_id == "vid_c"


def test_a_silent_worker_loses_its_item(store: Store, clock: Clock) -> None:
    job = running(store)
    lost = claimed(store, job, "w1")
    clock.pass_s(59)
    store.items.renew(lost, step=1)
    clock.pass_s(59)
    assert claimed(store, job, "w2").video_id == "vid_c"
    clock.pass_s(2)
    taken = claimed(store, job, "w2")
    assert (taken.video_id, taken.crashes) == ("vid_b", 0)
    for late in (store.items.finish, store.items.release):
        with pytest.raises(LostLease):
            late(lost)
    store.items.finish(taken)


def test_a_later_attempt_goes_on(store: Store) -> None:
    job = running(store)
    store.items.enqueue(job, {**FRAMES, "vid_d": 41})
    store.items.refuse(claimed(store, job, owner(job)), "video_too_short", "too short")
    store.items.finish(claimed(store, job, owner(job)))
    claimed(store, job, owner(job))
    helped = claimed(store, job, "helper")
    store.jobs.hand_back(job, "its process died")
    assert store.items.claim(job.id, "helper") is None, "the job does not run"
    again = store.jobs.claim(job.id, "w")
    assert again is not None
    store.items.enqueue(again, FRAMES)
    assert statuses(store, again) == {
        "vid_a": "running",
        "vid_b": "queued",
        "vid_c": "queued",
        "vid_d": "refused",
    }
    store.items.finish(helped)
    with pytest.raises(LostLease):
        store.items.enqueue(job, FRAMES)


def test_a_released_item_is_free_at_once(store: Store) -> None:
    job = running(store)
    store.items.release(claimed(store, job, "w1"))
    assert claimed(store, job, "w2").video_id == "vid_b"


def test_nothing_of_a_cancelled_job_is_claimed(store: Store) -> None:
    job = running(store)
    store.jobs.request_cancel(job.id)
    assert store.items.claim(job.id, "w1") is None


# --- parts of long videos


def test_a_long_video_is_cut(store: Store) -> None:
    job = cut(store)
    parts = [item for item in store.items.all(job.id) if item.part]
    assert {item.video_id for item in parts} == {"vid_long"}
    ends = [item.first_frame + (item.num_frames or LONG) for item in parts]
    assert [item.first_frame for item in parts] == [0, *ends[:-1]]
    assert parts[-1].num_frames is None, "to the end, wherever that is"
    assert store.items.tally(job.id).pairs == LONG - 1 + 2


def test_a_pack_is_put_together_when_the_last_part_is_done(store: Store) -> None:
    job = cut(store)
    taken = [claimed(store, job, f"w{n}") for n in range(5)]
    assert [(item.video_id, item.part > 0) for item in taken] == [("vid_long", True)] * 4 + [("vid_short", False)]
    assert store.items.claim(job.id, "w6") is None
    for part in taken[:3]:
        store.items.finish(part)
        assert store.items.claim(job.id, "w6") is None
    store.items.finish(taken[3])
    whole = claimed(store, job, "w6")
    assert (whole.video_id, whole.part, whole.first_frame, whole.num_frames) == ("vid_long", 0, 0, None)
    assert store.items.claim(job.id, "w7") is None, "by one alone"
    store.items.finish(whole)
    store.items.finish(taken[4])
    tally = store.items.tally(job.id)
    assert (tally.waiting, tally.running, tally.pairs_done) == (0, 0, tally.pairs)


def test_putting_together_is_done_by_another_if_its_process_is_lost(store: Store, clock: Clock) -> None:
    job = cut(store)
    for _ in range(4):
        store.items.finish(claimed(store, job))
    lost = claimed(store, job, "w1")
    assert lost.part == 0
    assert claimed(store, job, "w2").video_id == "vid_short"
    clock.pass_s(61)
    again = claimed(store, job, "w2")
    assert (again.video_id, again.part) == ("vid_long", 0)
    with pytest.raises(LostLease):
        store.items.finish(lost)


def test_threads_put_every_pack_together_once(store: Store) -> None:
    job = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=["v"])).id, "w")
    assert job is not None
    videos = {f"vid_{n}": (2 + n % 3) * PART_FRAMES for n in range(8)}
    store.items.enqueue(job, videos)
    taken: list[tuple[str, int]] = []
    early: list[str] = []

    def work(name: str) -> None:
        while item := store.items.claim(job.id, name):
            if item.part == 0:
                others = [one for one in store.items.all(job.id) if one.video_id == item.video_id and one.part]
                early.extend(item.video_id for one in others if one.status != "done")
            taken.append((item.video_id, item.part))
            store.items.finish(item)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work("last")  # all may have found the same row locked
    assert early == []
    assert len(taken) == len(set(taken)) == sum(1 + count // PART_FRAMES for count in videos.values())
    tally = store.items.tally(job.id)
    assert (tally.waiting, tally.running) == (0, 0)


def test_what_is_wrong_with_a_part_is_wrong_with_its_video(store: Store) -> None:
    job = cut(store)
    first, second, third = (claimed(store, job, f"w{n}") for n in range(3))
    store.items.finish(first)
    store.items.refuse(second, "video_unreadable", "torn after 9 frames")
    assert set(of_parts(store, job).values()) == {"refused"}
    assert store.items.refused(job.id) == {"vid_long": ("video_unreadable", "torn after 9 frames")}
    for too_late in (store.items.finish, store.items.release, store.items.postpone):
        with pytest.raises(LostLease):
            too_late(third)
    with pytest.raises(LostLease):
        store.items.refuse(third, "video_unreadable", "once is enough")
    assert claimed(store, job).video_id == "vid_short"
    assert store.items.tally(job.id).pairs_done == LONG - 1


def test_a_part_that_crashes_twice_is_the_end_of_its_video(store: Store) -> None:
    job = cut(store)
    other = claimed(store, job, "w1")
    doomed = claimed(store, job, "w2")
    store.items.crashed(doomed, "video_unreadable", "it died")
    assert of_parts(store, job)[doomed.part] == "queued"
    store.items.crashed(other, "video_unreadable", "it died")
    assert store.items.refused(job.id) == {}, "each died once"
    again = claimed(store, job, "w2")
    store.items.crashed(again, "video_unreadable", "it died")
    assert set(of_parts(store, job).values()) == {"refused"}
    assert store.items.refused(job.id) == {"vid_long": ("video_unreadable", "it died")}


def test_many_may_refuse_one_video_at_once(store: Store) -> None:
    job = cut(store)
    taken = [claimed(store, job, f"w{n}") for n in range(4)]
    lost: list[Item] = []

    def refuse(item: Item) -> None:
        try:
            store.items.refuse(item, "video_unreadable", "torn")
        except LostLease:
            lost.append(item)

    threads = [threading.Thread(target=refuse, args=(item,)) for item in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lost) == 3
    assert set(of_parts(store, job).values()) == {"refused"}


def test_what_another_job_has_in_hand_is_left_alone_for_a_moment(store: Store, clock: Clock) -> None:
    job = cut(store)
    first = claimed(store, job)
    store.items.postpone(first)
    others = [claimed(store, job) for _ in range(4)]
    assert first.part not in {item.part for item in others}
    assert store.items.claim(job.id, "w") is None
    clock.pass_s(3)
    again = claimed(store, job)
    assert (again.part, again.crashes) == (first.part, 0)


def test_a_later_attempt_looks_at_every_part_again(store: Store) -> None:
    job = cut(store)
    for _ in range(2):
        store.items.finish(claimed(store, job, owner(job)))
    claimed(store, job, owner(job))
    store.jobs.hand_back(job, "its process died")
    again = store.jobs.claim(job.id, "w")
    assert again is not None
    store.items.enqueue(again, {"vid_long": LONG, "vid_short": 3})
    assert of_parts(store, again) == dict.fromkeys(range(5), "queued")
    assert claimed(store, again).part > 0, "the pack is not put together before"
