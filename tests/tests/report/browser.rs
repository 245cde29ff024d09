//! A headless Chromium, driven by its `chromedriver`. `SCRIMSHAW_CHROMEDRIVER` may name another driver than the one on the path.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};
use tokio::runtime::Runtime;

/// How long a page may take to get where a test expects it. Nothing is asserted about the time itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with a profile of its own. It ends with the value.
pub struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None` if there is no driver.
    pub fn start() -> Option<Self> {
        let named = env::var_os("SCRIMSHAW_CHROMEDRIVER");
        let program = named.clone().unwrap_or_else(|| "chromedriver".into());
        let started = Command::new(program).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) if named.is_some() => panic!("SCRIMSHAW_CHROMEDRIVER cannot be started: {error}"),
            Err(_) => return None,
        };
        let mut lines = BufReader::new(process.stdout.take().expect("its stdout")).lines().map_while(Result::ok);
        let said =
            lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()));
        let port = said.expect("chromedriver says on which port it listens");
        // Nobody reads what else it says, and it must not block.
        std::thread::spawn(move || lines.for_each(drop));

        let profile = tempfile::tempdir().expect("a temporary folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let driver = runtime.block_on(async {
            let mut capabilities = DesiredCapabilities::chrome();
            let profile = format!("--user-data-dir={}", profile.path().display());
            let quiet =
                ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
            for argument in ["--headless", "--no-sandbox", "--disable-gpu", &profile].iter().chain(&quiet) {
                capabilities.add_arg(argument)?;
            }
            for log in ["browser", "performance"] {
                capabilities.set_logging_prefs(log, LoggingPrefsLogLevel::All)?;
            }
            WebDriver::new(format!("http://localhost:{port}"), capabilities).await
        });
        Some(Self { runtime, driver: Some(driver.expect("a session")), process, _profile: profile })
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("a session")
    }

    /// Opens a report, and waits until its script has drawn the passage.
    pub fn open(&self, page: &Path) {
        self.open_until(page, "", "document.getElementById('viewer').dataset.ready === ''");
    }

    /// Opens a file with a fragment (empty for none), and waits until an expression is true. The logs begin with it: the
    /// browser's own first page is forgotten.
    pub fn open_until(&self, page: &Path, fragment: &str, expression: &str) {
        self.runtime.block_on(self.driver().goto("about:blank")).expect("an empty page");
        for log in ["browser", "performance"] {
            self.log(log);
        }
        let url = format!("file://{}{fragment}", page.display());
        self.runtime.block_on(self.driver().goto(url)).expect("the page");
        self.wait(expression);
    }

    /// What an expression of JavaScript is.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        let returned = self.runtime.block_on(self.driver().execute(script, vec![]));
        returned.unwrap_or_else(|error| panic!("{expression}: {error}")).json().clone()
    }

    /// Waits until an expression is true.
    pub fn wait(&self, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != Value::Bool(true) {
            assert!(start.elapsed() < PATIENCE, "still not: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Clicks the first element of a CSS selector.
    pub fn click(&self, selector: &str) {
        let click = async { self.driver().find(By::Css(selector)).await?.click().await };
        self.runtime.block_on(click).unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses a key, wherever the focus is.
    pub fn press(&self, key: Key) {
        self.runtime.block_on(self.driver().action_chain().send_keys(key).perform()).expect("a key");
    }

    /// Types a text, wherever the focus is.
    pub fn write(&self, text: &str) {
        self.runtime.block_on(self.driver().action_chain().send_keys(text).perform()).expect("keys");
    }

    /// Sets the size of the window.
    pub fn resize(&self, width: u32, height: u32) {
        self.runtime.block_on(self.driver().set_window_rect(0, 0, width, height)).expect("a size");
    }

    /// Entries of a log since it was last asked for.
    pub fn log(&self, name: &str) -> Vec<String> {
        let entries = self.runtime.block_on(self.driver().get_log(name)).expect("a log");
        entries.into_iter().map(|entry| entry.message).collect()
    }

    /// Requests since the log was last read, but for the page itself.
    pub fn requests(&self, page: &Path) -> Vec<String> {
        let own = format!("file://{}", page.display());
        let sent = self.log("performance").into_iter().filter_map(|entry| {
            let entry: Value = serde_json::from_str(&entry).ok()?;
            let is_request = entry["message"]["method"] == "Network.requestWillBeSent";
            is_request.then(|| entry["message"]["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
        });
        let sent: Vec<String> = sent.collect();
        assert!(sent.contains(&own), "the log shows the page's own request: {sent:?}");
        sent.into_iter().filter(|url| *url != own).collect()
    }

    /// Keeps what is seen as a picture in the folder that `SCRIMSHAW_SCREENSHOTS` names, if it names one.
    pub fn keep(&self, name: &str) {
        if let Some(folder) = env::var_os("SCRIMSHAW_SCREENSHOTS") {
            std::fs::write(Path::new(&folder).join(name), self.screenshot()).expect("a picture");
        }
    }

    /// What is seen, as PNG.
    fn screenshot(&self) -> Vec<u8> {
        self.runtime.block_on(self.driver().screenshot_as_png()).expect("a screenshot")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
