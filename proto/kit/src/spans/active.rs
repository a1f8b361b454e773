//! A span that has begun, and the work that it is about.

use futures::future::Either;
use futures::{Future, FutureExt as _};
use opentelemetry::context::{FutureExt as _, WithContext};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue, Value};
use std::fmt;

/// A span. It ends when it is dropped. By default it is none, and costs nothing.
#[derive(Default)]
pub struct Active(Option<Context>);

impl Active {
    pub(super) fn of(context: Context) -> Self {
        Self(Some(context))
    }

    /// Notes an attribute.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Whether nothing is traced: what costs anything is left out then.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Notes that it failed.
    pub fn fail(&self, why: impl fmt::Display) {
        if let Some(context) = &self.0 {
            failed(context, why);
        }
    }

    /// What is done within this span.
    pub fn scope(&self) -> Scope {
        Scope(self.0.clone())
    }

    /// The work within this span, which ends with it.
    pub fn around<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        let within = self.scope().around(work);
        within.map(move |done| {
            drop(self);
            done
        })
    }

    /// As [`Self::around`]; an error is noted.
    pub fn attempt<T, E, F>(self, work: F) -> impl Future<Output = Result<T, E>>
    where
        E: fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let within = self.scope().around(work);
        within.map(move |done| done.inspect_err(|error| self.fail(error)))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// Some work within a span.
pub type Within<F> = Either<WithContext<F>, F>;

/// A span's inside: spans that begin there are parts of it. Holding it does not keep the
/// span from its end.
#[derive(Clone, Default)]
pub struct Scope(Option<Context>);

impl Scope {
    /// Work within the span.
    pub fn around<F: Future>(self, work: F) -> Within<F> {
        match self.0 {
            Some(context) => Either::Left(work.with_context(context)),
            None => Either::Right(work),
        }
    }

    /// Within the span until the guard is dropped, on this thread.
    #[must_use]
    pub fn enter(&self) -> Option<ContextGuard> {
        self.0.clone().map(Context::attach)
    }
}

/// The inside of the span that is current: for work that goes on in a task of its own.
pub fn here() -> Scope {
    let here = |context: &Context| context.has_active_span().then(|| context.clone());
    Scope(Context::map_current(here))
}

/// Notes that what is traced here failed.
pub fn fail(why: impl fmt::Display) {
    Context::map_current(|context| {
        if context.has_active_span() {
            failed(context, why);
        }
    });
}

fn failed(context: &Context, why: impl fmt::Display) {
    let span = context.span();
    if span.is_recording() {
        span.set_status(Status::error(why.to_string()));
    }
}
