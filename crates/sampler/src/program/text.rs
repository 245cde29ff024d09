//! The text that is being written.

use sampler::{Model, Plan, Result, Sampler, Step, Writer};

use super::interrupt::Interrupt;

/// One text, what continues it, and what ends it.
pub struct Text {
    pub sampler: Sampler,
    pub writer: Writer,
    interrupt: Interrupt,
}

impl Text {
    /// Goes on with what `sampler` has read and `writer` has written.
    pub fn resume(sampler: Sampler, writer: Writer, interrupt: Interrupt) -> Self {
        Self { sampler, writer, interrupt }
    }

    /// Begins sample 0 with the tokens of the prompt.
    pub fn begin(model: Model, plan: &Plan, prompt: &[u32], interrupt: Interrupt) -> Result<Self> {
        let mut sampler = Sampler::new(model);
        let writer = sampler.start(plan, prompt, 0)?;
        Ok(Self { sampler, writer, interrupt })
    }

    /// Begins the next sample with the prompt.
    pub fn begin_next(&mut self, plan: &Plan, prompt: &[u32]) -> Result<()> {
        let (seed, stream) = self.writer.seed();
        let plan = Plan { seed, ..plan.clone() };
        self.writer = self.sampler.start(&plan, prompt, stream.wrapping_add(1))?;
        Ok(())
    }

    /// Whether nothing more is to be written.
    pub fn is_over(&self) -> bool {
        self.writer.end().is_some() || self.is_interrupted()
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Writes one token.
    pub fn write(&mut self) -> Result<Step<'_>> {
        self.sampler.write(&mut self.writer)
    }
}
