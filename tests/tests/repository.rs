//! What the repository promises of its own texts.

use std::collections::HashSet;

use end_to_end::story;

/// No passage of so many characters stands in the story twice.
const PASSAGE: usize = 80;

#[test]
fn the_story_is_long_plain_and_never_repeats_itself() {
    let story = story();
    assert!(story.len() >= 120_000, "{} characters", story.len());
    assert!(story.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "plain ASCII lines");

    // Line ends as spaces: a passage set in other lines is the same passage.
    let text = story.replace('\n', " ");
    let mut seen = HashSet::new();
    for start in 0..=text.len() - PASSAGE {
        let passage = &text[start..start + PASSAGE];
        assert!(seen.insert(passage), "twice: {passage:?}");
    }
}
