//! The services that go-plugin itself asks for beside Grafana's: controller, stdio and broker.
//!
//! Three methods of hand-written protobuf; the controller lets Grafana stop the plugin at once
//! instead of killing it after two seconds.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};

/// `google.protobuf.Empty` and `plugin.Empty`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Empty {}

/// `plugin.StdioData`.
#[derive(Clone, PartialEq, prost::Message)]
struct StdioData {
    #[prost(int32, tag = "1")]
    channel: i32,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

/// `plugin.ConnInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct ConnInfo {
    #[prost(uint32, tag = "1")]
    service_id: u32,
    #[prost(string, tag = "2")]
    network: String,
    #[prost(string, tag = "3")]
    address: String,
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;
type Pending<T> = tokio_stream::Pending<Result<T, Status>>;

/// Waits for the order to stop.
#[derive(Clone)]
pub(super) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    pub(super) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.0.clone();
        async move {
            // A lost sender means that the server is gone too.
            let _ = receiver.wait_for(|stop| *stop).await;
        }
    }

    pub(super) async fn wait_then(&self, grace: Duration) {
        self.wait().await;
        tokio::time::sleep(grace).await;
    }
}

/// `plugin.GRPCController`.
#[derive(Clone)]
pub(super) struct Controller(std::sync::Arc<watch::Sender<bool>>);

impl Controller {
    pub(super) fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(std::sync::Arc::new(sender)), Shutdown(receiver))
    }
}

impl UnaryService<Empty> for Controller {
    type Response = Empty;
    type Future = std::future::Ready<Result<Response<Empty>, Status>>;

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        self.0.send_replace(true);
        std::future::ready(Ok(Response::new(Empty {})))
    }
}

/// `plugin.GRPCStdio`: a stream that never says anything; our logs go to stderr.
#[derive(Clone, Copy)]
pub(super) struct Stdio;

impl ServerStreamingService<Empty> for Stdio {
    type Response = StdioData;
    type ResponseStream = Pending<StdioData>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        std::future::ready(Ok(Response::new(tokio_stream::pending())))
    }
}

/// `plugin.GRPCBroker`: Grafana opens no further connections through it.
#[derive(Clone, Copy)]
pub(super) struct Broker;

impl StreamingService<ConnInfo> for Broker {
    type Response = ConnInfo;
    type ResponseStream = Pending<ConnInfo>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Streaming<ConnInfo>>) -> Self::Future {
        std::future::ready(Ok(Response::new(tokio_stream::pending())))
    }
}

impl NamedService for Controller {
    const NAME: &'static str = "plugin.GRPCController";
}

impl NamedService for Stdio {
    const NAME: &'static str = "plugin.GRPCStdio";
}

impl NamedService for Broker {
    const NAME: &'static str = "plugin.GRPCBroker";
}

macro_rules! route {
    ($service:ty, $path:literal, $call:ident, $request:ty, $response:ty) => {
        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = Answer;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Answer {
                let service = self.clone();
                Box::pin(async move {
                    if request.uri().path() != $path {
                        return Ok(Status::unimplemented("no such method").into_http());
                    }
                    let codec = tonic_prost::ProstCodec::<$response, $request>::default();
                    Ok(tonic::server::Grpc::new(codec).$call(service, request).await)
                })
            }
        }
    };
}

route!(Controller, "/plugin.GRPCController/Shutdown", unary, Empty, Empty);
route!(Stdio, "/plugin.GRPCStdio/StreamStdio", server_streaming, Empty, StdioData);
route!(Broker, "/plugin.GRPCBroker/StartStream", streaming, ConnInfo, ConnInfo);
