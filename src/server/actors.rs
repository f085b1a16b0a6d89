//! `GET /v1/actors`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::actors::{Actor, ActorKind, Alias};

use super::extract::QueryString;
use super::problem::{self, Problem};
use super::state::AppState;

/// Actors on one page when nothing else is asked for.
const DEFAULT_LIMIT: usize = 100;
/// Actors on one page at the most.
const MAX_LIMIT: usize = 1000;

/// Which actors to list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActorQuery {
    /// Only actors with a name, an alias or an id like this, best match first.
    #[param(value_type = String, required = false)]
    query: Option<String>,
    /// Only actors of this kind: `state`, `person`, `party`, `armed_group`, `organisation` or
    /// `bloc`.
    #[param(inline, value_type = ActorKind, required = false)]
    kind: Option<ActorKind>,
    /// How many to skip.
    #[serde(default)]
    #[param(default = 0)]
    offset: usize,
    /// How many to list at the most, 1 to 1000.
    #[serde(default = "default_limit")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: usize,
}

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// A page of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorList {
    /// The actors of this page.
    pub actors: Vec<ActorEntry>,
    /// How many there are on all pages.
    pub total: usize,
    /// How many were skipped.
    pub offset: usize,
}

/// An actor of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorEntry {
    /// Identifier, as in predictions and in `restrict_to`.
    pub id: String,
    /// `state`, `person`, `party`, `armed_group`, `organisation` or `bloc`.
    pub kind: String,
    /// English name, or another where there is none.
    pub name: String,
    /// Names per ISO 639-1 code, `und` where the language is not known.
    pub names: BTreeMap<String, Vec<NameEntry>>,
    /// Wikidata item, where certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wikidata: Option<String>,
}

/// A name under which texts mention an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NameEntry {
    /// The name as written.
    pub text: String,
    /// `ambiguous`, `capital` or `weak`, where they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

impl From<&Alias> for NameEntry {
    fn from(alias: &Alias) -> Self {
        let flags = [
            ("ambiguous", alias.ambiguous),
            ("capital", alias.capital),
            ("weak", alias.weak),
        ];
        let flags = flags
            .iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| (*name).to_owned());
        Self {
            text: alias.text.clone(),
            flags: flags.collect(),
        }
    }
}

impl From<&Actor> for ActorEntry {
    fn from(actor: &Actor) -> Self {
        let names = actor
            .names
            .iter()
            .map(|(language, names)| {
                (
                    language.clone(),
                    names.iter().map(NameEntry::from).collect(),
                )
            })
            .collect();
        Self {
            id: actor.id.clone(),
            kind: actor.kind.as_str().to_owned(),
            name: actor.name("en").to_owned(),
            names,
            wikidata: actor.wikidata.clone(),
        }
    }
}

struct ActorProblems;

impl IntoResponses for ActorProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problem::responses(&[
            (StatusCode::BAD_REQUEST, "`invalid_query`"),
            (StatusCode::UNAUTHORIZED, "`unauthorized`"),
            (StatusCode::TOO_MANY_REQUESTS, "`rate_limited`"),
            (StatusCode::SERVICE_UNAVAILABLE, "`loading`"),
        ])
    }
}

/// List or search the actors
#[utoipa::path(
    get,
    path = "/v1/actors",
    tag = "stance",
    params(ActorQuery),
    responses((status = 200, description = "A page of the registry", body = ActorList),
              ActorProblems),
)]
pub(super) async fn list_actors(
    State(state): State<AppState>,
    QueryString(query): QueryString<ActorQuery>,
) -> Result<Json<ActorList>, Problem> {
    if !(1..=MAX_LIMIT).contains(&query.limit) {
        let detail = format!(
            "`limit` is {}; it must lie between 1 and {MAX_LIMIT}",
            query.limit
        );
        return Err(
            Problem::new(StatusCode::BAD_REQUEST, "invalid_query", detail)
                .field("limit")
                .limit(MAX_LIMIT),
        );
    }
    let served = state.model(None)?;
    let registry = served.model.registry();
    let mut actors: Vec<&Actor> = match &query.query {
        Some(text) => registry.find(text),
        None => registry.iter().collect(),
    };
    actors.retain(|actor| query.kind.is_none_or(|kind| actor.kind == kind));
    let page = actors
        .iter()
        .skip(query.offset)
        .take(query.limit)
        .copied()
        .map(ActorEntry::from);
    Ok(Json(ActorList {
        actors: page.collect(),
        total: actors.len(),
        offset: query.offset,
    }))
}
