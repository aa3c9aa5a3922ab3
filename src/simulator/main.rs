//! The stand-in for GitHub, served over HTTP.

use std::{fs, io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use agent_automation::simulator::{
    Command, Config, Simulator,
    courier::HttpSink,
    server::{self, CommandError, HELP, ListenError},
};
use clap::Parser;
use jiff::Timestamp;
use thiserror::Error;

/// A stand-in for GitHub's agent tasks, issues, pull requests, webhooks, tokens and limits, for tests and demonstrations.
///
/// It keeps everything in memory and answers as GitHub's published OpenAPI description says. What its tasks do is
/// scripted, and what goes wrong is decided over the control API or in the configuration.
#[derive(Debug, Parser)]
#[command(name = "github-simulator", version, after_long_help = HELP)]
struct Args {
    /// Where GitHub's API is served; a loopback address, port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where the control API is served; a loopback address, port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    control: SocketAddr,

    /// A list of control commands to begin with, as YAML or JSON.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Decides task ids and which calls faults with a rate hit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Print `{"github": URL, "control": URL}` as one line on standard output once both are served.
    #[arg(long)]
    print_ports: bool,

    /// End when standard input is closed, and so with the process that holds its other end.
    #[arg(long)]
    exit_with_stdin: bool,
}

#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a list of commands: {source}")]
    Parse {
        path: PathBuf,
        source: Box<serde_saphyr::Error>,
    },
    #[error("{path}: {source}")]
    Command { path: PathBuf, source: CommandError },
    #[error("cannot send webhooks: {0}")]
    Send(#[from] reqwest::Error),
    #[error("the server ended: {0}")]
    Serve(#[from] io::Error),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args) -> Result<(), Failure> {
    let simulator = Simulator::new(Config::new(args.seed, Arc::new(Timestamp::now)));
    simulator.set_sink(Arc::new(HttpSink::new()?));
    if let Some(path) = args.config {
        configure(&simulator, path)?;
    }
    let github = server::listen(args.listen).await?;
    let control = server::listen(args.control).await?;
    let github_url = format!("http://{}", github.local_addr()?);
    let control_url = format!("http://{}", control.local_addr()?);
    simulator.set_base_url(&github_url);
    if args.print_ports {
        println!("{}", serde_json::json!({"github": github_url, "control": control_url}));
    } else {
        eprintln!("GitHub's API on {github_url}, control on {control_url}");
    }
    tokio::select! {
        never = server::serve(simulator.clone(), github) => match never {},
        ended = server::serve_control(simulator, control) => Ok(ended?),
        () = stdin_closed(), if args.exit_with_stdin => Ok(()),
    }
}

fn configure(simulator: &Simulator, path: PathBuf) -> Result<(), Failure> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(Failure::Read { path, source }),
    };
    let commands: Vec<Command> = match serde_saphyr::from_str(&text) {
        Ok(commands) => commands,
        Err(source) => {
            return Err(Failure::Parse {
                path,
                source: Box::new(source),
            });
        }
    };
    server::run_all(simulator, commands)
        .map(drop)
        .map_err(|source| Failure::Command { path, source })
}

/// A thread of its own: a blocked read of standard input would otherwise hold up the runtime's end.
async fn stdin_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = closed.send(());
    });
    let _ = wait.await;
}
