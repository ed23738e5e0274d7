//! Tests several responses in a row, byte by byte, also while other bytes are sent and when the socket takes few bytes
//! at a time.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::harness::{LIKE_A_HEAD, ResponseDropped, serve};
use crate::wire::Limits;

/// What a client gets if it sends all `requests` at once, through a socket that holds `most` bytes. Without the dates.
async fn exchange(requests: &str, most: usize) -> String {
    let (io, other) = tokio::io::duplex(most);
    let _served = serve(other, Limits::default(), ResponseDropped::default());
    let (mut reading, mut writing) = tokio::io::split(io);
    let mut text = String::new();
    let both = async {
        let (sent, read) = tokio::join!(writing.write_all(requests.as_bytes()), reading.read_to_string(&mut text));
        sent.and(read)
    };
    timeout(Duration::from_secs(20), both).await.expect("the server closes").expect("no error");
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn post(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n{more}\r\n{}", "x".repeat(40))
}

/// A response whose fields have an order.
fn ordered(more: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nset-cookie: a\r\nx-between: 1\r\nset-cookie: b\r\nx-between: 2\r\n{more}\r\n{body}")
}

#[tokio::test]
async fn fields_leave_in_the_order_that_was_told() {
    let length = LIKE_A_HEAD.len();
    let sized = format!("content-length: {length}\r\n");
    // Requests, and the expected responses.
    let turns = [
        (get("/"), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned()),
        (get("/ordered"), ordered("content-length: 0\r\n", "")),
        (get("/ordered/body"), ordered(&sized, LIKE_A_HEAD)),
        (get("/ordered/body").replace("GET", "HEAD"), ordered(&sized, "")),
        (post("/ordered/read", "Expect: 100-continue\r\n"), ordered("content-length: 40\r\n", &"x".repeat(40))),
        (get("/ordered"), ordered("content-length: 0\r\n", "")),
        (
            get("/close").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbye".to_owned(),
        ),
    ];
    let requests: String = turns.iter().map(|(request, _)| request.as_str()).collect();
    let responses: String = turns.iter().map(|(_, response)| response.as_str()).collect();
    for most in (1..=256).chain([1000, 64 << 10]) {
        let got = exchange(&requests, most).await;
        // The body may arrive before `100 Continue` is due.
        assert_eq!(got.replacen("HTTP/1.1 100 Continue\r\n\r\n", "", 1), responses, "through {most} bytes");
    }
}
