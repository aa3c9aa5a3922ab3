//! From HTTP to the store and back. A request takes effect in one piece when its body has been read: a future that is
//! dropped before has done nothing, one that has answered has done all.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode, request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tower::{BoxError, Service};

use super::connection::Connection;
use super::definition::Definition;
use super::history::{Subresource, Verb};
use super::object::metadata_text;
use super::read::{self, View};
use super::refusal::{self, Refusal, Result};
use super::route::{Query, Route};
use super::selector::Filter;
use super::state::{Origin, State};
use super::watch::Watch;
use super::write::{DeleteOptions, Deleted, Writer};
use super::{Garbage, Namespaces, garbage, lock};

/// An answer's body: JSON, or a watch's lines.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

const MERGE_PATCH: &str = "application/merge-patch+json";

/// The server as a tower service; `kube::Client::new(service, "default")` works on it.
#[derive(Clone)]
pub struct MemoryService {
    connection: Connection,
}

impl Service<Request<Body>> for MemoryService {
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = self.connection.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let call = Call {
                connection,
                parts,
                body,
            };
            Ok(call.answer().unwrap_or_else(|refusal| refuse(&refusal)))
        })
    }
}

impl MemoryService {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

struct Call {
    connection: Connection,
    parts: request::Parts,
    body: Bytes,
}

impl Call {
    fn answer(&self) -> Result<Response<ResponseBody>> {
        let uri = &self.parts.uri;
        let query = Query::parse(uri.query().unwrap_or_default());
        let route = Route::parse(uri.path()).ok_or_else(refusal::no_such_path)?;
        let shared = self.connection.server.shared.clone();
        let mut state = lock(&shared.state);
        let definition = state.table(&route.resource)?.definition.clone();
        check_route(&definition, &route)?;
        if self.parts.method == Method::GET {
            return self.read(&state, &route, &query);
        }
        if query.text("dryRun").is_some() {
            return Err(refusal::bad_request("the in-memory API server does no dry runs"));
        }
        let first_write = state.history.len();
        let answer = self.write(&mut state, definition, &route, &query);
        let writes = state.history[first_write..].to_vec();
        drop(state);
        shared.tell(&writes);
        answer
    }

    fn read(&self, state: &State, route: &Route, query: &Query) -> Result<Response<ResponseBody>> {
        let view = View::accepted(self.header(ACCEPT.as_str()));
        let lag = self.connection.link.lag();
        if route.name.is_some() {
            let object = read::get(state, &lag, route, query)?;
            return Ok(respond(StatusCode::OK, view.json(&object)));
        }
        if query.flag("watch") == Some(true) {
            return Ok(stream_watch(Watch::open(state, &self.connection, route, query, view)?));
        }
        Ok(respond(StatusCode::OK, read::list(state, &lag, route, query, view)?))
    }

    fn write(
        &self,
        state: &mut State,
        definition: Arc<Definition>,
        route: &Route,
        query: &Query,
    ) -> Result<Response<ResponseBody>> {
        let shared = &self.connection.server.shared;
        let at = (shared.clock)();
        let verb = self.verb()?;
        let mut writer = Writer {
            state,
            definition,
            origin: Origin {
                at,
                actor: self.connection.link.name.clone(),
                verb,
                subresource: route.subresource.as_ref().map(|_| Subresource::Status),
            },
            strict_namespaces: shared.namespaces == Namespaces::Strict,
        };
        let answer = self.apply(&mut writer, route, query);
        if verb != Verb::Create && shared.garbage == Garbage::Immediate {
            garbage::collect(state, at);
        }
        answer
    }

    fn apply(&self, writer: &mut Writer<'_>, route: &Route, query: &Query) -> Result<Response<ResponseBody>> {
        match (writer.origin.verb, route.name.is_some()) {
            (Verb::Create, false) => {
                let object = writer.create(route, self.json()?)?;
                Ok(respond(StatusCode::CREATED, object.json()))
            }
            (Verb::Replace, true) => {
                let (object, is_new) = writer.replace(route, self.json()?)?;
                let code = if is_new { StatusCode::CREATED } else { StatusCode::OK };
                Ok(respond(code, object.json()))
            }
            (Verb::Patch, true) => {
                if self.header(CONTENT_TYPE.as_str()) != MERGE_PATCH {
                    return Err(refusal::unsupported_media_type(MERGE_PATCH));
                }
                let object = writer.merge_patch(route, &self.json()?)?;
                Ok(respond(StatusCode::OK, object.json()))
            }
            (Verb::Delete, true) => Ok(deleted(
                &writer.definition.clone(),
                route,
                writer.delete(route, &self.options()?)?,
            )),
            (Verb::Delete, false) => self.delete_collection(writer, route, query),
            (Verb::Create, true) | (Verb::Replace | Verb::Patch, false) => Err(refusal::method_not_allowed()),
        }
    }

    fn delete_collection(
        &self,
        writer: &mut Writer<'_>,
        route: &Route,
        query: &Query,
    ) -> Result<Response<ResponseBody>> {
        let options = self.options()?;
        let filter = Filter::parse(&writer.definition, query)?;
        let lag = self.connection.link.lag();
        let before = read::list(writer.state, &lag, route, query, View::Full)?;
        let objects = writer
            .state
            .table(&route.resource)?
            .objects_at(&route.namespace, writer.state.revision);
        for object in objects.iter().filter(|object| filter.matches(object)) {
            let one = Route {
                namespace: metadata_text(object, "namespace").to_owned(),
                name: Some(metadata_text(object, "name").to_owned()),
                ..route.clone()
            };
            writer.delete(&one, &options)?;
        }
        Ok(respond(StatusCode::OK, before))
    }

    fn verb(&self) -> Result<Verb> {
        match self.parts.method {
            Method::POST => Ok(Verb::Create),
            Method::PUT => Ok(Verb::Replace),
            Method::PATCH => Ok(Verb::Patch),
            Method::DELETE => Ok(Verb::Delete),
            _ => Err(refusal::method_not_allowed()),
        }
    }

    fn json(&self) -> Result<Value> {
        let refuse = |error| refusal::bad_request(&format!("the request body is not JSON: {error}"));
        serde_json::from_slice(&self.body).map_err(refuse)
    }

    fn options(&self) -> Result<DeleteOptions> {
        if self.body.is_empty() {
            return Ok(DeleteOptions::default());
        }
        let refuse = |error| refusal::bad_request(&format!("the request body is not DeleteOptions: {error}"));
        serde_json::from_slice(&self.body).map_err(refuse)
    }

    fn header(&self, name: &str) -> &str {
        self.parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

fn check_route(definition: &Definition, route: &Route) -> Result<()> {
    let is_served = match route.subresource.as_deref() {
        None => true,
        Some("status") => definition.has_status,
        Some(_) => false,
    };
    let is_placed = route.name.is_none() || route.namespace.is_empty() != definition.is_namespaced();
    if is_served && is_placed {
        Ok(())
    } else {
        Err(refusal::no_such_path())
    }
}

fn deleted(definition: &Definition, route: &Route, outcome: Deleted) -> Response<ResponseBody> {
    let body = match outcome {
        Deleted::Terminating(object) => object.json(),
        Deleted::Gone { uid } => {
            let mut details = json!({"name": route.name, "kind": definition.key.plural, "uid": uid});
            if !definition.key.group.is_empty() {
                details["group"] = json!(definition.key.group);
            }
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            });
            Bytes::from(status.to_string())
        }
    };
    respond(StatusCode::OK, body)
}

fn refuse(refusal: &Refusal) -> Response<ResponseBody> {
    respond(refusal.code, Bytes::from(refusal.body.to_string()))
}

fn respond(code: StatusCode, json: Bytes) -> Response<ResponseBody> {
    with_body(code, Full::new(json).map_err(BoxError::from).boxed_unsync())
}

fn stream_watch(watch: Watch) -> Response<ResponseBody> {
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok(http_body::Frame::data(line)), watch))
    });
    with_body(StatusCode::OK, StreamBody::new(lines).boxed_unsync())
}

fn with_body(code: StatusCode, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
