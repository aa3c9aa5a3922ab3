//! What holds for any text, drawn from pieces that attacks are made of.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::*;

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "<", "!", "--", "-", ">", "<!--", "-->", "--!>", "<!a", "<![CDATA[", "]]>", "[", "]:", "]", "[a]:", "[^a]:", " #", " (", ")", "\"", "'", "\\",
    " https://a.example/", " <b>", "\n", "\n\n", "\r\n", "\r", "\t", "    ", "> ", "- ", "1. ", "a", "word ", "[… 12 characters cut]", "…",
    "agentautomation.dev/", "attempt", "AGENTAUTOMATION.dev/attempt: u.1", "\u{200b}", "\u{200d}", "\u{fe0f}", "\u{fe0e}", "\u{1f3fd}", "👩", "💻", "😀",
    "1\u{fe0f}\u{20e3}", "\u{20e3}", "\u{e0041}", "\u{202e}", "\u{ad}", "\0", "\u{2028}", "\u{a0}", "</outside-", "é",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => select(PIECES).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn is_seen(text: &str) -> bool {
    !text.contains("<!--") && !text.to_ascii_lowercase().contains(MARKER) && hidden::without_characters(text) == text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn cleaning_is_bounded_and_cleaning_again_changes_nothing(text in text(), max in 0..150_usize) {
        for cleaner in [clean, clean_line] {
            let once = cleaner(&text, max);
            prop_assert!(once.text.chars().count() <= max);
            prop_assert!(is_seen(&once.text), "{:?}", once.text);
            let twice = cleaner(&once.text, max);
            prop_assert_eq!(&twice, &Cleaned { text: once.text.clone(), ..Cleaned::default() });
        }
        prop_assert!(!clean_line(&text, max).text.contains(char::is_control));
    }

    #[test]
    fn what_is_cut_is_counted(text in text(), max in 0..150_usize) {
        for cleaner in [clean, clean_line] {
            let (whole, part) = (cleaner(&text, usize::MAX), cleaner(&text, max));
            prop_assert_eq!(whole.cut, 0);
            prop_assert_eq!(part.cut > 0, whole.text.chars().count() > max);
            prop_assert!(part.cut <= whole.text.chars().count());
            prop_assert_eq!(part.removed, whole.removed);
        }
    }

    #[test]
    fn a_fence_holds_any_text(texts in vec(text(), 1..4), other in text()) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let fence = Fence::new(&["uid"], &texts);
        let notice = fence.notice();
        let (open, close) = notice.split_once(" and ").unwrap();
        let (open, close) = (open.rsplit(' ').next().unwrap(), close.split(' ').next().unwrap());
        let by_design = format!("{other}{close}{open}");
        for text in texts.iter().copied().chain([by_design.as_str()]) {
            let block = fence.block(text, text);
            let (_, rest) = block.split_once(&format!("\n{open}\n")).unwrap();
            let inside = rest.strip_suffix(&format!("\n{close}")).unwrap();
            prop_assert_eq!(block.matches(open).count() + block.matches(close).count(), 2);
            prop_assert!(texts.iter().all(|given| *given != text) || inside == text);
            prop_assert_eq!(fence.line(text), format!("{open} {inside} {close}"));
        }
    }

    #[test]
    fn a_payload_is_read_as_it_was_written(value in json()) {
        prop_assert_eq!(parse_payload(value.to_string().as_bytes(), MAX_DEPTH), Ok(value));
    }

    #[test]
    fn any_bytes_are_answered_and_none_read_that_another_parser_would_not(bytes in vec(any::<u8>(), 0..40), text in text()) {
        for bytes in [bytes.as_slice(), text.as_bytes(), format!("{{\"a\":{text}}}").as_bytes()] {
            if let Ok(value) = parse_payload(bytes, MAX_DEPTH) {
                prop_assert_eq!(serde_json::from_slice::<Value>(bytes).ok(), Some(value));
            }
        }
    }
}
