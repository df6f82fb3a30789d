pub fn to(whom: &str) -> String {
    format!("hello, {whom},")
}
