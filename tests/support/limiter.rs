//! A limiter that allows everything but for one question, at which it refuses, fails, panics or waits.

#![allow(dead_code, reason = "each test target uses its part")]

use crate::support::wait;
use std::future::Future;
use std::pin::Pin;
use wasmfx::wasmtime::*;

pub(crate) struct Limiter {
    asked: usize,
    /// At which question, and what then.
    at: usize,
    how: u32,
}

impl Limiter {
    /// At the question that is chosen later it refuses (0), fails (1), panics (2), or waits for long if it can (3).
    pub(crate) fn new(how: u32) -> Limiter {
        Limiter { asked: 0, at: usize::MAX, how }
    }

    /// Chooses a question, counted from here.
    pub(crate) fn choose(&mut self, at: usize) {
        self.at = self.asked + at;
    }

    /// Allows everything from here.
    pub(crate) fn allow(&mut self) {
        self.at = usize::MAX;
    }

    /// Whether the chosen question was asked.
    pub(crate) fn came(&self) -> bool {
        self.at <= self.asked
    }

    fn answer(&self) -> Result<bool> {
        if self.asked != self.at {
            return Ok(true);
        }
        match self.how {
            0 => Ok(false),
            1 => bail!("the limiter says no"),
            2 => panic!("the limiter panics"),
            _ => Ok(true),
        }
    }

    fn ask(&mut self) -> Result<bool> {
        self.asked += 1;
        self.answer()
    }

    async fn ask_async(&mut self) -> Result<bool> {
        self.asked += 1;
        wait(2).await;
        if self.asked == self.at && self.how == 3 {
            wait(1000).await;
        }
        self.answer()
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.ask()
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.ask()
    }

    fn continuations_growing(&mut self, _: usize, _: usize) -> Result<bool> {
        self.ask()
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<bool>> + Send + 'a>>;

impl ResourceLimiterAsync for Limiter {
    fn memory_growing<'a, 'b>(&'a mut self, _: usize, _: usize, _: Option<usize>) -> Answer<'b>
    where
        'a: 'b,
    {
        Box::pin(self.ask_async())
    }

    fn table_growing<'a, 'b>(&'a mut self, _: usize, _: usize, _: Option<usize>) -> Answer<'b>
    where
        'a: 'b,
    {
        Box::pin(self.ask_async())
    }

    fn continuations_growing<'a, 'b>(&'a mut self, _: usize, _: usize) -> Answer<'b>
    where
        'a: 'b,
    {
        Box::pin(self.ask_async())
    }
}
