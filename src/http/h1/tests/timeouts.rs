//! Tests slow clients: in the head, in the body, while reading the response, and between requests.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::harness::{BIG, TestClient, one, responses};
use crate::wire::Limits;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const SHORT: Duration = Duration::from_millis(100);

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test]
async fn a_silent_client_is_let_go_without_a_word() {
    let started = Instant::now();
    let mut client = TestClient::new(Limits { header_timeout: SHORT, ..Limits::default() });
    client.send("\r\n").await;
    assert_eq!(client.read_to_end().await, "");
    assert!(started.elapsed() >= SHORT && started.elapsed() < 10 * SHORT);
    assert_eq!(client.served.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn an_idle_connection_is_closed_but_a_busy_one_is_not() {
    let limits = Limits { keep_alive_timeout: SHORT, header_timeout: Duration::from_secs(5), ..Limits::default() };
    let mut client = TestClient::new(limits);
    for _ in 0..3 {
        client.send(HELLO).await;
        client.read_until("hello").await;
        pause(60).await;
    }
    // Twice as long as a connection may be idle.
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.read_until("slow").await;
    let idle = Instant::now();
    assert_eq!(client.read_to_end().await, "");
    assert!(idle.elapsed() >= SHORT.mul_f32(0.8) && idle.elapsed() < 10 * SHORT, "{:?}", idle.elapsed());
    assert_eq!(client.served.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_slow_head_is_a_408() {
    for before in ["", HELLO] {
        let mut client = TestClient::new(Limits { header_timeout: SHORT, ..Limits::default() });
        client.send(before).await;
        let mut expected = if before.is_empty() { Vec::new() } else { one(200, "hello") };
        for byte in b"GET / HTTP/1.1" {
            // On a busy machine, the server may have closed the connection by now.
            let _ = client.io.write_all(&[*byte]).await;
            pause(20).await;
        }
        expected.extend(one(408, "408: the request head took too long"));
        assert_eq!(responses(&client.read_to_end().await), expected);
    }
}

#[tokio::test]
async fn a_slow_body_is_a_408() {
    let limits = Limits { min_data_rate: 1_000, min_data_rate_grace: SHORT, ..Limits::default() };
    let mut client = TestClient::new(limits);
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n").await;
    for _ in 0..30 {
        client.send("12345").await;
        pause(10).await;
    }
    assert_eq!(responses(&client.read_to_end().await), one(408, "408: the request body came too slowly"));
}

#[tokio::test]
async fn a_body_that_keeps_the_rate_is_served() {
    let limits = Limits { min_data_rate: 100, min_data_rate_grace: SHORT, ..Limits::default() };
    let mut client = TestClient::new(limits);
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 150\r\n\r\n").await;
    for _ in 0..30 {
        client.send("12345").await;
        pause(10).await;
    }
    assert_eq!(responses(&client.read_to_end().await), one(200, &"12345".repeat(30)));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut() {
    let limits = Limits { min_data_rate: 1_000_000, min_data_rate_grace: SHORT, ..Limits::default() };
    let mut client = TestClient::new(limits);
    client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut client.served).await.unwrap().unwrap();
    assert!(ended.is_err());
    assert!(client.read_to_end().await.len() < BIG);
}

#[tokio::test]
async fn a_slow_reader_is_not_idle() {
    let limits = Limits { min_data_rate: 0, keep_alive_timeout: SHORT, ..Limits::default() };
    let mut client = TestClient::new(limits);
    client.send("GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    pause(400).await;
    assert!(client.read_to_end().await.len() > BIG);
}
