//! Whether the answers of a run are such that the invariants held (ARCHITECTURE.md).

use crate::files::{Files, Number};
use crate::history::{Answer, Asked, Event};
use names::{Code, FileName};
use std::collections::BTreeSet;
use std::time::Duration;

/// The answers of a run.
pub(crate) struct Judge<'a> {
    files: &'a Files,
    events: Vec<Event>,
}

/// When a file may have existed.
#[derive(Debug, Clone, Copy)]
struct Upload {
    file: Number,
    begun: Duration,
    ended: Duration,
    acknowledged: bool,
    /// It was answered code 3, before anything permitted its link: it never was a file.
    refused: bool,
}

/// A mark of a file as doomed that may have been written.
struct Doom {
    file: Number,
    begun: Duration,
    ended: Duration,
    /// The file is certainly gone when it has ended.
    acknowledged: bool,
}

impl<'a> Judge<'a> {
    /// Judges these.
    pub(crate) fn new(files: &'a Files, events: Vec<Event>) -> Self {
        Self { files, events }
    }

    fn uploads(&self) -> impl Iterator<Item = Upload> {
        self.events.iter().filter_map(|event| match event.asked {
            Asked::Upload(file) => Some(Upload {
                file,
                begun: event.begun,
                ended: event.ended,
                acknowledged: event.answer == Answer::Done,
                refused: event.answer == Answer::Failed(Code::FileNameExists),
            }),
            Asked::Read | Asked::Delete(_) => None,
        })
    }

    fn dooms(&self) -> impl Iterator<Item = Doom> {
        self.events.iter().flat_map(|event| {
            let files = match &event.asked {
                Asked::Delete(files) => files.clone(),
                Asked::Upload(_) | Asked::Read => Vec::new(),
            };
            let last = files.len().saturating_sub(1);
            let done = event.answer == Answer::Done;
            let dooms = files.into_iter().enumerate();
            dooms.map(move |(at, file)| Doom {
                file,
                begun: event.begun,
                ended: event.ended,
                acknowledged: done && at == last,
            })
        })
    }

    /// How many uploads were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.uploads().filter(|upload| upload.acknowledged).count()
    }

    /// Files that certainly exist once all is settled: acknowledged, and no delete may have
    /// doomed them.
    pub(crate) fn kept(&self) -> BTreeSet<Number> {
        let acknowledged = self.uploads().filter(|upload| upload.acknowledged);
        let mut kept: BTreeSet<Number> = acknowledged.map(|upload| upload.file).collect();
        for doom in self.dooms() {
            kept.remove(&doom.file);
        }
        kept.retain(|file| !self.files.is_excused(*file));
        kept
    }

    /// Files that certainly don't exist any more: a delete of them was acknowledged, and
    /// nobody uploaded them again.
    pub(crate) fn gone(&self) -> BTreeSet<Number> {
        let dooms = self.dooms().filter(|doom| doom.acknowledged);
        dooms
            .map(|doom| doom.file)
            .filter(|file| self.came_once(*file))
            .collect()
    }

    fn came_once(&self, file: Number) -> bool {
        self.uploads().filter(|upload| upload.file == file).count() == 1
    }

    /// Every answer that must not have been given, in words.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self
            .events
            .iter()
            .filter_map(|e| self.wrong_answer(e))
            .collect();
        wrong.extend(self.both_succeeded());
        wrong
    }

    fn wrong_answer(&self, event: &Event) -> Option<String> {
        let Event { begun, ended, .. } = *event;
        let why = match (&event.asked, event.answer) {
            (Asked::Read, Answer::Body(None)) => "the bytes are no file's",
            (Asked::Read, Answer::Body(Some(file))) => self.wrong_body(event, file)?,
            (Asked::Read | Asked::Delete(_), Answer::Failed(Code::FileDoesNotExist)) => {
                let there = self.there_throughout(&event.name, begun, ended);
                there.then_some("the file was there all the time")?
            }
            (Asked::Upload(own), Answer::Failed(Code::FileNameExists)) => {
                let taken = self.may_be_taken(&event.name, *own, begun, ended);
                (!taken).then_some("the name was free all the time")?
            }
            _ => return None,
        };
        Some(format!("{why}: {event:?}"))
    }

    /// Invariant 3, and that what was deleted is not read any more.
    fn wrong_body(&self, read: &Event, file: Number) -> Option<&'static str> {
        if self.files.name(file) != read.name {
            return Some("the bytes are another name's");
        }
        if !self
            .uploads()
            .any(|upload| upload.file == file && upload.begun < read.ended)
        {
            return Some("nobody has uploaded it yet");
        }
        self.gone_before(file, read.begun)
            .then_some("it was deleted before")
    }

    /// Whether a file was certainly gone at that time, and for good.
    fn gone_before(&self, file: Number, time: Duration) -> bool {
        let mut dooms = self.dooms().filter(|doom| doom.file == file);
        dooms.any(|doom| doom.acknowledged && doom.ended < time) && self.came_once(file)
    }

    /// Code 3: whether another file of the name may have been there at some moment of an
    /// upload.
    fn may_be_taken(&self, name: &FileName, own: Number, begun: Duration, ended: Duration) -> bool {
        self.uploads().any(|upload| {
            let other = upload.file != own && self.files.name(upload.file) == *name;
            let came = !upload.refused && upload.begun < ended;
            other && came && !self.gone_before(upload.file, begun)
        })
    }

    /// Invariant 6: whether some file of the name was acknowledged before, and not doomed
    /// until then.
    fn there_throughout(&self, name: &FileName, begun: Duration, ended: Duration) -> bool {
        self.uploads().any(|upload| {
            let named = upload.acknowledged && self.files.name(upload.file) == *name;
            let dooms = || self.dooms().filter(|doom| doom.file == upload.file);
            named && upload.ended < begun && dooms().all(|doom| doom.begun > ended)
        })
    }

    /// Invariant 4: of two files of one name that were both acknowledged, the one was doomed
    /// before the other one was.
    fn both_succeeded(&self) -> Vec<String> {
        let acknowledged: Vec<Upload> = self.uploads().filter(|u| u.acknowledged).collect();
        let gave_way = |first: &Upload, second: &Upload| {
            let mut dooms = self.dooms().filter(|doom| doom.file == first.file);
            dooms.any(|doom| doom.begun < second.ended)
        };
        let mut both = Vec::new();
        for (at, first) in acknowledged.iter().enumerate() {
            for second in &acknowledged[at + 1..] {
                let rivals = first.file != second.file
                    && self.files.name(first.file) == self.files.name(second.file);
                if rivals && !gave_way(first, second) && !gave_way(second, first) {
                    both.push(format!("both succeeded: {first:?}, {second:?}"));
                }
            }
        }
        both
    }
}
