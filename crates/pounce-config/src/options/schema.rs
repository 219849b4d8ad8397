//! The JSON Schema of `pounce.toml`, for editors.

use serde_json::{Map, Value, json};

use super::{Kind, OPTIONS, OptionSpec};

/// The schema (draft 2020-12) of `pounce.toml` and of `[tool.pounce]` in `pyproject.toml`.
///
/// Keys that it does not name are allowed: those of other servers are accepted as well, with a note or an error.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for spec in OPTIONS.iter().filter(|spec| spec.in_file) {
        let schema = option_schema(spec);
        for alias in spec.aliases {
            let mut schema = schema.clone();
            schema["description"] = format!("Another name of {}", spec.name).into();
            properties.insert((*alias).to_owned(), schema);
        }
        properties.insert(spec.name.to_owned(), schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pounce",
        "description": "The configuration of the ASGI server Pounce",
        "type": "object",
        "properties": properties,
    })
}

fn option_schema(spec: &OptionSpec) -> Value {
    let text = json!({ "type": "string" });
    let number_or_text = json!({ "type": ["number", "string"] });
    let whole_or_text = json!({ "type": ["integer", "string"], "minimum": 0 });
    let mut schema = match spec.kind {
        Kind::Flag if spec.flag_words.is_empty() => json!({ "type": "boolean" }),
        Kind::Flag => json!({ "type": ["boolean", "string"] }),
        Kind::Text | Kind::Secret | Kind::Path | Kind::FieldName => text,
        Kind::HttpUrl => json!({ "type": "string", "pattern": "^https?://" }),
        Kind::UrlPath => json!({ "type": "string", "pattern": "^/" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Count | Kind::Size { .. } | Kind::SizeLimit => whole_or_text,
        Kind::Seconds { .. } => number_or_text,
        Kind::Permissions => json!({ "type": ["integer", "string"] }),
        Kind::List { .. } | Kind::Headers => {
            json!({ "anyOf": [text, { "type": "array", "items": { "type": "string" } }] })
        }
        Kind::Choice(_) => words(spec),
        Kind::Choices(_) => {
            json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": words(spec) }] })
        }
        Kind::PathOrTable => json!({ "type": ["string", "object"] }),
    };
    schema["description"] = spec.help.into();
    if let Some(default) = spec.default.filter(|default| !default.is_empty()) {
        schema["default"] = match spec.kind {
            Kind::Flag => Value::Bool(default == "on"),
            Kind::Integer { .. } => default.parse::<u64>().map_or_else(|_| default.into(), Value::from),
            _ => default.into(),
        };
    }
    schema
}

/// The words of a choice, with the spellings of other servers.
fn words(spec: &OptionSpec) -> Value {
    let synonyms = spec.synonyms.iter().map(|(theirs, _)| *theirs);
    let words: Vec<_> =
        spec.choices().iter().copied().chain(synonyms).chain(spec.implementations.iter().copied()).collect();
    json!({ "enum": words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_a_file_has_a_schema_with_its_default() {
        let schema = json_schema();
        let of = |name: &str| &schema["properties"][name];
        assert_eq!(of("port")["maximum"], 65535);
        assert_eq!(of("port")["default"], 8000);
        assert_eq!(of("access-log")["default"], true);
        assert_eq!(of("log-level")["enum"][0], "critical");
        assert_eq!(of("unix-socket")["description"], "Another name of uds");
        assert!(of("config").is_null(), "a file does not name another");
        for spec in OPTIONS.iter().filter(|spec| spec.in_file) {
            assert!(!of(spec.name)["description"].as_str().unwrap_or_default().is_empty(), "{}", spec.name);
        }
    }
}
