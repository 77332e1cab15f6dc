//! Services that Grafana dispenses with every plugin and that Lotwise has no use for. They answer
//! politely instead of failing the connection.

use grafana_plugin_sdk::pluginv2 as pb;
use tonic::{Request, Response, Status, async_trait};

use super::Plugin;

#[async_trait]
impl pb::stream_server::Stream for Plugin {
    async fn subscribe_stream(
        &self,
        _: Request<pb::SubscribeStreamRequest>,
    ) -> Result<Response<pb::SubscribeStreamResponse>, Status> {
        let status = pb::subscribe_stream_response::Status::NotFound.into();
        Ok(Response::new(pb::SubscribeStreamResponse { status, ..Default::default() }))
    }

    type RunStreamStream = tokio_stream::Empty<Result<pb::StreamPacket, Status>>;

    async fn run_stream(
        &self,
        _: Request<pb::RunStreamRequest>,
    ) -> Result<Response<Self::RunStreamStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn publish_stream(
        &self,
        _: Request<pb::PublishStreamRequest>,
    ) -> Result<Response<pb::PublishStreamResponse>, Status> {
        let status = pb::publish_stream_response::Status::NotFound.into();
        Ok(Response::new(pb::PublishStreamResponse { status, ..Default::default() }))
    }
}

#[async_trait]
impl pb::admission_control_server::AdmissionControl for Plugin {
    async fn validate_admission(
        &self,
        _: Request<pb::AdmissionRequest>,
    ) -> Result<Response<pb::ValidationResponse>, Status> {
        Ok(Response::new(pb::ValidationResponse { allowed: true, ..Default::default() }))
    }

    async fn mutate_admission(
        &self,
        request: Request<pb::AdmissionRequest>,
    ) -> Result<Response<pb::MutationResponse>, Status> {
        let object_bytes = request.into_inner().object_bytes;
        Ok(Response::new(pb::MutationResponse {
            allowed: true,
            object_bytes,
            ..Default::default()
        }))
    }
}

#[async_trait]
impl pb::resource_conversion_server::ResourceConversion for Plugin {
    async fn convert_objects(
        &self,
        request: Request<pb::ConversionRequest>,
    ) -> Result<Response<pb::ConversionResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(pb::ConversionResponse {
            uid: request.uid,
            objects: request.objects,
            ..Default::default()
        }))
    }
}
