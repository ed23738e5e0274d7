//! Tests refusals: each is answered in its turn and closes the connection. Other requests are served as usual.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{ResponseDropped, TestClient, one, responses, serve};
use crate::wire::Limits;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

async fn exchange(bytes: impl AsRef<[u8]>) -> Vec<(u16, String)> {
    let mut client = TestClient::new(Limits::default());
    client.send(bytes).await;
    responses(&client.read_to_end().await)
}

#[tokio::test]
async fn each_refusal_is_answered_with_its_reason() {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9_000));
    let large = format!("GET / HTTP/1.1\r\nHost: h\r\nx: {}", "x".repeat(70_000));
    for (head, status, reason) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "Host is missing"),
        ("GET /\r\n", 400, "the first line is not `METHOD target HTTP/1.1`"),
        ("GET / HTTP/1.1\nHost: h\n\n", 400, "a line ends in a bare line feed"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2 is not available on this port; use HTTP/1.1"),
        ("CONNECT h:1 HTTP/1.1\r\n", 501, "this server is no proxy: CONNECT is not served"),
        (long.as_str(), 414, "the request line is too long"),
        (large.as_str(), 431, "the header section is too long"),
    ] {
        assert_eq!(exchange(head).await, one(status, &format!("{status}: {reason}")), "{head:.40}");
    }
}

#[tokio::test]
async fn a_refusal_waits_for_the_responses_before_it() {
    let expected = [(200, "hello"), (200, "slow"), (200, "abc"), (400, "400: Host is repeated")];
    let expected: Vec<_> = expected.map(|(status, body)| (status, body.to_owned())).into();
    let slow = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
    let echo = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let bytes = format!("{HELLO}{slow}{echo}GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n{HELLO}{HELLO}");
    assert_eq!(exchange(&bytes).await, expected);

    let mut client = TestClient::new(Limits::default());
    for byte in bytes.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(responses(&client.read_to_end().await), expected);
}

#[tokio::test]
async fn bodies_come_through_whole_however_they_are_cut() {
    let data: String = (b'a'..=b'z').map(char::from).cycle().take(20_000).collect();
    let chunk = |chunk: &[u8]| format!("{:x};n=\"v\"\r\n{}\r\n", chunk.len(), chunk.escape_ascii());
    let chunks: Vec<String> = data.as_bytes().chunks(777).map(chunk).collect();
    let chunks = chunks.concat();
    let chunked =
        format!("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nt: v\r\n\r\n");
    let fixed = format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n{data}");
    let bytes = format!("{chunked}{fixed}\r\n{chunked}GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    for size in [1, 13, 1_000, 8_192, 100_000] {
        let mut client = TestClient::new(Limits::default());
        let (mut reader, mut writer) = tokio::io::split(client.io);
        let bytes = bytes.clone();
        tokio::spawn(async move {
            for piece in bytes.as_bytes().chunks(size) {
                writer.write_all(piece).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        let bodies: Vec<_> = responses(&text).into_iter().map(|(_, body)| body).collect();
        assert_eq!(bodies, [data.as_str(), data.as_str(), data.as_str(), "bye"], "pieces of {size}");
        assert_eq!((&mut client.served).await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_broken_chunk_is_a_400_of_its_own_request() {
    let bytes =
        format!("{HELLO}POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n");
    let mut expected = one(200, "hello");
    expected.extend(one(400, "400: a chunk size is not a hexadecimal number"));
    assert_eq!(exchange(bytes).await, expected);
}

#[tokio::test]
async fn a_body_that_ends_early_is_a_400() {
    for head in ["Content-Length: 5\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc"] {
        let mut client = TestClient::new(Limits::default());
        client.send(format!("POST /echo HTTP/1.1\r\nHost: h\r\n{head}")).await;
        client.io.shutdown().await.unwrap();
        let text = client.read_to_end().await;
        assert_eq!(responses(&text), one(400, "400: the request body ended early"));
    }
}

#[tokio::test]
async fn a_client_that_is_reset_ends_its_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (other, _) = listener.accept().await.unwrap();
    let dropped = ResponseDropped::default();
    let served = serve(other, Limits::default(), dropped.clone());
    client.write_all(b"GET /stay HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!dropped.0.load(Ordering::SeqCst));
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
    assert!(ended.is_err(), "the client left in the middle");
    assert!(dropped.0.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_client_that_sends_no_more_gets_its_responses() {
    let mut client = TestClient::new(Limits::default());
    client
        .send(format!("GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /slower HTTP/1.1\r\nHost: h\r\n\r\n{HELLO}GET /"))
        .await;
    client.io.shutdown().await.unwrap();
    let expected = [(200, "slow"), (200, "told"), (200, "hello")];
    let expected: Vec<_> = expected.map(|(status, body)| (status, body.to_owned())).into();
    assert_eq!(responses(&client.read_to_end().await), expected);
    assert_eq!(client.served.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_stream_hears_of_a_client_that_sends_no_more() {
    let mut client = TestClient::new(Limits::default());
    client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.read_until("5\r\nfirst\r\n").await;
    client.io.shutdown().await.unwrap();
    assert_eq!(client.read_to_end().await, "");
    assert!(client.served.await.unwrap().is_err(), "it broke off");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_ended() {
    let mut client = TestClient::new(Limits::default());
    client.send("GET /broken HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let text = client.read_to_end().await;
    assert!(text.ends_with("transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"), "{text}");
    assert!(client.served.await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_leaves_between_requests_is_no_error() {
    let mut client = TestClient::new(Limits::default());
    client.send(HELLO).await;
    client.read_until("hello").await;
    drop(client.io);
    assert_eq!(client.served.await.unwrap(), Ok(()));
}

/// Uses a real socket: what a client sends after a refusal must not reset the connection before the client has read the
/// reason.
#[tokio::test]
async fn a_client_that_still_sends_gets_its_response() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let (other, _) = listener.accept().await.unwrap();
    let served = serve(other, Limits::default(), ResponseDropped::default());
    client.write_all(b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n").await.unwrap();
    client.write_all(&vec![b'x'; 100_000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.write_all(&vec![b'x'; 100_000]).await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(responses(&text), one(400, "400: Host is missing"));
    let closing = Instant::now();
    drop(client);
    assert_eq!(served.await.unwrap(), Ok(()));
    assert!(closing.elapsed() < Duration::from_millis(900), "the close waited for nobody");
}

/// Changes a head in two places, two thousand times. The response is either that of the service or a refusal with a
/// reason, never nothing.
#[tokio::test]
async fn whatever_is_sent_gets_a_response_with_a_reason() {
    let model =
        b"POST http://h:1/a?b HTTP/1.1\r\nHost: h\r\nx-y: z \t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut seed = 7_u64;
    let soon = Duration::from_millis(300);
    let limits = Limits { header_timeout: soon, keep_alive_timeout: soon, ..Limits::default() };
    let mut cases = tokio::task::JoinSet::new();
    for _ in 0..2_000 {
        let mut bytes = model.to_vec();
        for _ in 0..2 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).unwrap() % bytes.len();
            bytes[at] = seed.to_be_bytes()[1] & 0x7f;
        }
        let limits = limits.clone();
        cases.spawn(async move {
            let mut client = TestClient::new(limits);
            client.send(&bytes).await;
            (bytes, responses(&client.read_to_end().await))
        });
    }
    let mut served = 0;
    for (bytes, responses) in cases.join_all().await {
        for (status, body) in responses {
            served += u32::from(status == 200);
            assert!(status == 200 || !body.is_empty(), "{status} for {}", bytes.escape_ascii());
        }
    }
    assert!((200..1_800).contains(&served), "{served} tell little");
}
