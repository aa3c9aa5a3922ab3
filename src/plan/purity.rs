//! What the planner may not know of is checked here: a client, a runtime, the clock, or chance.

#[test]
fn the_core_names_no_client_no_runtime_no_clock_and_no_chance() {
    let forbidden = [
        "tokio",
        "reqwest",
        "axum",
        "hyper",
        "kube::Client",
        "kube::Api",
        "kube::client",
        "futures",
        "rand::",
        "async fn",
        "Timestamp::now",
        "Zoned::now",
        "SystemTime",
        "Instant",
        "std::env",
        "std::fs",
        "std::net",
        "crate::github",
        "crate::execute",
        "crate::controller",
        "crate::observe",
        "crate::cli",
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("plan"), root.join("domain"), root.join("domain.rs")];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if !path.exists() || path.ends_with("purity.rs") || path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        read += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            let found = forbidden.iter().find(|name| line.contains(*name));
            assert_eq!(found, None, "{}: {line}", path.display());
        }
    }
    assert!(read > 15, "only {read} files were read");
}
