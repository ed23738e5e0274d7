//! Tests upgrades: what follows one is not HTTP, and what follows a refused one is.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{TestClient, responses};
use crate::wire::Limits;

fn upgrade(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
}

#[tokio::test]
async fn bytes_after_a_101_come_through_as_they_are() {
    for early in ["", "\0early\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut client = TestClient::new(Limits::default());
        client.send(format!("{}{early}", upgrade("/upgrade"))).await;
        let mut response = client.read_until(&format!("\r\n\r\n{early}")).await;
        if early.is_empty() {
            assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        }
        for piece in ["\r\n", "x y\n", "\u{1}"] {
            client.send(piece).await;
            response = client.read_until(piece).await;
            assert_eq!(response, piece);
        }
    }
}

#[tokio::test]
async fn an_upgrade_that_is_not_taken_goes_on_as_http() {
    for path in ["/", "/slow"] {
        let mut client = TestClient::new(Limits::default());
        let next = "GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        client.send(format!("{}{next}", upgrade(path))).await;
        let text = client.read_to_end().await;
        assert_eq!(responses(&text).len(), 2, "{text}");

        let mut client = TestClient::new(Limits::default());
        client.send(upgrade(path)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(next).await;
        let text = client.read_to_end().await;
        assert_eq!(responses(&text).len(), 2, "{text}");
    }
}

#[tokio::test]
async fn a_client_may_wait_before_it_goes_on() {
    let mut client = TestClient::new(Limits::default());
    client.send(upgrade("/")).await;
    client.read_until("hello").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.send("GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    client.read_until("bye").await;
}

#[tokio::test]
async fn a_client_that_leaves_during_an_upgrade_is_noticed() {
    let mut client = TestClient::new(Limits::default());
    client.send(upgrade("/stay")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(client.io);
    let ended = tokio::time::timeout(Duration::from_secs(5), client.served).await.unwrap();
    assert!(ended.unwrap().is_err());
}

/// Sends more than is read ahead while the service decides. The rest waits in the socket, and is served later.
#[tokio::test]
async fn a_client_may_send_far_ahead() {
    let client = TestClient::new(Limits::default());
    let (mut reader, mut writer) = tokio::io::split(client.io);
    let ahead = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(6_000);
    let bytes = format!("{}{ahead}GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", upgrade("/slow"));
    tokio::spawn(async move {
        writer.write_all(bytes.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    assert_eq!(responses(&text).len(), 6_002);
}
