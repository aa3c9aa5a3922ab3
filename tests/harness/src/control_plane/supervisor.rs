//! The parent of the servers: `tests/control-plane/supervise`, which ends them when this process ends.
//!
//! Only it knows the servers as its children, so it alone can tell one that has ended from one that runs, and kill one
//! without hitting a stranger that got the same process id.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

use super::{
    binaries::scripts,
    error::{Error, while_doing},
    write,
};

/// The owner of a folder and of the processes that work in it. Dropping it waits until both are gone.
#[derive(Debug)]
pub(super) struct Supervisor {
    folder: PathBuf,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Hands the folder over to a new supervisor.
    pub(super) fn spawn(folder: TempDir) -> Result<Self, Error> {
        let failed = || while_doing("start the control plane's supervisor");
        let mut child = Command::new(scripts().join("supervise"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal reaches the process group of the tests; this one has to clean up after it.
            .process_group(0)
            .spawn()
            .map_err(failed())?;
        let orders = child.stdin.take();
        let answers = child
            .stdout
            .take()
            .ok_or(io::ErrorKind::BrokenPipe.into())
            .map_err(failed())?;
        let shell = Mutex::new(Shell {
            child,
            orders,
            answers: BufReader::new(answers),
        });
        Ok(Self {
            folder: folder.keep(),
            shell,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    pub(super) fn start(&self, name: &str, program: &Path, arguments: &[String]) -> Result<(), Error> {
        let command = format!("{}\n{}\n", program.display(), arguments.join("\n"));
        write(&self.folder.join(format!("{name}.command")), &command)?;
        self.order(&format!("start {name}")).map(drop)
    }

    /// Kills a server and waits until it is gone.
    pub(super) fn stop(&self, name: &str) -> Result<(), Error> {
        self.order(&format!("stop {name}")).map(drop)
    }

    pub(super) fn is_running(&self, name: &str) -> Result<bool, Error> {
        Ok(self.order(&format!("probe {name}"))? == "running")
    }

    pub(super) fn process_id(&self, name: &str) -> Result<u32, Error> {
        let order = format!("pid {name}");
        let answer = self.order(&order)?;
        answer.parse().map_err(|_| Error::Supervisor { order, answer })
    }

    /// Each order is answered at once, so that blocking on the answer is shorter than a hop to another thread.
    fn order(&self, order: &str) -> Result<String, Error> {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = shell
            .order(order)
            .map_err(while_doing("talk to the control plane's supervisor"))?;
        if answer.is_empty() {
            return Err(Error::Supervisor {
                order: order.to_owned(),
                answer,
            });
        }
        Ok(answer)
    }
}

impl Shell {
    fn order(&mut self, order: &str) -> io::Result<String> {
        let mut answer = String::new();
        self.orders
            .as_mut()
            .ok_or(io::ErrorKind::BrokenPipe)?
            .write_all(format!("{order}\n").as_bytes())?;
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.orders.take());
        // There is nobody to tell; the supervisor does its work all the same.
        let _ = self.child.wait();
    }
}
