//! From what routes ask of callers to `security`.

use apikey_core::{
    Authenticator, ConfigError, CredentialPlace, Policy, RouteRequirement, UNNAMED_OPERATION,
    operation_scope, path_template,
};
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi, Ref, RefOr};

use crate::import::{ImportProblem, import_problems};
use crate::{denials, operations};

/// The setting's name in errors.
const SETTING: &str = "openapi";
const DESCRIPTION: &str = "An API key that Kinde has issued.";
/// The name of the first security scheme. The others have a number after it.
const SCHEME: &str = "apiKey";
/// Where [`protect`] notes what [`complete`] reads.
const NOTE: &str = "x-apikey-requirement";

/// Notes in an operation what its route asks of callers. [`complete`] turns the notes of a whole document into `security`.
pub fn protect(operation: &mut Operation, requirement: &RouteRequirement) {
    let policy = requirement.policy();
    let alternatives = policy.alternatives();
    // `required_scopes` of a refusal has every scope of the policy.
    let mut named: Vec<&str> = alternatives.iter().flatten().flatten().copied().collect();
    named.sort_unstable();
    named.dedup();
    let all = policy.scopes();
    let note = json!({
        "alternatives": alternatives,
        "optional": requirement.is_optional(),
        "policy": format!("{policy:#}"),
        "owners": owners(policy),
        "scopes": all.iter().any(|scope| named.binary_search(scope).is_err()).then_some(&all),
        "operation": policy.asks_for_operation(),
    });
    operation.extensions.get_or_insert_default().insert(NOTE.to_owned(), note);
    operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(SCHEME, [])]);
}

/// What an operation asks of callers, as far as [`protect`] has noted it.
pub(crate) fn asks(operation: &Operation) -> Option<&Value> {
    operation.extensions.as_ref()?.get(NOTE)
}

/// Notes that another route with the same method and path asks something else of callers.
pub(crate) fn note_conflict(operation: &mut Operation) {
    operation.extensions.get_or_insert_default().insert(NOTE.to_owned(), json!({"conflict": true}));
}

/// [`protect`] for each operation of these paths.
pub fn protect_all(paths: &mut Paths, requirement: &RouteRequirement) {
    for item in paths.paths.values_mut() {
        operations::of(item).for_each(|(_, operation)| protect(operation, requirement));
    }
}

fn owners(policy: &Policy) -> Vec<&'static str> {
    let needs = [
        (
            policy.needs_organization(),
            if policy.is_bound() { "certain-organization" } else { "organization" },
        ),
        (policy.needs_user(), "user"),
    ];
    needs.into_iter().filter_map(|(needs, owner)| needs.then_some(owner)).collect()
}

/// Completes a document: the `security` of each operation with a note of [`protect`], the security schemes of this
/// authenticator's locations for keys, and its denials. Call it last, when all routes are in the document.
///
/// # Errors
/// [`ConfigError`], if the document can't say what guards an operation: no key satisfies its policy, the policy has more than 100
/// alternatives, it asks for the scope of its operation ([`Policy::kinde_operation`]) and Kinde would not give that operation a scope of
/// its own, or two routes with its method and path ask different things. Also, if the document has a `security` for all operations
/// and an operation without its own, which would look guarded, or another scheme with the name of one of these.
pub fn complete(document: &mut OpenApi, keys: &Authenticator) -> Result<(), ConfigError> {
    let schemes = schemes(keys);
    if schemes.is_empty() {
        let problem = "OpenAPI can't say that a key stands only in web_socket_protocol(): add another credential source";
        return Err(ConfigError::new(SETTING, problem));
    }
    use_templates(&mut document.paths)?;
    let guards_all = document.security.as_ref().is_some_and(|security| !security.is_empty());
    let mut asks_for_operations = false;
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations::of(item) {
            let of_operation =
                |problem: &str| ConfigError::new(SETTING, format!("{method} {path}: {problem}"));
            let Some(note) = operation.extensions.as_mut().and_then(|known| known.remove(NOTE)) else {
                if guards_all && operation.security.is_none() {
                    return Err(of_operation(
                        "the `security` of the whole document makes it look guarded, and no guard is known: write `security()` if it is \
                         open",
                    ));
                }
                continue;
            };
            if is(&note, "conflict") {
                return Err(of_operation(
                    "two routes have this method and path, and ask different things of callers",
                ));
            }
            asks_for_operations |= is(&note, "operation");
            secure(operation, &note, &schemes, (&method, path)).map_err(|problem| of_operation(&problem))?;
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    for (name, scheme) in schemes {
        let scheme: RefOr<SecurityScheme> = scheme.into();
        if components.security_schemes.get(&name).is_some_and(|other| *other != scheme) {
            let problem = format!("the document has another security scheme with the name {name}: rename it");
            return Err(ConfigError::new(SETTING, problem));
        }
        components.security_schemes.insert(name, scheme);
    }
    denials::add(components, keys);
    if asks_for_operations {
        let text = document
            .to_json()
            .map_err(|error| ConfigError::new(SETTING, format!("the document can't be written: {error}")))?;
        if let Some(problem) = import_problems(&text).into_iter().find(ImportProblem::concerns_scopes) {
            let problem = format!("a policy asks for the scope of its operation, but {problem}");
            return Err(ConfigError::new(SETTING, problem));
        }
    }
    Ok(())
}

/// Replaces the templates of a framework, such as `{*rest}`, by those of OpenAPI.
fn use_templates(paths: &mut Paths) -> Result<(), ConfigError> {
    for (path, item) in std::mem::take(&mut paths.paths) {
        let template = path_template(&path);
        if let Some(_other) = paths.paths.insert(template, item) {
            return Err(ConfigError::new(
                SETTING,
                format!("two paths of the document are the same template as {path}"),
            ));
        }
    }
    Ok(())
}

fn secure(
    operation: &mut Operation,
    note: &Value,
    schemes: &[(String, SecurityScheme)],
    (method, path): (&str, &str),
) -> Result<(), String> {
    // `HEAD` asks for the scope of `GET`.
    let method = if method == "HEAD" { "GET" } else { method };
    let scope = match is(note, "operation") {
        true => operation_scope(method, path).map_err(|unnamed| unnamed.to_string())?,
        false => String::new(),
    };
    let named = |text: &str| text.replace(UNNAMED_OPERATION, &scope);
    let list = |list: Option<&Value>| -> Vec<String> {
        list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(named).collect()
    };
    let Some(alternatives) = note.get("alternatives").and_then(Value::as_array) else {
        return Err("its policy has more than 100 alternatives of scopes".to_owned());
    };
    if alternatives.is_empty() {
        return Err("no key satisfies its policy".to_owned());
    }
    let mut security: Vec<SecurityRequirement> = Vec::new();
    if is(note, "optional") {
        security.push(SecurityRequirement::default());
    }
    for (name, _) in schemes {
        security.extend(alternatives.iter().map(|scopes| SecurityRequirement::new(name, list(Some(scopes)))));
    }
    operation.security = Some(security);
    let extensions = operation.extensions.get_or_insert_default();
    let policy = named(note.get("policy").and_then(Value::as_str).unwrap_or_default());
    extensions.insert("x-apikey-policy".to_owned(), policy.into());
    for (extension, values) in
        [("x-apikey-owner", list(note.get("owners"))), ("x-apikey-scopes", list(note.get("scopes")))]
    {
        if !values.is_empty() {
            extensions.insert(extension.to_owned(), values.into());
        }
    }
    for status in denials::statuses() {
        let response = || Ref::from_response_name(denials::response_name(status)).into();
        operation.responses.responses.entry(status.to_string()).or_insert_with(response);
    }
    Ok(())
}

fn is(note: &Value, name: &str) -> bool {
    note.get(name) == Some(&Value::Bool(true))
}

/// A scheme for each place where a request may present a key.
fn schemes(keys: &Authenticator) -> Vec<(String, SecurityScheme)> {
    let mut schemes: Vec<SecurityScheme> = Vec::new();
    for source in keys.credential_sources() {
        let scheme = match source.place() {
            CredentialPlace::Authorization { scheme } if scheme.eq_ignore_ascii_case("Bearer") => {
                http(HttpAuthScheme::Bearer)
            }
            CredentialPlace::Authorization { scheme } if scheme.eq_ignore_ascii_case("Basic") => {
                http(HttpAuthScheme::Basic)
            }
            CredentialPlace::Authorization { scheme } => header("Authorization", Some(scheme)),
            CredentialPlace::Header { name, scheme } => header(name, scheme),
            CredentialPlace::Query { name } => {
                SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(name, DESCRIPTION)))
            }
            // OpenAPI has no words for a member of a list of protocols.
            _ => continue,
        };
        // Two parts of HTTP Basic are one scheme.
        if !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }
    let name = |place: usize| if place == 0 { SCHEME.to_owned() } else { format!("{SCHEME}{}", place + 1) };
    schemes.into_iter().enumerate().map(|(place, scheme)| (name(place), scheme)).collect()
}

fn http(scheme: HttpAuthScheme) -> SecurityScheme {
    SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(DESCRIPTION)).build())
}

/// OpenAPI can't say that a scheme stands in front of a key in a header, so an extension says it.
fn header(name: &str, scheme: Option<&str>) -> SecurityScheme {
    let mut value = ApiKeyValue::with_description(name, DESCRIPTION);
    if let Some(scheme) = scheme {
        value.description = Some(format!("{DESCRIPTION} The value is `{scheme} <key>`."));
        value.extensions = Some([("x-apikey-scheme", scheme)].into_iter().collect());
    }
    SecurityScheme::ApiKey(ApiKey::Header(value))
}
