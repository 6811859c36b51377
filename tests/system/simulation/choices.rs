//! All that is left to chance in a simulation: drawn from a seed, read from a script, or tried in every way.

/// Draws numbers and remembers them, so that a run can be told again, varied and shortened.
pub(crate) struct Choices {
    script: Vec<u32>,
    random: Option<fastrand::Rng>,
    taken: Vec<Taken>,
}

/// A number below `of`.
#[derive(Clone, Copy, Debug)]
struct Taken {
    chosen: u32,
    of: u32,
}

/// How likely a choice other than zero is, where chance decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Odds {
    Even,
    OneIn(u32),
}

impl Choices {
    /// All choices follow from this number.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self { script: Vec::new(), random: Some(fastrand::Rng::with_seed(seed)), taken: Vec::new() }
    }

    /// These choices; after them, always zero.
    pub(crate) fn from_script(script: Vec<u32>) -> Self {
        Self { script, random: None, taken: Vec::new() }
    }

    /// A number below `of`. Zero is always the harmless choice.
    pub(crate) fn choose(&mut self, of: u32, odds: Odds) -> u32 {
        if of < 2 {
            return 0;
        }
        let chosen = match (self.script.get(self.taken.len()), &mut self.random) {
            (Some(chosen), _) => (*chosen).min(of - 1),
            (None, None) => 0,
            (None, Some(random)) => match odds {
                Odds::OneIn(rarity) if random.u32(..rarity) > 0 => 0,
                Odds::OneIn(_) => random.u32(1..of),
                Odds::Even => random.u32(..of),
            },
        };
        self.taken.push(Taken { chosen, of });
        chosen
    }

    /// What was chosen so far.
    pub(crate) fn script(&self) -> Vec<u32> {
        self.taken.iter().map(|taken| taken.chosen).collect()
    }

    /// The next run of a search through all of them, depth first: the last choice that has an alternative takes it.
    pub(crate) fn next_script(&self) -> Option<Vec<u32>> {
        let last = self.taken.iter().rposition(|taken| taken.chosen + 1 < taken.of)?;
        let mut script: Vec<u32> = self.taken[..last].iter().map(|taken| taken.chosen).collect();
        script.push(self.taken[last].chosen + 1);
        Some(script)
    }
}

/// Looks for a simpler script that still fails: shorter, then with more zeros.
pub(crate) fn shrink(mut script: Vec<u32>, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut chunk = script.len() / 2;
    while chunk > 0 {
        let mut start = 0;
        while start < script.len() {
            let end = (start + chunk).min(script.len());
            let without: Vec<u32> = script[..start].iter().chain(&script[end..]).copied().collect();
            let mut harmless = script.clone();
            harmless[start..end].fill(0);
            if fails(&without) {
                script = without;
            } else {
                if harmless != script && fails(&harmless) {
                    script = harmless;
                }
                start = end;
            }
        }
        chunk /= 2;
    }
    while script.last() == Some(&0) {
        script.pop();
    }
    script
}
