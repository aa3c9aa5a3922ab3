//! `crds/` is what `agent-automation crds` prints.

use std::fs;
use std::path::Path;

use agent_automation::{api, cli};

#[test]
fn the_definitions_in_crds_are_those_of_the_kinds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for definition in api::definitions() {
        let path = folder.join(cli::crds::file_name(&definition));
        let (committed, generated) = (
            fs::read_to_string(&path).unwrap(),
            cli::crds::yaml(&definition).unwrap(),
        );
        assert!(
            committed == generated,
            "{} is not what the kinds in src/api/ say: run make generate",
            path.display()
        );
    }
}
