//! Fetches one file: with progress, beside its place, verified, renamed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

/// Downloads `url` to `path` if its SHA-256 is the expected one; on any failure nothing is left behind.
pub fn fetch(url: &str, expected: Option<&str>, path: &Path) -> Result<()> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_mins(1)))
        .build()
        .into();
    let mut response = agent.get(url).call()?;
    let length = response.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());

    let folder = path.parent().context("the cache has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut file = tempfile::Builder::new()
        .make_in(folder, |path| File::create_new(path))
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")?);
    bar.set_message(url.to_string());
    let mut digest = Digester(Sha256::new());
    let mut body = bar.wrap_read(response.body_mut().as_reader());
    copy(&mut body, &mut file, &mut digest).context("the download broke off")?;
    bar.finish_and_clear();

    let found = digest.finish();
    if let Some(expected) = expected
        && found != expected
    {
        bail!("what came is not the declared file: its SHA-256 is {found}, not {expected}");
    }
    file.as_file().sync_all()?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// A file's SHA-256 in hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut digest = Digester(Sha256::new());
    io::copy(&mut file, &mut digest).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(digest.finish())
}

struct Digester(Sha256);

impl Digester {
    fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

impl Write for Digester {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy(from: &mut impl Read, file: &mut impl Write, digest: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..read])?;
        digest.write_all(&buffer[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn only_a_whole_and_declared_file_is_kept() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nahoy";
        let cases = [
            (whole, Some(AHOY), None),
            (whole, None, None),
            (whole, Some("00"), Some("not the declared file")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nahoy", None, Some("broke off")),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None, Some("404")),
        ];
        for (response, expected, failure) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cache/text.txt");
            let result = fetch(&serve(response), expected, &path);
            match failure {
                None => {
                    result.unwrap();
                    assert_eq!(fs::read_to_string(&path).unwrap(), "ahoy");
                }
                Some(part) => {
                    let message = format!("{:#}", result.unwrap_err());
                    assert!(message.contains(part), "{message:?} should say {part:?}");
                    let left = fs::read_dir(path.parent().unwrap()).map_or(0, Iterator::count);
                    assert_eq!(left, 0, "after {message:?}");
                }
            }
        }
    }
}
