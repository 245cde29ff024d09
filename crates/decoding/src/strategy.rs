//! The steps from logits to a token.

use std::collections::VecDeque;

use crate::{Error, Rng, softmax::softmax_in_place};

/// How tokens are chosen. The default samples from the model's own distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sampling temperature: below 1 is more predictable, above 1 more random; 0 always takes the likeliest token.
    pub temperature: f32,
    /// Sample only from this many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// Sample only from the fewest likeliest tokens whose probabilities reach this sum; in (0, 1].
    pub top_p: Option<f32>,
    /// Sample only from tokens at least this many times as likely as the likeliest; in [0, 1].
    pub min_p: Option<f32>,
    /// Divide the positive logits of recent tokens by this, and multiply the negative ones; above 0.
    pub repetition_penalty: Option<f32>,
    /// How many recent tokens the penalty applies to.
    pub repetition_window: usize,
    /// Subtract this from a token's logit for each time it was chosen; in [-2, 2].
    pub frequency_penalty: Option<f32>,
    /// Tokens that are never chosen, such as the one for unknown characters.
    pub excluded: Vec<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: None,
            repetition_window: 64,
            frequency_penalty: None,
            excluded: Vec::new(),
        }
    }
}

/// Chooses tokens as validated [`Options`] say. It reuses its buffers: only the first choice allocates.
#[derive(Debug, Clone)]
pub struct Decoding {
    options: Options,
    recent: VecDeque<usize>,
    /// How often each token was chosen, for the frequency penalty.
    counts: Vec<u32>,
    probabilities: Vec<f32>,
    order: Vec<usize>,
}

impl Decoding {
    /// Checks the options.
    pub fn new(options: Options) -> Result<Self, Error> {
        check_temperature(options.temperature)?;
        if options.top_k == Some(0) {
            return Err(Error::TopK);
        }
        // Written so that NaN, which compares as false with everything, is refused.
        if let Some(top_p) = options.top_p.filter(|&share| !(share > 0.0 && share <= 1.0)) {
            return Err(Error::TopP(top_p));
        }
        if let Some(min_p) = options.min_p.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(Error::MinP(min_p));
        }
        if let Some(penalty) = options.repetition_penalty.filter(|&penalty| !(penalty > 0.0 && penalty.is_finite())) {
            return Err(Error::RepetitionPenalty(penalty));
        }
        if let Some(penalty) = options.frequency_penalty.filter(|penalty| !(-2.0..=2.0).contains(penalty)) {
            return Err(Error::FrequencyPenalty(penalty));
        }
        let (recent, counts) = (VecDeque::new(), Vec::new());
        Ok(Self { options, recent, counts, probabilities: Vec::new(), order: Vec::new() })
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Changes the temperature between two choices.
    pub fn set_temperature(&mut self, temperature: f32) -> Result<(), Error> {
        check_temperature(temperature)?;
        self.options.temperature = temperature;
        Ok(())
    }

    /// Chooses a token from `logits` (V) and counts it for the penalties.
    ///
    /// This draws one random number, or none at temperature 0. If no token has a probability (all are excluded, or
    /// every logit is NaN or minus infinity), the result is the first token that is not excluded, or 0.
    ///
    /// # Panics
    /// If `logits` is empty.
    pub fn choose(&mut self, logits: &[f32], rng: &mut Rng) -> usize {
        assert!(!logits.is_empty(), "there are no logits to choose from");
        let deterministic = self.options.temperature == 0.0;
        let probabilities = self.distribution(logits);
        let token = if deterministic { certain(probabilities) } else { draw(probabilities, rng.uniform()) };
        let token = token.or_else(|| (0..logits.len()).find(|token| !self.options.excluded.contains(token)));
        let token = token.unwrap_or(0);
        self.chosen(token);
        token
    }

    /// The probabilities (V) that [`choose`](Self::choose) would sample from. They are 0 for tokens that cannot be
    /// drawn.
    pub fn distribution(&mut self, logits: &[f32]) -> &[f32] {
        self.adjusted(logits);
        if self.options.temperature == 0.0 {
            let likeliest = largest(&self.probabilities);
            self.probabilities.fill(0.0);
            if let Some(token) = likeliest {
                self.probabilities[token] = 1.0;
            }
        } else {
            softmax_in_place(&mut self.probabilities, self.options.temperature);
            self.keep_likeliest();
        }
        &self.probabilities
    }

    /// The logits (V) that temperature, top-k, top-p and min-p are applied to: minus infinity for excluded tokens, and the
    /// others after the penalties.
    pub fn adjusted(&mut self, logits: &[f32]) -> &[f32] {
        self.probabilities.clear();
        self.probabilities.extend_from_slice(logits);
        self.exclude();
        self.penalise_repetition();
        self.penalise_frequency();
        &self.probabilities
    }

    /// Makes both penalties count a token that somebody else has chosen for the sample.
    pub fn chosen(&mut self, token: usize) {
        self.remember(token);
        if self.options.frequency_penalty.is_some() {
            if self.counts.len() <= token {
                self.counts.resize(token + 1, 0);
            }
            self.counts[token] = self.counts[token].saturating_add(1);
        }
    }

    /// Makes the repetition penalty count a token that does not belong to the sample, such as one of the prompt.
    pub fn remember(&mut self, token: usize) {
        if self.options.repetition_penalty.is_none() || self.options.repetition_window == 0 {
            return;
        }
        if self.recent.len() == self.options.repetition_window {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
    }

    /// What the penalties have counted: the recent tokens, oldest first, and how often each token was chosen.
    pub fn counted(&self) -> (impl ExactSizeIterator<Item = usize>, &[u32]) {
        (self.recent.iter().copied(), &self.counts)
    }

    /// Takes over what another one has [`counted`](Self::counted).
    pub fn restore(&mut self, recent: impl IntoIterator<Item = usize>, counts: &[u32]) {
        self.reset();
        recent.into_iter().for_each(|token| self.remember(token));
        self.counts.extend_from_slice(counts);
    }

    /// Clears what the penalties have counted.
    pub fn reset(&mut self) {
        self.recent.clear();
        self.counts.clear();
    }

    fn exclude(&mut self) {
        for &token in &self.options.excluded {
            if let Some(logit) = self.probabilities.get_mut(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    /// Applies the penalty once to each recent token, however often it was chosen.
    fn penalise_repetition(&mut self) {
        let Some(penalty) = self.options.repetition_penalty else { return };
        self.order.clear();
        self.order.extend(&self.recent);
        self.order.sort_unstable();
        self.order.dedup();
        for &token in &self.order {
            if let Some(logit) = self.probabilities.get_mut(token) {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }

    fn penalise_frequency(&mut self) {
        let Some(penalty) = self.options.frequency_penalty else { return };
        for (logit, &count) in self.probabilities.iter_mut().zip(&self.counts) {
            *logit -= penalty * count as f32;
        }
    }

    /// Applies top-k, top-p and min-p, and scales what is left to sum to one.
    fn keep_likeliest(&mut self) {
        let Options { top_k, top_p, min_p, .. } = self.options;
        if top_k.is_none() && top_p.is_none() && min_p.is_none() {
            return;
        }
        let probabilities = &mut self.probabilities;
        self.order.clear();
        self.order.extend(0..probabilities.len());
        self.order.sort_unstable_by(|&left, &right| {
            probabilities[right].total_cmp(&probabilities[left]).then(left.cmp(&right))
        });
        let mut kept = top_k.map_or(probabilities.len(), |count| count.min(probabilities.len()));
        if let Some(share) = top_p {
            // Top-p is relative to what top-k left.
            let total: f32 = self.order[..kept].iter().map(|&token| probabilities[token]).sum();
            let mut sum = 0.0;
            let reached = self.order[..kept].iter().position(|&token| {
                sum += probabilities[token];
                sum >= share * total
            });
            kept = reached.map_or(kept, |place| place + 1);
        }
        if let (Some(share), Some(&likeliest)) = (min_p, self.order.first()) {
            let least = share * probabilities[likeliest];
            kept = self.order[..kept].partition_point(|&token| probabilities[token] >= least);
        }
        for &token in &self.order[kept..] {
            probabilities[token] = 0.0;
        }
        let sum: f32 = probabilities.iter().sum();
        if sum > 0.0 {
            for probability in probabilities {
                *probability /= sum;
            }
        }
    }
}

fn check_temperature(temperature: f32) -> Result<(), Error> {
    if temperature >= 0.0 && temperature.is_finite() { Ok(()) } else { Err(Error::Temperature(temperature)) }
}

/// The token whose probability is 1, if there is one.
fn certain(probabilities: &[f32]) -> Option<usize> {
    largest(probabilities).filter(|&token| probabilities[token] > 0.0)
}

/// The index of the largest value, the first of equals; `None` if every value is NaN or minus infinity.
fn largest(values: &[f32]) -> Option<usize> {
    let mut best = None;
    let mut most = f32::NEG_INFINITY;
    for (place, &value) in values.iter().enumerate() {
        if value > most {
            (best, most) = (Some(place), value);
        }
    }
    best
}

/// The token whose share of [0, 1) holds `number`, where each takes its probability of it; `None` if every probability
/// is 0.
fn draw(probabilities: &[f32], number: f64) -> Option<usize> {
    let total: f64 = probabilities.iter().copied().map(f64::from).sum();
    let mut left = number * total;
    let mut drawn = None;
    for (token, &probability) in probabilities.iter().enumerate() {
        if probability > 0.0 {
            drawn = Some(token);
            left -= f64::from(probability);
            if left < 0.0 {
                break;
            }
        }
    }
    drawn
}

#[cfg(test)]
mod tests;
