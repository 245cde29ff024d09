//! Writing together: the model offers its likeliest characters, and the user picks.

use std::io::{self, BufRead, Write};

use sampler::{Plan, Sampler};

use super::{Failure, colour, explain::Candidates, output::Output, write};

/// Candidates that are offered.
const OFFERED: usize = 10;

const HELP: &str = "a number picks; Enter lets the dice choose; +N lets them choose N times; =TEXT writes TEXT; q ends";

/// What an answer asks for.
#[derive(Debug, PartialEq, Eq)]
enum Answer<'a> {
    Pick(usize),
    Dice(usize),
    Text(&'a str),
    Quit,
}

/// Offers and obeys until the user ends it or the text has its length. The text goes to standard output at the end.
pub fn interact(
    sampler: &mut Sampler,
    plan: &Plan,
    prompt: &str,
    shown: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut writer = write::writer(sampler, plan, prompt)?;
    let mut candidates = Candidates::default();
    let mut text = String::new();
    let mut answers = io::stdin().lock().lines();
    let mut ended = plan.length == 0;
    eprintln!("{HELP}");
    while !ended {
        candidates.look(sampler, OFFERED)?;
        offer(&candidates, &format!("{prompt}{text}"));
        let Some(answer) = answers.next() else { break };
        let answer = answer.map_err(|error| Failure::Input(format!("cannot read your choice: {error}")))?;
        match parse(&answer) {
            Some(Answer::Quit) => break,
            Some(Answer::Dice(count)) => {
                for _ in 0..count {
                    let step = sampler.write(&mut writer)?;
                    text.push_str(step.text);
                    ended = step.end.is_some();
                    if ended {
                        break;
                    }
                }
            }
            Some(Answer::Text(more)) => match sampler.feed(more) {
                Ok(()) => text.push_str(&sampler.card().normalisation.apply(more)),
                Err(error) => eprintln!("{error}"),
            },
            Some(Answer::Pick(number)) if (1..=OFFERED).contains(&number) && candidates.token(number - 1).is_some() => {
                let token = candidates.token(number - 1).unwrap_or_default();
                writer.remember(token);
                let step = writer.take(&sampler.card().vocabulary, token);
                text.push_str(step.text);
                ended = step.end.is_some();
                if !ended {
                    sampler.feed_token(token)?;
                }
            }
            _ => eprintln!("{HELP}"),
        }
    }
    Ok(writeln!(output, "{shown}{text}")?)
}

/// Shows the end of the text and the candidates, on standard error.
fn offer(candidates: &Candidates, text: &str) {
    let colours = colour::wanted(&io::stderr());
    let start = text.char_indices().rev().nth(59).map_or(0, |(place, _)| place);
    eprintln!("\n{}\u{2581}", &text[start..]);
    for (number, (text, probability)) in (1..).zip(&candidates.likeliest) {
        let text = colour::visible(text);
        if colours {
            let colour = colour::of_probability(*probability);
            eprintln!("{number:3}  {colour}{text}{}  {:.1} %", colour::END, 100.0 * probability);
        } else {
            eprintln!("{number:3}  {text}  {:.1} %", 100.0 * probability);
        }
    }
}

fn parse(answer: &str) -> Option<Answer<'_>> {
    match answer.trim_end_matches(['\r', '\n']) {
        "" => Some(Answer::Dice(1)),
        "q" => Some(Answer::Quit),
        answer => match answer.split_at_checked(1)? {
            ("+", count) => count.trim().parse().ok().map(Answer::Dice),
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
            ("", Some(Answer::Dice(1))),
            ("3", Some(Answer::Pick(3))),
            ("10 ", Some(Answer::Pick(10))),
            ("+20", Some(Answer::Dice(20))),
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
