//! What a mirror did, in numbers.

use std::cell::Cell;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It was missing on the other side.
    Copy,
    /// There was another one of its name.
    Replace,
    /// It was only there.
    Delete,
}

impl Action {
    /// Such as "stored".
    pub(super) fn done(self, down: bool) -> &'static str {
        match (self, down) {
            (Self::Copy, false) => "stored",
            (Self::Copy, true) => "fetched",
            (Self::Replace, _) => "replaced",
            (Self::Delete, _) => "deleted",
        }
    }

    /// Such as "store".
    pub(super) fn to_do(self, down: bool) -> &'static str {
        match (self, down) {
            (Self::Copy, false) => "store",
            (Self::Copy, true) => "fetch",
            (Self::Replace, _) => "replace",
            (Self::Delete, _) => "delete",
        }
    }
}

/// Files, by what was done with them.
#[derive(Debug, Default)]
pub(super) struct Did {
    copied: Cell<u64>,
    replaced: Cell<u64>,
    deleted: Cell<u64>,
    unchanged: Cell<u64>,
    surplus: Cell<u64>,
    of_service: Cell<u64>,
}

impl Did {
    pub(super) fn act(&self, action: Action) {
        add(match action {
            Action::Copy => &self.copied,
            Action::Replace => &self.replaced,
            Action::Delete => &self.deleted,
        });
    }

    /// Both sides have the same.
    pub(super) fn unchanged(&self) {
        add(&self.unchanged);
    }

    /// One is only on the other side.
    pub(super) fn surplus(&self) {
        add(&self.surplus);
    }

    /// The service has one.
    pub(super) fn listed(&self) {
        add(&self.of_service);
    }

    /// The files that the service has.
    pub(super) fn of_service(&self) -> u64 {
        self.of_service.get()
    }

    /// What was done, for people.
    pub(super) fn text(&self, down: bool, dry_run: bool) -> String {
        let part = |action: Action, files: &Cell<u64>| {
            let word = match dry_run {
                true => action.to_do(down),
                false => action.done(down),
            };
            format!("{word} {}", files.get())
        };
        let text = [
            part(Action::Copy, &self.copied),
            part(Action::Replace, &self.replaced),
            part(Action::Delete, &self.deleted),
            format!("unchanged {}", self.unchanged.get()),
        ]
        .join(", ");
        match dry_run {
            true => format!("would {text}"),
            false => text,
        }
    }

    /// What is only on the other side, and stays there.
    pub(super) fn left(&self, down: bool) -> String {
        let side = match down {
            true => "in the folder",
            false => "in the service",
        };
        match self.surplus.get().saturating_sub(self.deleted.get()) {
            0 => String::new(),
            left => format!("; {left} only {side}"),
        }
    }
}

fn add(files: &Cell<u64>) {
    files.set(files.get() + 1);
}
