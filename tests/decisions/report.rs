//! What was measured, as tables.

use crate::changes::percentile;
use crate::fleet::{AUTOMATIONS, NAMESPACES, POLICIES};
use crate::{ColdStart, Fleet};

pub fn print(fleets: &[Fleet]) {
    println!(
        "\ndecisions over {AUTOMATIONS} automations in {NAMESPACES} namespaces under {POLICIES} policies, one change at a time"
    );
    for fleet in fleets {
        let held: Vec<_> = fleet
            .held
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        println!(
            "{} finished: {} run, {} wait: {}",
            fleet.finished,
            fleet.running,
            fleet.held.iter().map(|(_, count)| count).sum::<usize>(),
            held.join(", ")
        );
    }
    print_changes(fleets);
    print_cold_starts(fleets);
    print_memory(fleets);
}

/// One kind of change after the other, in each fleet.
fn print_changes(fleets: &[Fleet]) {
    println!(
        "\n{:<46} {:>8} {:>7} {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>7}",
        "ms for one change", "finished", "changes", "p50", "p99", "max", "apply", "admission", "plan", "actions"
    );
    let kinds = fleets.first().map_or(0, |fleet| fleet.changes.len());
    for kind in 0..kinds {
        for (index, fleet) in fleets.iter().enumerate() {
            let Some(change) = fleet.changes.get(kind) else {
                continue;
            };
            let totals = &change.totals;
            println!(
                "{:<46} {:>8} {:>7} {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>7}",
                if index == 0 { &change.what } else { "" },
                fleet.finished,
                totals.len(),
                ms(percentile(totals, 50)),
                ms(percentile(totals, 99)),
                ms(percentile(totals, 100)),
                ms(change.apply),
                ms(change.admission),
                ms(change.plan),
                tenths(change.actions, totals.len()),
            );
        }
    }
    println!("apply, admission and plan are the parts' medians; actions are those decided for one change");
}

fn print_cold_starts(fleets: &[Fleet]) {
    println!(
        "\n{:<46} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} | {:>7}",
        "ms for a cold start, to the first whole plan",
        "finished",
        "in all",
        "apply",
        "admission",
        "plan",
        "to rest",
        "actions"
    );
    for fleet in fleets {
        let ColdStart {
            apply,
            admission,
            plan,
            rest,
            actions,
        } = fleet.cold_start;
        println!(
            "{:<46} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} | {:>7}",
            "policies and namespaces come last",
            fleet.finished,
            ms(apply + admission + plan),
            ms(apply),
            ms(admission),
            ms(plan),
            ms(rest),
            actions,
        );
    }
    println!("to rest: until nothing is left to do, if Secrets, GitHub and the API server answered at once");
}

fn print_memory(fleets: &[Fleet]) {
    println!(
        "\n{:<46} {:>8} {:>9} {:>9} {:>9}",
        "resident memory, MiB", "finished", "empty", "at rest", "most"
    );
    for fleet in fleets {
        let memory = &fleet.memory;
        let mib = |kib: u64| kib.div_ceil(1_024);
        println!(
            "{:<46} {:>8} {:>9} {:>9} {:>9}",
            "a process that holds all of it",
            fleet.finished,
            mib(memory.empty),
            mib(memory.full),
            mib(memory.most)
        );
    }
    if let [.., few, many] = fleets {
        let kib = many.memory.full.saturating_sub(few.memory.full);
        let tasks = many.finished.saturating_sub(few.finished);
        println!(
            "that is {} KiB for each further finished task",
            tenths(usize::try_from(kib).unwrap_or(0), tasks)
        );
    }
}

fn ms(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

/// `amount / unit` to one decimal.
fn tenths(amount: usize, unit: usize) -> String {
    let tenths = (amount * 10).checked_div(unit).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}
