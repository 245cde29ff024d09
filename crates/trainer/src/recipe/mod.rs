//! What to train and how, as a small TOML file.

mod definition;
mod fit;
mod overrides;
mod request;
mod settings;
#[cfg(test)]
mod tests;

pub use definition::{Cut, DEFAULT_RECIPE, Recipe};
pub use fit::Fit;
pub use request::{Difference, Request};
pub use settings::{
    AverageSettings, CheckpointSettings, ClippingSettings, DropoutSettings, EvaluationSettings, NetworkSettings,
    OptimizerSettings, Precision, RecordSettings, SampleSettings, ScheduleSettings, StreamSettings, WindowSettings,
};
