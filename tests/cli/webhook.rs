//! `agent-automation webhook`: options that can't be. Those of the controller are the same.

use super::run;

#[test]
fn what_can_not_be_is_refused() {
    for (option, told) in [
        ("--webhook-max-body=0", "write a size from 1 to 25MiB"),
        ("--webhook-max-body=26MiB", "write a size from 1 to 25MiB"),
        ("--webhook-max-body=26214401", "write a size from 1 to 25MiB"),
        (
            "--webhook-max-body=99999999999999MiB",
            "is no size: write 1MiB or 500KiB",
        ),
        ("--webhook-max-body=1GB", "\"1GB\" is no size: write 1MiB or 500KiB"),
        ("--webhook-max-concurrent=0", "0 is not in 1..=65535"),
        ("--tls-cert-file=tls.crt", "--tls-private-key-file <FILE>"),
        ("--tls-private-key-file=tls.key", "--tls-cert-file <FILE>"),
    ] {
        for command in ["controller", "webhook"] {
            let (code, _, stderr) = run(&[command, option], "");
            assert_eq!(code, 2, "{command} {option}");
            assert!(stderr.contains(told), "{command} {option}: {stderr}");
        }
    }
}
