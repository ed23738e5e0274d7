//! Matches text against several parameters in a row, such as `{a}-{n:int}.json`, in linear time.
//!
//! The client chooses the text, and backtracking would take quadratic time or more for two adjacent parameters. So this
//! is a non-deterministic automaton: it follows all possible readings of the text at once, with its states as bits of a
//! small array. The cost is length × states. Nothing is allocated per request.

use super::path::ENCODED_SLASH;
use super::template::{Converter, Token};

/// The number of 64-state words in a set. Only the text *between* two parameters counts, so this is far more than
/// needed.
const WORDS: usize = 8;

/// The largest number of steps. One state is left for the end.
const LIMIT: usize = WORDS * 64 - 1;

/// One step of a match: which byte it accepts, whether it accepts several, and whether it is optional.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MatchStep {
    accepts: Accepts,
    repeats: bool,
    /// How many steps may be skipped from here; 0 if this step is mandatory.
    skips: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepts {
    Exactly(u8),
    NoSlash,
    Digit,
    HexDigit,
    Anything,
}

impl Accepts {
    fn takes(self, byte: u8) -> bool {
        match self {
            Self::Exactly(wanted) => byte == wanted,
            Self::NoSlash => is_text(byte),
            Self::Digit => byte.is_ascii_digit(),
            Self::HexDigit => byte.is_ascii_hexdigit(),
            Self::Anything => true,
        }
    }
}

/// `[^/]`: neither a slash between segments nor an encoded one (`%2F`).
pub(super) fn is_text(byte: u8) -> bool {
    byte != b'/' && byte != ENCODED_SLASH
}

/// A compiled sequence of literals and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Automaton {
    steps: Box<[MatchStep]>,
}

impl Automaton {
    /// Compiles the tokens. `None` if they need too many states.
    pub(super) fn compile(tokens: &[Token]) -> Option<Self> {
        let mut steps = Vec::new();
        for token in tokens {
            match token {
                Token::Literal(text) => {
                    steps.extend(text.iter().map(|byte| once(Accepts::Exactly(*byte))));
                }
                Token::Parameter(converter) => push_converter(&mut steps, *converter),
            }
        }
        (steps.len() <= LIMIT).then(|| Self { steps: steps.into() })
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut active = States::default();
        self.enter(&mut active, 0);
        for byte in text {
            let mut next = States::default();
            active.for_each(|state| self.advance(state, *byte, &mut next));
            if next.is_empty() {
                return false;
            }
            active = next;
        }
        active.contains(self.steps.len())
    }

    /// Lets the step of `state` accept the byte, and adds the states that follow.
    fn advance(&self, state: usize, byte: u8, next: &mut States) {
        let Some(step) = self.steps.get(state) else {
            return;
        };
        if step.accepts.takes(byte) {
            if step.repeats {
                next.insert(state);
            }
            self.enter(next, state + 1);
        }
    }

    /// Adds a state, and all states that are reached from it by skipping optional steps.
    fn enter(&self, states: &mut States, mut state: usize) {
        loop {
            states.insert(state);
            match self.steps.get(state) {
                Some(step) if step.skips > 0 => state += step.skips,
                _ => return,
            }
        }
    }
}

fn once(accepts: Accepts) -> MatchStep {
    MatchStep { accepts, repeats: false, skips: 0 }
}

fn many(accepts: Accepts) -> MatchStep {
    MatchStep { accepts, repeats: true, skips: 0 }
}

/// Appends the steps of a converter, which match the same text as Starlette's regular expression for it.
fn push_converter(steps: &mut Vec<MatchStep>, converter: Converter) {
    match converter {
        Converter::Str => steps.push(many(Accepts::NoSlash)),
        Converter::Int => steps.push(many(Accepts::Digit)),
        Converter::Float => {
            steps.push(many(Accepts::Digit));
            steps.push(MatchStep { skips: 2, ..once(Accepts::Exactly(b'.')) });
            steps.push(many(Accepts::Digit));
        }
        Converter::Uuid => push_uuid(steps),
        Converter::Path => steps.push(MatchStep { skips: 1, ..many(Accepts::Anything) }),
    }
}

/// 32 hexadecimal digits in groups of 8-4-4-4-12. Each dash is optional.
fn push_uuid(steps: &mut Vec<MatchStep>) {
    for (group, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if group > 0 {
            steps.push(MatchStep { skips: 1, ..once(Accepts::Exactly(b'-')) });
        }
        steps.extend((0..digits).map(|_| once(Accepts::HexDigit)));
    }
}

/// A set of states. It needs no heap memory.
#[derive(Debug, Default)]
struct States([u64; WORDS]);

impl States {
    fn insert(&mut self, state: usize) {
        if let Some(word) = self.0.get_mut(state / 64) {
            *word |= 1 << (state % 64);
        }
    }

    fn contains(&self, state: usize) -> bool {
        self.0.get(state / 64).is_some_and(|word| word & (1 << (state % 64)) != 0)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn for_each(&self, mut visit: impl FnMut(usize)) {
        for (index, word) in self.0.iter().enumerate() {
            let mut bits = *word;
            while bits != 0 {
                visit(index * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot compile its pattern should fail")]
    use super::*;

    fn automaton(tokens: &[Token]) -> Automaton {
        Automaton::compile(tokens).unwrap()
    }

    fn literal(text: &str) -> Token {
        Token::Literal(text.as_bytes().into())
    }

    #[test]
    fn two_parameters_share_the_text_in_every_way() {
        let name_and_number =
            automaton(&[Token::Parameter(Converter::Str), literal("-"), Token::Parameter(Converter::Int)]);
        assert!(name_and_number.matches(b"a-7"));
        assert!(name_and_number.matches(b"a-b-7"));
        assert!(name_and_number.matches(b"--7"));
        assert!(!name_and_number.matches(b"-7"));
        assert!(!name_and_number.matches(b"a-"));
        assert!(!name_and_number.matches(b"a/b-7"));
    }

    #[test]
    fn floats_and_uuids_follow_their_expressions() {
        let float = automaton(&[Token::Parameter(Converter::Float)]);
        for (text, fits) in [("1", true), ("1.5", true), ("1.", false), (".5", false), ("1.5.2", false), ("", false)] {
            assert_eq!(float.matches(text.as_bytes()), fits, "{text}");
        }
        let uuid = automaton(&[Token::Parameter(Converter::Uuid)]);
        for (text, fits) in [
            ("123e4567-e89b-12d3-a456-426614174000", true),
            ("123E4567e89b12d3a456426614174000", true),
            ("123e4567-e89b-12d3-a456-42661417400", false),
            ("123e4567--e89b-12d3-a456-426614174000", false),
            ("g23e4567-e89b-12d3-a456-426614174000", false),
        ] {
            assert_eq!(uuid.matches(text.as_bytes()), fits, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_linear() {
        let many = automaton(&[Token::Parameter(Converter::Path), literal("a"), Token::Parameter(Converter::Path)]);
        assert!(!many.matches(&vec![b'b'; 1 << 20]));
    }

    #[test]
    fn the_number_of_states_is_bounded() {
        assert!(Automaton::compile(&[literal(&"x".repeat(LIMIT))]).unwrap().matches(&[b'x'; LIMIT]));
        assert!(Automaton::compile(&[literal(&"x".repeat(LIMIT + 1))]).is_none());
    }
}
