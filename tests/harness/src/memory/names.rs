//! Names as RFC 1123 has them.

const SUBDOMAIN_LIMIT: usize = 253;
const LABEL_LIMIT: usize = 63;

const SUBDOMAIN_HINT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
     and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_HINT: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// What is wrong with a name as a DNS subdomain.
pub(super) fn subdomain_faults(name: &str) -> Vec<String> {
    let is_valid = name.split('.').all(is_label);
    faults(name, SUBDOMAIN_LIMIT, is_valid, SUBDOMAIN_HINT)
}

/// What is wrong with a name as a DNS label.
pub(super) fn label_faults(name: &str) -> Vec<String> {
    faults(name, LABEL_LIMIT, is_label(name), LABEL_HINT)
}

/// A name with an optional prefix: `example.dev/controller`.
pub(super) fn is_qualified(text: &str) -> bool {
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    let ends_well = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    prefix.is_none_or(|prefix| subdomain_faults(prefix).is_empty())
        && name.len() <= LABEL_LIMIT
        && name.bytes().all(is_inner)
        && ends_well(name.bytes().next())
        && ends_well(name.bytes().last())
}

fn faults(name: &str, limit: usize, is_valid: bool, hint: &str) -> Vec<String> {
    let too_long = (name.len() > limit).then(|| format!("must be no more than {limit} bytes"));
    let malformed = (!is_valid).then(|| hint.to_owned());
    too_long.into_iter().chain(malformed).collect()
}

fn is_label(label: &str) -> bool {
    let is_inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(is_inner)
}
