//! `GET /openapi.json`: the description of this API, embedded.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::CACHE_CONTROL;

use super::respond::Reply;

/// OpenAPI 3.1, as JSON.
pub const DOCUMENT: &str = include_str!("openapi.json");

pub fn get() -> Reply {
    let reply = Reply::json(StatusCode::OK, Bytes::from_static(DOCUMENT.as_bytes()));
    reply.with(CACHE_CONTROL, "public, max-age=300")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::path::{self, Entrance, Route, TEMPLATES};
    use super::super::query;
    use super::DOCUMENT;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// Method, path template and operation of everything that the document describes.
    fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
        });
        operations.collect()
    }

    fn route(method: &str, template: &str) -> Route {
        let path = template.replace("{user_id}", "u1").replace("{job_id}", &"j".repeat(22));
        let path = path.replace("{extension}", "csv");
        path::decode(&method.parse().unwrap(), &path, Entrance::Network).unwrap()
    }

    fn resolve<'v>(document: &'v Value, value: &'v Value) -> &'v Value {
        match value.get("$ref") {
            Some(target) => {
                let pointer = target.as_str().unwrap().strip_prefix('#').unwrap();
                document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
            }
            None => value,
        }
    }

    #[test]
    fn the_document_and_the_routes_are_the_same_both_ways() {
        let document = document();
        let mut described: Vec<(String, &str)> =
            operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
        let mut served: Vec<(String, &str)> =
            TEMPLATES.iter().map(|(method, path)| (method.to_string(), *path)).collect();
        described.sort();
        served.sort();
        assert_eq!(described, served);
    }

    #[test]
    fn every_parameter_is_described_and_every_described_one_is_known() {
        let document = document();
        for (method, path, operation) in operations(&document) {
            let parameters: Vec<&Value> =
                operation["parameters"].as_array().unwrap().iter().map(|p| resolve(&document, p)).collect();
            let named = |place: &str| -> Vec<&str> {
                parameters.iter().filter(|p| p["in"] == place).map(|p| p["name"].as_str().unwrap()).collect()
            };
            assert_eq!(named("query"), query::known(&route(&method, path)), "{method} {path}");
            let in_path = path.split('{').skip(1).filter_map(|behind| behind.split('}').next());
            assert_eq!(named("path"), in_path.collect::<Vec<_>>(), "{method} {path}");
        }
    }

    #[test]
    fn every_status_says_what_its_answer_looks_like() {
        let document = document();
        for (method, path, operation) in operations(&document) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = resolve(&document, response);
                let bodiless = status == "204" || status == "304";
                let schemas: Vec<&Value> =
                    response["content"].as_object().into_iter().flatten().map(|(_, media)| &media["schema"]).collect();
                assert_eq!(schemas.is_empty(), bodiless, "{method} {path} {status}");
                assert!(schemas.iter().all(|schema| schema.is_object()), "{method} {path} {status}");
                assert!(response["headers"].get("X-Request-Id").is_some(), "{method} {path} {status}");
            }
        }
    }

    #[test]
    fn every_limited_operation_says_what_becomes_of_the_limit() {
        let document = document();
        for (method, path, operation) in operations(&document) {
            let is_guarded = operation["security"].as_array().unwrap().iter().any(|way| way.get("bearer").is_some());
            let limited = is_guarded || ["/oauth/token", "/auth/login"].contains(&path);
            let refusal = operation["responses"].get("429").map(|refusal| resolve(&document, refusal));
            assert_eq!(refusal.is_some(), limited, "{method} {path}");
            let Some(refusal) = refusal else { continue };
            assert!(refusal["headers"].get("Retry-After").is_some(), "{method} {path}");
            for name in ["RateLimit", "RateLimit-Policy"] {
                let success =
                    ["200", "202", "204"].iter().find_map(|status| operation["responses"].get(status)).unwrap();
                let told = [refusal, success].map(|response| response["headers"].get(name).is_some());
                assert_eq!(told, [is_guarded; 2], "{method} {path} {name}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(document: &Value, value: &Value, count: &mut usize) {
            if value.get("$ref").is_some() {
                resolve(document, value);
                *count += 1;
            }
            match value {
                Value::Object(fields) => fields.values().for_each(|value| walk(document, value, count)),
                Value::Array(items) => items.iter().for_each(|value| walk(document, value, count)),
                _ => {}
            }
        }
        let document = document();
        let mut count = 0;
        walk(&document, &document, &mut count);
        assert!(count > 50, "{count}");
    }
}
