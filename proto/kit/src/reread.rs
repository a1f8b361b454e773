//! Files that are read again when they change: a thread polls them for as long as
//! somebody holds what came of them, and hands on their texts only where one is no longer
//! what it was. Kubernetes swaps all files of a Secret at once, by a link, so that files
//! that belong together are followed together.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

/// How often files are read again.
const EVERY: Duration = Duration::from_secs(5);
/// The longest file that is read: no Secret and no ConfigMap of Kubernetes holds more.
const LONGEST: u64 = 1 << 20;

/// A file, and the flag that names it. It is shown as `--flag FILE`.
#[derive(Debug, Clone)]
pub struct Source {
    flag: &'static str,
    path: PathBuf,
}

impl Source {
    /// The file that `flag` names.
    pub fn new(flag: &'static str, path: PathBuf) -> Self {
        Self { flag, path }
    }

    /// Its text as it is now.
    ///
    /// # Errors
    /// Where it can't be read, is no UTF-8, or is longer than 1 MiB.
    pub fn read(&self) -> io::Result<String> {
        let mut text = String::new();
        let file = std::fs::File::open(&self.path)?;
        let length = file.take(LONGEST + 1).read_to_string(&mut text)?;
        if length as u64 > LONGEST {
            let why = format!("longer than {LONGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(text)
    }
}

impl Source {
    /// Its text, as it is read again: to open a pipe would wait for who writes into it.
    fn again(&self) -> io::Result<String> {
        match std::fs::metadata(&self.path)?.is_file() {
            true => self.read(),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "is no file")),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flag, self.path.display())
    }
}

/// Reads files again every 5 s, for as long as somebody holds what came of them; in the
/// log it is called `what`. Where a text is no longer as `known` has it, `take` gets what
/// is held and all texts, in the order of the files. If it refuses them, what is held must
/// stay as it is: the reason is logged, and the next change is awaited. A reason must not
/// repeat a text.
pub fn follow<T: Send + Sync + 'static>(
    what: &'static str,
    files: Vec<Source>,
    known: Vec<String>,
    held: Weak<T>,
    take: impl FnMut(&T, &[String]) -> Result<(), String> + Send + 'static,
) {
    follow_every(EVERY, what, files, known, held, take);
}

fn follow_every<T: Send + Sync + 'static>(
    every: Duration,
    what: &'static str,
    files: Vec<Source>,
    known: Vec<String>,
    held: Weak<T>,
    mut take: impl FnMut(&T, &[String]) -> Result<(), String> + Send + 'static,
) {
    let mut seen = Seen::new(known);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(every);
            let Some(held) = held.upgrade() else {
                return;
            };
            let taken = match seen.next(read(&files)) {
                Next::Same => continue,
                Next::Changed(texts) => take(&held, texts),
                Next::Unread(why) => Err(why.to_owned()),
            };
            match taken {
                Ok(()) => tracing::info!(files = %list(&files), "{what} was read again"),
                // The one that is known stays.
                Err(error) => {
                    tracing::warn!(files = %list(&files), %error, "{what} was not read again");
                }
            }
        }
    });
}

/// All files, or why one of them can't be read.
fn read(files: &[Source]) -> Result<Vec<String>, String> {
    let each = |file: &Source| file.again().map_err(|error| format!("{file}: {error}"));
    files.iter().map(each).collect()
}

fn list(files: &[Source]) -> String {
    let all: Vec<_> = files.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// What was read last.
struct Seen {
    texts: Vec<String>,
    /// Why the files could not be read the last time.
    unread: Option<String>,
}

/// What is to be done after the files were read.
#[derive(Debug, PartialEq, Eq)]
enum Next<'a> {
    Same,
    Changed(&'a [String]),
    Unread(&'a str),
}

impl Seen {
    fn new(texts: Vec<String>) -> Self {
        Self {
            texts,
            unread: None,
        }
    }

    /// Neither the same texts nor the same trouble are handed on twice.
    fn next(&mut self, read: Result<Vec<String>, String>) -> Next<'_> {
        match read {
            Ok(texts) => {
                self.unread = None;
                if texts == self.texts {
                    return Next::Same;
                }
                self.texts = texts;
                Next::Changed(&self.texts)
            }
            Err(why) => {
                if self.unread.as_ref() == Some(&why) {
                    return Next::Same;
                }
                Next::Unread(self.unread.insert(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Instant;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn neither_a_text_nor_a_trouble_is_handed_on_twice() {
        let mut seen = Seen::new(texts(&["a", "b"]));
        assert_eq!(seen.next(Ok(texts(&["a", "b"]))), Next::Same);
        let changed = texts(&["a", "c"]);
        assert_eq!(seen.next(Ok(changed.clone())), Next::Changed(&changed));
        assert_eq!(seen.next(Ok(changed.clone())), Next::Same);
        assert_eq!(seen.next(Err("gone".to_owned())), Next::Unread("gone"));
        assert_eq!(seen.next(Err("gone".to_owned())), Next::Same);
        assert_eq!(seen.next(Ok(changed)), Next::Same, "it is back");
        assert_eq!(seen.next(Err("gone".to_owned())), Next::Unread("gone"));
    }

    #[test]
    fn a_file_that_is_too_long_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = Source::new("--file", dir.path().join("long"));
        let long = |more: u64| vec![b'x'; usize::try_from(LONGEST + more).expect("a length")];
        std::fs::write(&file.path, long(0)).expect("written");
        assert!(file.read().is_ok());
        std::fs::write(&file.path, long(1)).expect("written");
        assert!(file.read().is_err());
    }

    /// The files of a Secret, as Kubernetes replaces them.
    fn swap(dir: &Path, version: &str, files: [&str; 2]) {
        let made = dir.join(version);
        std::fs::create_dir(&made).expect("made");
        for (name, text) in ["a", "b"].iter().zip(files) {
            std::fs::write(made.join(name), text).expect("written");
        }
        let link = dir.join("link");
        std::os::unix::fs::symlink(&made, &link).expect("linked");
        std::fs::rename(link, dir.join("data")).expect("swapped");
    }

    fn eventually(mut is: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < Duration::from_secs(30), "not yet");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn files_are_followed_for_as_long_as_what_came_of_them_is_held() {
        let dir = tempfile::tempdir().expect("a directory");
        swap(dir.path(), "1", ["a1", "b1"]);
        let data = dir.path().join("data");
        let files = ["a", "b"].map(|name| Source::new("--file", data.join(name)));
        let known = read(&files).expect("read");
        let held = Arc::new(Mutex::new(String::new()));
        let every = Duration::from_millis(1);
        let take = |held: &Mutex<String>, texts: &[String]| match texts.concat() {
            bad if bad.contains('!') => Err("refused".to_owned()),
            good => {
                *held.lock() = good;
                Ok(())
            }
        };
        follow_every(
            every,
            "it",
            files.to_vec(),
            known,
            Arc::downgrade(&held),
            take,
        );
        swap(dir.path(), "2", ["a2", "b2"]);
        eventually(|| *held.lock() == "a2b2");
        swap(dir.path(), "3", ["a3", "!"]);
        std::thread::sleep(20 * every);
        assert_eq!(*held.lock(), "a2b2", "what is bad is not taken");
        swap(dir.path(), "4", ["a4", "b4"]);
        eventually(|| *held.lock() == "a4b4");
        eventually(|| Arc::strong_count(&held) == 1);
        let gone = Arc::downgrade(&held);
        drop(held);
        // The thread may have it for a moment, and ends then.
        eventually(|| gone.upgrade().is_none());
    }
}
