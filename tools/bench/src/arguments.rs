//! Reads `--name value` arguments.

/// The arguments that nobody has taken so far. Each setting is taken by its name.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn new(arguments: &[String]) -> Self {
        Self(arguments.to_vec())
    }

    /// Takes `--name value`, if it is there.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(position) = self.0.iter().position(|argument| argument == name) else { return Ok(None) };
        if position + 1 >= self.0.len() {
            return Err(format!("{name} needs a value"));
        }
        self.0.remove(position);
        Ok(Some(self.0.remove(position)))
    }

    /// Takes `--name number`, if it is there.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{name} needs a number, not '{text}'"))
    }

    /// Takes a flag. Returns whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|argument| argument != name);
        self.0.len() < before
    }

    /// The arguments that are left.
    pub(crate) fn rest(self) -> Vec<String> {
        self.0
    }

    /// Refuses arguments that are left.
    pub(crate) fn end(self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |argument| Err(format!("unknown argument '{argument}'")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Arguments {
        Arguments(text.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn settings_are_taken_by_name_and_the_rest_is_left() {
        let mut given = arguments("axum --rounds 3 --quick cold");
        assert_eq!(given.number("--rounds"), Ok(Some(3)));
        assert_eq!(given.number("--seconds"), Ok(None));
        assert!(given.flag("--quick") && !given.flag("--quick"));
        assert_eq!(given.rest(), ["axum", "cold"]);
    }

    #[test]
    fn an_argument_that_is_not_understood_is_named() {
        assert!(arguments("--rounds").number("--rounds").unwrap_err().contains("--rounds"));
        assert!(arguments("--rounds many").number("--rounds").unwrap_err().contains("'many'"));
        assert!(arguments("--fast").end().unwrap_err().contains("'--fast'"));
    }
}
