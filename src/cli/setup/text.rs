//! The configuration's text, edited where a person's answers go and nowhere else: comments and order stay.

/// What a new configuration begins as: every key explained beside its default.
pub const TEMPLATE: &str = include_str!("../../../config/pilotlight.toml");

/// `text` with `key = value` in `[section]`; the line that sets it or shows its default is replaced. `value` is TOML.
pub fn set(text: &str, section: &str, key: &str, value: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let header = format!("[{section}]");
    let Some(start) = lines.iter().position(|line| line.trim() == header) else {
        return format!("{}\n\n{header}\n{key} = {value}\n", text.trim_end());
    };
    let is_header = |line: &String| line.starts_with('[');
    let end = lines[start + 1..].iter().position(is_header).map_or(lines.len(), |n| start + 1 + n);
    let sets = |line: &String, mark: &str| {
        line.strip_prefix(mark)
            .and_then(|rest| rest.strip_prefix(key))
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let find = |mark: &str| (start + 1..end).find(|at| sets(&lines[*at], mark));
    match find("").or_else(|| find("#")) {
        Some(at) => lines[at] = format!("{key} = {value}"),
        None => lines.insert(start + 1, format!("{key} = {value}")),
    }
    lines.join("\n") + "\n"
}

/// `text` without the lines that set one of `keys` in `[section]`.
pub fn unset(text: &str, section: &str, keys: &[&str]) -> String {
    let header = format!("[{section}]");
    let mut inside = false;
    let keep = |line: &&str| {
        if line.starts_with('[') {
            inside = line.trim() == header;
        }
        !(inside && line.split_once('=').is_some_and(|(key, _)| keys.contains(&key.trim())))
    };
    text.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

/// `text` with a `[[repository]]` of this name, and its check if there is one.
pub fn add_repository(text: &str, name: &str, run: Option<&str>) -> String {
    format!("{}\n\n{}", text.trim_end(), block(name, run))
}

/// The template with this repository in the place of its example.
pub fn replace_example(text: &str, name: &str, run: Option<&str>) -> String {
    text.replacen(EXAMPLE, &block(name, run), 1)
}

fn block(name: &str, run: Option<&str>) -> String {
    let check = run.map(|run| format!("\n[[repository.check]]\ncontext = \"pilotlight\"\nrun = {}\n", quoted(run)));
    format!("[[repository]]\nname = {}\n{}", quoted(name), check.unwrap_or_default())
}

/// The template's one repository.
const EXAMPLE: &str = "[[repository]]\nname = \"acme/app\"\n";

/// As a TOML string.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests;
