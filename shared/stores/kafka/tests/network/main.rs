//! What stands between a broker and its clients: together, as both mostly wait.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod expelled;
mod starting;

use std::{net::Ipv4Addr, path::Path};

use questline_log_kafka::Settings;
use questline_testing::Kafka;
use tokio::net::TcpListener;

/// A broker, what its clients come to instead, and how they do.
async fn behind(folder: &Path) -> (Kafka, TcpListener, Settings) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let kafka = Kafka::start_behind(folder, port);
    (kafka, listener, Settings::at(&format!("127.0.0.1:{port}")))
}
