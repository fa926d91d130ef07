//! Values that a document gives as examples, or that fit its schemas.

use serde_json::{Map, Value, json};

use super::ProbeError;
use super::node::Node;

/// How deep values nest.
const DEEPEST: usize = 16;
/// How many values one example has. A schema can describe more than fit into memory.
const MOST_VALUES: usize = 1_000;
/// The longest text that a schema can ask for.
const LONGEST_TEXT: u64 = 1_000;
/// The longest list that a schema can ask for.
const LONGEST_LIST: u64 = 10;

/// An example for a parameter or a media type. `Null` if nothing tells what fits.
pub(crate) fn example(holder: &Node<'_>) -> Result<Value, ProbeError> {
    if let Some(example) = holder.member("example") {
        return Ok(example.value.clone());
    }
    if let Some(examples) = holder.member("examples") {
        if examples.value.is_object() {
            for (_, example) in examples.members()? {
                if let Some(value) = example.resolved()?.member("value") {
                    return Ok(value.value.clone());
                }
            }
        }
    }
    if let Some(content) = holder.member("content") {
        if let Some((_, media_type)) = content.members()?.next() {
            return fitting(schema_of(&media_type), &mut Budget { depth: 0, values: MOST_VALUES });
        }
    }
    fitting(schema_of(holder), &mut Budget { depth: 0, values: MOST_VALUES })
}

/// A value as the text of a parameter or a field.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "1".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The schema of a parameter or a media type. In Swagger 2 a parameter is its own schema.
fn schema_of<'a>(holder: &Node<'a>) -> Node<'a> {
    holder.member("schema").unwrap_or_else(|| holder.clone())
}

struct Budget {
    depth: usize,
    values: usize,
}

/// A value that fits a schema, or `Null`.
fn fitting(schema: Node<'_>, budget: &mut Budget) -> Result<Value, ProbeError> {
    if budget.depth == DEEPEST || budget.values == 0 {
        return Ok(Value::Null);
    }
    budget.depth += 1;
    budget.values -= 1;
    let value = fitting_within(schema, budget);
    budget.depth -= 1;
    value
}

fn fitting_within(schema: Node<'_>, budget: &mut Budget) -> Result<Value, ProbeError> {
    if let Some(value) = stated(&schema) {
        return Ok(value);
    }
    if schema.member("$ref").is_some() {
        return fitting(schema.resolved()?, budget);
    }
    if let Some(parts) = schema.member("allOf") {
        return whole(&parts, &schema, budget);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(first) = schema.member(choice).and_then(|choices| choices.items().ok()?.next()) {
            return fitting(first, budget);
        }
    }
    match kind(&schema) {
        "string" => Ok(Value::String(text(&schema))),
        "integer" => Ok(integer(&schema)),
        "number" => Ok(schema.member("minimum").map_or(json!(1), |minimum| minimum.value.clone())),
        "boolean" => Ok(Value::Bool(true)),
        "array" => list(&schema, budget),
        "object" => object(&schema, budget),
        _ => Ok(Value::Null),
    }
}

/// What the schema itself names.
fn stated(schema: &Node<'_>) -> Option<Value> {
    let first = |name: &str| schema.member(name).and_then(|list| list.value.get(0).cloned());
    let named = |name: &str| schema.member(name).map(|member| member.value.clone());
    named("example")
        .or_else(|| first("examples"))
        .or_else(|| named("default"))
        .or_else(|| named("const"))
        .or_else(|| first("enum"))
}

fn kind<'a>(schema: &Node<'a>) -> &'a str {
    let declared = schema.member("type").and_then(|declared| match declared.value {
        Value::String(name) => Some(name.as_str()),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    });
    let implied = || if schema.member("properties").is_some() { "object" } else { "" };
    declared.unwrap_or_else(implied)
}

fn number(schema: &Node<'_>, name: &str) -> Option<i64> {
    schema.member(name).and_then(|number| number.value.as_i64())
}

/// A length that the schema asks for, at least 1 and at most `most`.
fn length(schema: &Node<'_>, name: &str, most: u64) -> usize {
    let length = schema.member(name).and_then(|number| number.value.as_u64()).unwrap_or(1);
    usize::try_from(length.clamp(1, most)).unwrap_or(1)
}

fn text(schema: &Node<'_>) -> String {
    let format = schema.member("format").and_then(|format| format.value.as_str()).unwrap_or_default();
    let example = match format {
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T00:00:00Z",
        "time" => "00:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        "email" => "probe@example.com",
        "uri" | "url" => "https://example.com/",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "MQ==",
        _ => "",
    };
    match example {
        "" => "1".repeat(length(schema, "minLength", LONGEST_TEXT)),
        example => example.to_owned(),
    }
}

fn integer(schema: &Node<'_>) -> Value {
    // In OpenAPI 3.0, `exclusiveMinimum` is a boolean beside `minimum`.
    let excluded =
        schema.member("exclusiveMinimum").is_some_and(|excluded| excluded.value == &Value::Bool(true));
    let above = number(schema, "exclusiveMinimum").map(|bound| bound.saturating_add(1));
    let least = number(schema, "minimum").map(|bound| bound.saturating_add(i64::from(excluded))).or(above);
    let most = number(schema, "maximum").unwrap_or(i64::MAX);
    json!(least.unwrap_or(1).max(1).min(most).max(least.unwrap_or(i64::MIN)))
}

fn list(schema: &Node<'_>, budget: &mut Budget) -> Result<Value, ProbeError> {
    let Some(item) = schema.member("items") else { return Ok(json!([])) };
    let items = (0..length(schema, "minItems", LONGEST_LIST)).map(|_| fitting(item.clone(), budget));
    Ok(Value::Array(items.collect::<Result<_, _>>()?))
}

/// An object with the properties that it must have.
fn object(schema: &Node<'_>, budget: &mut Budget) -> Result<Value, ProbeError> {
    let mut object = Map::new();
    let required = schema.member("required").and_then(|required| required.value.as_array());
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        let property = schema.member("properties").and_then(|properties| properties.member(name));
        let value = property.map_or(Ok(Value::Null), |property| fitting(property, budget))?;
        object.insert(name.to_owned(), value);
    }
    Ok(Value::Object(object))
}

/// An example of a schema with `allOf`: the members of all parts, or the first value if they are no objects.
fn whole(parts: &Node<'_>, schema: &Node<'_>, budget: &mut Budget) -> Result<Value, ProbeError> {
    let mut members = Map::new();
    for part in parts.items()? {
        match fitting(part, budget)? {
            Value::Object(more) => members.extend(more),
            Value::Null => {}
            other => return Ok(other),
        }
    }
    if let Value::Object(more) = object(schema, budget)? {
        for (name, value) in more {
            members.entry(name).or_insert(value);
        }
    }
    Ok(Value::Object(members))
}
