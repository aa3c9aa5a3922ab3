//! `agent-automation crds`: the definitions of the kinds, as `crds/` holds them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::api;

/// Print the definitions of the kinds, for `kubectl apply -f -`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write one file a kind into this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("can't write a definition as YAML: {0}")]
    Serialize(#[from] serde_saphyr::SerializeError),
    #[error("can't write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let done = args.output_dir.as_deref().map_or_else(print, write);
    done.map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// The file that holds a definition, within `crds/`.
#[must_use]
pub fn file_name(definition: &CustomResourceDefinition) -> String {
    format!("{}.yaml", definition.spec.names.plural)
}

/// A definition as it is printed and written.
///
/// # Errors
/// When it can't be written as YAML.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(definition)
}

fn print() -> Result<(), Error> {
    for definition in api::definitions() {
        print!("---\n{}", yaml(&definition)?);
    }
    Ok(())
}

fn write(folder: &Path) -> Result<(), Error> {
    for definition in api::definitions() {
        let path = folder.join(file_name(&definition));
        fs::write(&path, yaml(&definition)?).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}
