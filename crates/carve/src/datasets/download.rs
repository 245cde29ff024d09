//! Fetches one file: written beside its place, verified, renamed. Can be interrupted.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::progress::Progress;

/// Downloads `url` to `path` if its SHA-256 is the expected one; on any failure nothing is left behind.
pub fn fetch(
    url: &str,
    expected: Option<&str>,
    path: &Path,
    progress: &mut Progress,
    interrupted: &AtomicBool,
) -> Result<()> {
    // Tests serve files on this machine, without a certificate.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .https_only(!cfg!(test))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_mins(1)))
        .build()
        .into();
    let mut response = agent.get(url).call()?;
    let length = response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());

    let folder = path.parent().context("the cache has no folder")?;
    durable::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let task = format!("downloading {url}");
    let mut body = response.body_mut().as_reader();
    let mut digest = Sha256::new();
    let mut stopped = None;
    let written = durable::write_with(path, |file| {
        let mut done = 0;
        let mut buffer = vec![0; 1 << 16];
        let reason = loop {
            if interrupted.load(Ordering::Relaxed) {
                break Some(Failure::Interrupted.into());
            }
            match body.read(&mut buffer) {
                Ok(0) => break verify(&digest, expected).err(),
                Ok(read) => {
                    file.write_all(&buffer[..read])?;
                    digest.update(&buffer[..read]);
                    done += read as u64;
                    progress.bytes(&task, done, length);
                }
                Err(error) => break Some(anyhow::Error::new(error).context("the download broke off")),
            }
        };
        // An error keeps the file from being put in place.
        reason.map_or(Ok(()), |reason| {
            stopped = Some(reason);
            Err(io::ErrorKind::Other.into())
        })
    });
    progress.clear();
    match (stopped, written) {
        (Some(reason), _) => Err(reason),
        (None, Err(error)) => Err(unwritable(path, &error).into()),
        (None, Ok(())) => Ok(()),
    }
}

fn verify(digest: &Sha256, expected: Option<&str>) -> Result<()> {
    let found = format!("{:x}", digest.clone().finalize());
    match expected {
        Some(expected) if found != expected => {
            bail!("the file that came is not the declared one: its SHA-256 is {found}, not {expected}")
        }
        _ => Ok(()),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::CannotWrite(format!("cannot write {}: {error}", path.display()))
}

/// A file's SHA-256 in hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
            0 => return Ok(format!("{:x}", digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::net::TcpListener;

    /// Serves one response and returns its address.
    fn serve(response: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/text.txt", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(response.as_bytes()).unwrap();
        });
        url
    }

    /// `printf ahoy | sha256sum`
    const AHOY: &str = "2355f39e9d5f0c96c668f4d8e83fe9e76246caa8c85bd888b8d80826968e7b31";
    const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nahoy";

    #[test]
    fn only_a_whole_and_declared_file_is_kept() {
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nahoy";
        let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let cases = [
            (WHOLE, Some(AHOY), false, None),
            (WHOLE, None, false, None),
            (WHOLE, Some("00"), false, Some("not the declared one")),
            (short, Some(AHOY), false, Some("broke off")),
            (missing, None, false, Some("404")),
            (WHOLE, None, true, Some("interrupted")),
        ];
        for (response, expected, interrupted, failure) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cache/text.txt");
            let mut progress = Progress::new(true);
            let result = fetch(&serve(response), expected, &path, &mut progress, &AtomicBool::new(interrupted));
            let Some(part) = failure else {
                result.unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), "ahoy");
                continue;
            };
            let message = format!("{:#}", result.unwrap_err());
            assert!(message.contains(part), "{message:?} should say {part:?}");
            let left = fs::read_dir(path.parent().unwrap()).map_or(0, Iterator::count);
            assert_eq!(left, 0, "after {message:?}");
        }
    }
}
