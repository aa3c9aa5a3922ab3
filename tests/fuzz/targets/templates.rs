#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target is one of them")]
mod properties;

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if properties::templates::hold(bytes) {
        Corpus::Keep
    } else {
        Corpus::Reject
    }
});
