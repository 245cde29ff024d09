//! The model offers its most likely characters, and the user picks one.

use std::io::{self, BufRead, Write};

use super::{
    candidates::Candidates,
    colour,
    failure::Failure,
    output::{Output, notice},
    text::Text,
};

/// Number of candidates.
const OFFERED: usize = 10;

const HELP: &str = "a number picks a character; Enter draws one at random, +N draws N; =TEXT adds TEXT; q ends";

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
enum Answer<'a> {
    Pick(usize),
    Draw(usize),
    Text(&'a str),
    Quit,
}

/// Asks until the user quits or the text is long enough. The text goes to standard output at the end.
pub fn interact(text: &mut Text, prompt: &str, shown: &str, output: &mut Output) -> Result<(), Failure> {
    let Text { sampler, writer, .. } = text;
    let mut candidates = Candidates::default();
    let mut text = String::new();
    let mut answers = io::stdin().lock().lines();
    notice(HELP);
    while writer.end().is_none() {
        candidates.offer(sampler, writer, OFFERED)?;
        offer(&candidates, &format!("{prompt}{text}"));
        let Some(answer) = answers.next() else { break };
        let answer = answer.map_err(|error| Failure::Input(format!("cannot read your choice: {error}")))?;
        match parse(&answer) {
            Some(Answer::Quit) => break,
            Some(Answer::Draw(count)) => {
                for _ in 0..count {
                    let step = sampler.write(writer)?;
                    text.push_str(step.text);
                    if step.end.is_some() {
                        break;
                    }
                }
            }
            Some(Answer::Text(typed)) => {
                let typed = sampler.card().normalisation.apply(typed).into_owned();
                match sampler.card().vocabulary.encode(&typed) {
                    Ok(tokens) => {
                        for token in tokens {
                            writer.remember(token);
                            sampler.feed_token(token)?;
                        }
                        text.push_str(&typed);
                    }
                    Err(error) => notice(&error.to_string()),
                }
            }
            Some(Answer::Pick(number)) => match number.checked_sub(1).and_then(|rank| candidates.token(rank)) {
                Some(token) => {
                    let step = writer.take(&sampler.card().vocabulary, token);
                    text.push_str(step.text);
                    if step.end.is_none() {
                        sampler.feed_token(token)?;
                    }
                }
                None => notice(HELP),
            },
            None => notice(HELP),
        }
    }
    Ok(write!(output, "{shown}{text}")?)
}

/// Shows the end of the text and the candidates on standard error.
fn offer(candidates: &Candidates, text: &str) {
    let colours = colour::wanted(&io::stderr());
    let start = text.char_indices().rev().nth(59).map_or(0, |(place, _)| place);
    let end: Vec<String> = text[start..].split('\n').map(colour::visible).collect();
    notice(&format!("\n{}\u{2581}", end.join("\n")));
    for (number, (text, probability)) in (1..).zip(&candidates.likeliest) {
        let text = colour::visible(text);
        if colours {
            let colour = colour::of_probability(*probability);
            notice(&format!("{number:3}  {colour}{text}{}  {:.1} %", colour::END, 100.0 * probability));
        } else {
            notice(&format!("{number:3}  {text}  {:.1} %", 100.0 * probability));
        }
    }
}

fn parse(answer: &str) -> Option<Answer<'_>> {
    match answer.trim_end_matches(['\r', '\n']) {
        "" => Some(Answer::Draw(1)),
        "q" => Some(Answer::Quit),
        answer => match answer.split_at_checked(1)? {
            ("+", count) => count.trim().parse().ok().map(Answer::Draw),
            ("=", text) => Some(Answer::Text(text)),
            _ => answer.trim().parse().ok().map(Answer::Pick),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let cases = [
            ("", Some(Answer::Draw(1))),
            ("3", Some(Answer::Pick(3))),
            ("10 ", Some(Answer::Pick(10))),
            ("+20", Some(Answer::Draw(20))),
            ("= the", Some(Answer::Text(" the"))),
            ("q", Some(Answer::Quit)),
            ("what", None),
            ("\u{e9}", None),
            ("+", None),
        ];
        for (answer, expected) in cases {
            assert_eq!(parse(answer), expected, "{answer:?}");
        }
    }
}
