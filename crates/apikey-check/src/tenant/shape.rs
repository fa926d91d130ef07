//! Replaces what an answer says by its shape. Only what is known to be Kinde's own stays: whole words of
//! [`vocabulary`](super::vocabulary), `true`, `false`, `null`, and lifetimes.

use serde_json::{Map, Value};

use super::vocabulary::{PREFIXES, is_known, is_known_value};

/// How deep an answer is read.
const DEEPEST: usize = 8;
/// How many elements of an array, and members of an object, are read.
const MOST: usize = 32;

/// The shape of a body.
pub(super) fn of_body(body: Option<&[u8]>) -> Value {
    let Some(body) = body else { return "<longer than 64 KiB>".into() };
    if body.is_empty() {
        return "<empty>".into();
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => of_value("", &value, DEEPEST),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => {
            format!("<HTML or XML, {} bytes>", body.len()).into()
        }
        Err(_) => format!("<no JSON, {} bytes>", body.len()).into(),
    }
}

/// The shape of a value that stands in this member. Elements of an array stand in the member of the array.
fn of_value(member: &str, value: &Value, depth: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => "<deeper>".into(),
        Value::Array(elements) => {
            let mut shapes: Vec<Value> =
                elements.iter().take(MOST).map(|element| of_value(member, element, depth - 1)).collect();
            if elements.len() > MOST {
                shapes.push(format!("<{} more>", elements.len() - MOST).into());
            }
            Value::Array(shapes)
        }
        Value::Object(members) => {
            let mut shapes = Map::new();
            for (name, value) in members.iter().take(MOST) {
                let mut shown = of_name(name);
                while shapes.contains_key(&shown) {
                    shown.push('+');
                }
                shapes.insert(shown, of_value(name, value, depth - 1));
            }
            if members.len() > MOST {
                shapes.insert(format!("<{} more>", members.len() - MOST), Value::Null);
            }
            Value::Object(shapes)
        }
        Value::String(text) => of_text(member, text).into(),
        Value::Number(number) if member == "expires_in" => number.clone().into(),
        Value::Number(number) if number.is_u64() => format!("<{} digits>", number.to_string().len()).into(),
        Value::Number(_) => "<a number, negative or with a fraction>".into(),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

/// The name of a member, if all its words are known.
fn of_name(name: &str) -> String {
    if name.len() <= 64 && !name.is_empty() && name.split('_').all(is_known) {
        name.to_owned()
    } else {
        of_run(name)
    }
}

fn of_text(member: &str, text: &str) -> String {
    if is_known_value(member, text) {
        return text.to_owned();
    }
    if matches!(member, "code" | "message" | "error" | "error_description") {
        return of_words(text, 0);
    }
    if let Some(form) = date_form(text) {
        return format!("<date {form}>");
    }
    if text.starts_with("eyJ") && text.split('.').count() == 3 {
        return "<JWT>".to_owned();
    }
    match PREFIXES.iter().find_map(|prefix| Some((prefix, text.strip_prefix(prefix)?))) {
        Some((prefix, rest)) => format!("{prefix}{}", of_run(rest)),
        None => of_run(text),
    }
}

/// Keeps the known words of a text and the signs between them. Numbers of up to `digits` digits are kept, too.
pub(super) fn of_words(text: &str, digits: usize) -> String {
    const SIGNS: &str = " .,:;_-=/()'\"!?+";
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_in_run = |character: char| !SIGNS.contains(character);
        let end = rest.find(|character| is_in_run(character) != is_in_run(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let is_number = run.len() <= digits && run.bytes().all(|byte| byte.is_ascii_digit());
        if !is_in_run(first) || is_known(run) || is_number {
            shown += run;
        } else {
            shown += &of_run(run);
        }
        rest = after;
    }
    shown
}

/// The length of a text, and the kinds of its characters.
fn of_run(text: &str) -> String {
    let length = text.chars().count();
    let only = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    let kind = if only(|character| character.is_ascii_digit()) {
        "digits"
    } else if length >= 8 && only(|character| matches!(character, '0'..='9' | 'a'..='f')) {
        "hex"
    } else if only(|character| character.is_ascii_lowercase()) {
        "lower"
    } else if only(|character| character.is_ascii_uppercase()) {
        "upper"
    } else if only(|character| character.is_ascii_alphabetic()) {
        "letters"
    } else if only(|character| character.is_ascii_alphanumeric()) {
        "letters and digits"
    } else {
        let mut signs: Vec<char> = text.chars().filter(char::is_ascii_punctuation).collect();
        signs.sort_unstable();
        signs.dedup();
        return format!("<{length} characters, with {}>", signs.into_iter().collect::<String>());
    };
    format!("<{length} {kind}>")
}

/// How a date is written; `None` if the text is no date.
fn date_form(text: &str) -> Option<String> {
    let rest = strip(text, "9999-99-99")?;
    let mut form = "YYYY-MM-DD".to_owned();
    if rest.is_empty() {
        return Some(form);
    }
    let between = rest.chars().next().filter(|sign| matches!(sign, 'T' | 't' | ' '))?;
    let mut rest = strip(&rest[1..], "99:99:99")?;
    form.push(between);
    form += "hh:mm:ss";
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        form.push('.');
        form += &"f".repeat(digits.min(12));
        rest = &fraction[digits..];
    }
    let sign = if rest.starts_with('-') { '-' } else { '+' };
    for (pattern, zone) in [("99:99", "hh:mm"), ("9999", "hhmm"), ("99", "hh")] {
        if strip(rest.strip_prefix(sign).unwrap_or_default(), pattern) == Some("") {
            return Some(format!("{form}{sign}{zone}"));
        }
    }
    matches!(rest, "" | "Z" | "z").then(|| form + rest)
}

/// What follows a pattern in which `9` stands for a digit.
fn strip<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    let begins = text.len() >= pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'9' => byte.is_ascii_digit(),
            _ => byte == wanted,
        });
    if begins { text.get(pattern.len()..) } else { None }
}

#[cfg(test)]
mod tests;
