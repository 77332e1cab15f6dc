//! Every service that Grafana dispenses, and those of go-plugin itself.

use std::time::Duration;

use grafana_plugin_sdk::pluginv2 as pb;
use tokio_stream::StreamExt;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::support::host::{Host, Launch, StdioData};
use crate::support::panel::PLUGIN;

async fn host() -> Host {
    Launch::new(PLUGIN).start().await.expect("start")
}

#[tokio::test]
async fn answers_the_health_name_of_go_plugin() {
    assert!(host().await.is_serving().await.expect("health"));
}

#[tokio::test]
async fn keeps_the_stdio_stream_open() {
    let host = host().await;
    let mut stdio = host.stdio().await.expect("stdio");
    // Silence is right; an end would make go-plugin warn.
    let said = tokio::time::timeout(Duration::from_millis(300), stdio.next()).await;
    assert!(said.is_err(), "{said:?}");
}

#[tokio::test]
async fn opens_the_broker() {
    let host = host().await;
    let mut grpc = tonic::client::Grpc::new(host.channel());
    grpc.ready().await.expect("ready");
    let path = PathAndQuery::from_static("/plugin.GRPCBroker/StartStream");
    let codec = ProstCodec::<StdioData, StdioData>::default();
    let outgoing = tokio_stream::pending();
    grpc.streaming(Request::new(outgoing), path, codec).await.expect("StartStream");
}

#[tokio::test]
async fn knows_no_other_method_of_its_controller() {
    let host = host().await;
    let mut grpc = tonic::client::Grpc::new(host.channel());
    grpc.ready().await.expect("ready");
    let path = PathAndQuery::from_static("/plugin.GRPCController/Restart");
    let codec = ProstCodec::<(), ()>::default();
    let status = grpc.unary(Request::new(()), path, codec).await.expect_err("no such method");
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(host.is_serving().await.expect("health"), "and goes on serving");
}

#[tokio::test]
async fn reports_metrics() {
    let host = host().await;
    let request = pb::CollectMetricsRequest::default();
    let answer = host.diagnostics().collect_metrics(request).await.expect("CollectMetrics");
    let text = answer.into_inner().metrics.expect("metrics").prometheus;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("# TYPE lotwise_pool_size gauge"), "{text}");
}

#[tokio::test]
async fn has_no_streams_and_says_so() {
    let host = host().await;
    let subscribed = host
        .stream()
        .subscribe_stream(pb::SubscribeStreamRequest { path: "x".to_owned(), ..Default::default() })
        .await
        .expect("SubscribeStream")
        .into_inner();
    assert_eq!(subscribed.status(), pb::subscribe_stream_response::Status::NotFound);
    let published = host
        .stream()
        .publish_stream(pb::PublishStreamRequest { path: "x".to_owned(), ..Default::default() })
        .await
        .expect("PublishStream")
        .into_inner();
    assert_eq!(published.status(), pb::publish_stream_response::Status::NotFound);
    let request = pb::RunStreamRequest { path: "x".to_owned(), ..Default::default() };
    let mut packets = host.stream().run_stream(request).await.expect("RunStream").into_inner();
    assert!(packets.next().await.is_none());
}

#[tokio::test]
async fn admits_settings_unchanged() {
    let host = host().await;
    let object = br#"{"jsonData":{"host":"db"}}"#.to_vec();
    let request = pb::AdmissionRequest { object_bytes: object.clone(), ..Default::default() };
    let admitted = host.admission().validate_admission(request.clone()).await.expect("validate");
    assert!(admitted.into_inner().allowed);
    let admitted = host.admission().mutate_admission(request).await.expect("mutate").into_inner();
    assert!(admitted.allowed);
    assert_eq!(admitted.object_bytes, object);
}

#[tokio::test]
async fn converts_settings_to_themselves() {
    let host = host().await;
    let object = pb::RawObject { raw: b"{}".to_vec(), content_type: "application/json".to_owned() };
    let request = pb::ConversionRequest {
        uid: "1".to_owned(),
        objects: vec![object.clone()],
        ..Default::default()
    };
    let converted = host.conversion().convert_objects(request).await.expect("convert").into_inner();
    assert_eq!((converted.uid.as_str(), converted.objects), ("1", vec![object]));
}
