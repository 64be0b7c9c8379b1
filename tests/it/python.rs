//! Virtual environments for the servers of the tests that are written in Python.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::lab::is_ci;

/// Time for which a failed installation is not tried again.
const TRIES_AGAIN_AFTER: Duration = Duration::from_mins(5);

/// Returns the last line of a text.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or("no word")
}

/// Returns the Python of the virtual environment `name`, which is created if it does not exist.
/// `packages` are the arguments of `pip install`.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = temporary.join(name);
    let done = folder.join("complete");
    // Tests in other processes want it at the same time: one creates it, the others wait.
    let lock = File::create(temporary.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    if done.exists() {
        return Ok(folder.join("bin/python3"));
    }
    // A hundred tests need not wait for the same timeout one after the other.
    let failed = temporary.join(format!("{name}.failed"));
    let age = failed.metadata().ok().and_then(|m| m.modified().ok()?.elapsed().ok());
    if age.is_some_and(|age| age < TRIES_AGAIN_AFTER) {
        return Err(std::fs::read_to_string(&failed).unwrap_or_default());
    }
    install(&folder, packages).inspect_err(|why| drop(std::fs::write(&failed, why)))?;
    File::create(&done).map_err(|e| e.to_string())?;
    Ok(folder.join("bin/python3"))
}

/// Starts a server and waits for the line that reports that it listens. Returns both.
///
/// # Errors
///
/// Fails with the last line of its complaints if it ends before.
pub(crate) fn serve(
    python: &Path,
    script: &str,
    options: &[&str],
) -> Result<(Child, String), String> {
    let complaints = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script))
        .args(options)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(complaints.reopen().map_err(|e| e.to_string())?)
        .spawn()
        .map_err(|e| format!("{}: {e}", python.display()))?;
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).map_err(|e| e.to_string())?;
    if line.trim().is_empty() {
        let _ = child.wait();
        let said = std::fs::read_to_string(complaints.path()).unwrap_or_default();
        return Err(format!("{}: {}", python.display(), last_line(&said)));
    }
    Ok((child, line))
}

fn install(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let environment = folder.to_string_lossy();
    run(Path::new("python3"), &["-m", "venv", "--clear", &environment])?;
    // In CI a package that could not be installed at the first attempt is tried again.
    let retries = if is_ci() { "--retries=5" } else { "--retries=1" };
    let options = ["-m", "pip", "install", "--quiet", retries, "--timeout=20"];
    run(&folder.join("bin/python3"), &[&options, packages].concat())
}

fn run(program: &Path, options: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(options).output();
    let output = output.map_err(|e| format!("{}: {e}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{options:?}: {}", last_line(&String::from_utf8_lossy(&output.stderr))))
}
