//! Tests of the pool.

use super::*;
use std::sync::mpsc::{Sender, channel};

struct Panicking;

impl Job for Panicking {
    fn run(self: Box<Self>, _py: Python<'_>, _job_handle: &JobHandle) {
        panic!("a fault of ours");
    }
}

struct Naming(Sender<String>);

impl Job for Naming {
    fn run(self: Box<Self>, py: Python<'_>, _job_handle: &JobHandle) {
        let thread = py.import("threading").unwrap().call_method0("current_thread").unwrap();
        self.0.send(thread.getattr("name").unwrap().extract().unwrap()).unwrap();
    }
}

#[test]
fn a_panic_ends_one_job_and_no_thread() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "test", 1, 8)).unwrap();
    let (sender, receiver) = channel();
    pool.submit(Box::new(Panicking), pool.job_handle()).unwrap();
    pool.submit(Box::new(Naming(sender)), pool.job_handle()).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).unwrap(), "test-1");
    assert_eq!(wait_until_idle(Duration::from_secs(20)), 0);
    pool.stop();
}

/// Runs until its sender is dropped.
struct Stuck(std::sync::mpsc::Receiver<()>);

impl Job for Stuck {
    fn run(self: Box<Self>, py: Python<'_>, _job_handle: &JobHandle) {
        let receiver = Mutex::new(self.0);
        let _released = py.detach(|| receiver.lock().unwrap().recv_timeout(Duration::from_secs(60)));
    }
}

fn wait_for(pool: &Pool, what: impl Fn(PoolStats) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !what(pool.stats()) {
        assert!(Instant::now() < deadline, "{:?}", pool.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_spare_thread_takes_the_place_of_an_orphan() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "spare", 2, 8)).unwrap();
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let ((release, held), job_handle) = (channel(), pool.job_handle());
            pool.submit(Box::new(Stuck(held)), job_handle.clone()).unwrap();
            (release, job_handle)
        })
        .collect();
    wait_for(&pool, |stats| stats.running == 2);
    let (sender, receiver) = channel();
    pool.submit(Box::new(Naming(sender)), pool.job_handle()).unwrap();
    assert_eq!(pool.stats().spare, 0, "nobody has left");
    for (_, job_handle) in &stuck {
        job_handle.leave();
    }
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).unwrap(), "spare-3");
    assert_eq!((pool.stats().orphaned, pool.stats().spare), (2, 1));
    drop(stuck);
    wait_for(&pool, |stats| stats.running == 0 && stats.orphaned == 0 && stats.spare == 0);
    pool.stop();
}

#[test]
fn calls_that_took_too_long_are_replaced_one_for_one() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "overdue", 2, 8)).unwrap();
    let mut stuck = Vec::new();
    for calls in 1..=4 {
        let ((release, held), job_handle) = (channel::<()>(), pool.timed_job_handle());
        assert!(!job_handle.give_up("a call".to_owned()), "it waits still");
        pool.submit(Box::new(Stuck(held)), job_handle.clone()).unwrap();
        wait_for(&pool, |stats| stats.running == calls);
        assert!(!job_handle.all_hang());
        assert!(job_handle.taken().is_some());
        assert!(job_handle.give_up("a call".to_owned()));
        assert!(!job_handle.give_up("a call".to_owned()), "once is enough");
        stuck.push((release, job_handle));
    }
    assert_eq!((pool.stats().orphaned, pool.stats().overdue, pool.stats().spare), (4, 4, 2));
    assert!(stuck[0].1.all_hang(), "there is no more than a spare thread for each");
    drop(stuck);
    wait_for(&pool, |stats| stats.running == 0 && stats.orphaned == 0 && stats.overdue == 0 && stats.spare == 0);
    pool.stop();
}

/// Waits for a client that does not read, until the call is given up or the test ends.
struct Stalled(JobHandle, Sender<()>, Arc<AtomicBool>);

impl Job for Stalled {
    fn run(self: Box<Self>, py: Python<'_>, _job_handle: &JobHandle) {
        py.detach(|| {
            let stall = self.0.stall();
            while !self.2.load(Ordering::Acquire) {
                if stall.is_given_up() {
                    return self.1.send(()).unwrap();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }
}

#[test]
fn spare_threads_come_before_a_stalled_call_is_given_up() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "stalled", 2, 8)).unwrap();
    let ((sender, given_up), released) = (channel(), Arc::new(AtomicBool::new(false)));
    for calls in 1..=3 {
        let job_handle = pool.job_handle();
        let job = Stalled(job_handle.clone(), sender.clone(), Arc::clone(&released));
        pool.submit(Box::new(job), job_handle).unwrap();
        wait_for(&pool, |stats| stats.stalled == calls);
    }
    assert_eq!(pool.stats().spare, 1);
    assert!(given_up.recv_timeout(Duration::from_millis(1500)).is_err(), "nobody else waits");
    let (sender, receiver) = channel();
    pool.submit(Box::new(Naming(sender)), pool.job_handle()).unwrap();
    given_up.recv_timeout(Duration::from_secs(20)).unwrap();
    receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(pool.stats().stalled >= 1, "half of the pool may wait");
    released.store(true, Ordering::Release);
    wait_for(&pool, |stats| stats.running == 0 && stats.stalled == 0 && stats.spare == 0);
    pool.stop();
}

#[test]
fn a_full_queue_refuses() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "none", 0, 1)).unwrap();
    pool.submit(Box::new(Panicking), pool.job_handle()).unwrap();
    assert!(pool.submit(Box::new(Panicking), pool.job_handle()).is_err());
}
