//! Tests of the pool.

use super::*;
use std::sync::mpsc::{Sender, channel};

struct Panicking;

impl Job for Panicking {
    fn run(self: Box<Self>, _py: Python<'_>) {
        panic!("a fault of ours");
    }
}

struct Naming(Sender<String>);

impl Job for Naming {
    fn run(self: Box<Self>, py: Python<'_>) {
        let thread = py.import("threading").unwrap().call_method0("current_thread").unwrap();
        self.0.send(thread.getattr("name").unwrap().extract().unwrap()).unwrap();
    }
}

#[test]
fn a_panic_ends_one_job_and_no_thread() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "test", 1, 8)).unwrap();
    let (sender, receiver) = channel();
    pool.submit(Box::new(Panicking), pool.ticket()).unwrap();
    pool.submit(Box::new(Naming(sender)), pool.ticket()).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).unwrap(), "test-1");
    assert_eq!(wait_until_idle(Duration::from_secs(20)), 0);
    pool.stop();
}

/// Runs until its sender is dropped.
struct Stuck(std::sync::mpsc::Receiver<()>);

impl Job for Stuck {
    fn run(self: Box<Self>, py: Python<'_>) {
        let receiver = Mutex::new(self.0);
        let _released = py.detach(|| receiver.lock().unwrap().recv_timeout(Duration::from_secs(60)));
    }
}

fn wait_for(pool: &Pool, what: impl Fn(Census) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !what(pool.census()) {
        assert!(Instant::now() < deadline, "{:?}", pool.census());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_spare_thread_takes_the_place_of_an_orphan() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "spare", 2, 8)).unwrap();
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let ((release, held), ticket) = (channel(), pool.ticket());
            pool.submit(Box::new(Stuck(held)), ticket.clone()).unwrap();
            (release, ticket)
        })
        .collect();
    wait_for(&pool, |census| census.running == 2);
    let (sender, receiver) = channel();
    pool.submit(Box::new(Naming(sender)), pool.ticket()).unwrap();
    assert_eq!(pool.census().spare, 0, "nobody has left");
    for (_, ticket) in &stuck {
        ticket.leave();
    }
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).unwrap(), "spare-3");
    assert_eq!((pool.census().orphaned, pool.census().spare), (2, 1));
    drop(stuck);
    wait_for(&pool, |census| census.running == 0 && census.orphaned == 0 && census.spare == 0);
    pool.stop();
}

#[test]
fn calls_that_took_too_long_are_replaced_one_for_one() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "overdue", 2, 8)).unwrap();
    let mut stuck = Vec::new();
    for calls in 1..=4 {
        let ((release, held), ticket) = (channel::<()>(), pool.timed_ticket());
        assert!(!ticket.give_up("a call".to_owned()), "it waits still");
        pool.submit(Box::new(Stuck(held)), ticket.clone()).unwrap();
        wait_for(&pool, |census| census.running == calls);
        assert!(!ticket.all_hang());
        assert!(ticket.taken().is_some());
        assert!(ticket.give_up("a call".to_owned()));
        assert!(!ticket.give_up("a call".to_owned()), "once is enough");
        stuck.push((release, ticket));
    }
    assert_eq!((pool.census().orphaned, pool.census().overdue, pool.census().spare), (4, 4, 2));
    assert!(stuck[0].1.all_hang(), "there is no more than a spare thread for each");
    drop(stuck);
    wait_for(&pool, |census| census.running == 0 && census.orphaned == 0 && census.overdue == 0 && census.spare == 0);
    pool.stop();
}

/// Waits for a client that takes nothing, until it is given up or all may end.
struct Stalled(Ticket, Sender<()>, Arc<AtomicBool>);

impl Job for Stalled {
    fn run(self: Box<Self>, py: Python<'_>) {
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
        let ticket = pool.ticket();
        let job = Stalled(ticket.clone(), sender.clone(), Arc::clone(&released));
        pool.submit(Box::new(job), ticket).unwrap();
        wait_for(&pool, |census| census.stalled == calls);
    }
    assert_eq!(pool.census().spare, 1);
    assert!(given_up.recv_timeout(Duration::from_millis(1500)).is_err(), "nobody else waits");
    let (sender, receiver) = channel();
    pool.submit(Box::new(Naming(sender)), pool.ticket()).unwrap();
    given_up.recv_timeout(Duration::from_secs(20)).unwrap();
    receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(pool.census().stalled >= 1, "half of the pool may wait");
    released.store(true, Ordering::Release);
    wait_for(&pool, |census| census.running == 0 && census.stalled == 0 && census.spare == 0);
    pool.stop();
}

#[test]
fn a_full_queue_refuses() {
    Python::initialize();
    let pool = Python::attach(|py| Pool::start(py, "none", 0, 1)).unwrap();
    pool.submit(Box::new(Panicking), pool.ticket()).unwrap();
    assert!(pool.submit(Box::new(Panicking), pool.ticket()).is_err());
}
