//! `cargo local drill`: what each alarm is about, made to happen on the local stack, and what is seen of it on the page and
//! in the logs. The emulator has no alarms: what is shown is their causes.

mod causes;
mod stage;

use anyhow::{Context as _, Result, bail, ensure};
use local::{DeskPage, Functions, Stack};

use causes::{Cause, DRILLS, NOT_HERE};
use stage::Stage;

/// One or several alarms with one cause.
pub(crate) struct Drill {
    /// What makes it happen.
    pub(crate) cause: Cause,
    /// Their logical ids in the template.
    pub(crate) alarms: &'static [&'static str],
    /// What happens, in a few words.
    pub(crate) title: &'static str,
}

/// Makes the causes of these alarms happen, or of all of them: each is seen, and mended again.
pub(crate) async fn run(functions: &Functions, stack: &Stack, page: &mut DeskPage, only: &[String]) -> Result<()> {
    let alarms = functions.alarms();
    let known = |id: &str| alarms.iter().any(|alarm| alarm.id == id);
    if let Some(unknown) = only.iter().find(|id| !known(id)) {
        let names: Vec<&str> = alarms.iter().map(|alarm| alarm.id.as_str()).collect();
        bail!("there is no alarm {unknown:?}, but {}", names.join(", "));
    }
    for alarm in &alarms {
        let is_here = DRILLS.iter().any(|drill| drill.alarms.contains(&alarm.id.as_str()));
        let is_elsewhere = NOT_HERE.iter().any(|(id, _)| *id == alarm.id);
        ensure!(is_here != is_elsewhere, "{} has no drill, nor a reason why there is none", alarm.id);
    }
    eprintln!("  building the page");
    page.until_it_is_open().await?;
    let stage = Stage::new(stack, page.address())?;
    let is_wanted = |id: &str| only.is_empty() || only.iter().any(|wanted| wanted == id);
    for drill in DRILLS.iter().filter(|drill| drill.alarms.iter().any(|id| is_wanted(id))) {
        println!("\n{}\n  {:<8} {}", drill.alarms.join(", "), "drill", drill.title);
        for alarm in alarms.iter().filter(|alarm| drill.alarms.contains(&alarm.id.as_str())) {
            stage::say("alarm", &alarm.description);
        }
        causes::play(drill.cause, &stage).await.with_context(|| format!("the drill of {}", drill.alarms.join(", ")))?;
    }
    for (id, reason) in NOT_HERE.iter().filter(|(id, _)| is_wanted(id)) {
        println!("\n{id}\n  {:<8} {reason}", "not here");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_alarm_of_the_template_has_a_drill_or_a_reason_why_there_is_none() {
        let template = include_str!("../../../template.yaml");
        let lines: Vec<&str> = template.lines().collect();
        let is_alarm = |pair: &&[&str]| matches!(pair, [_, "    Type: AWS::CloudWatch::Alarm"]);
        let alarms = lines.windows(2).filter(is_alarm).map(|pair| pair[0].trim().trim_end_matches(':'));
        let drilled = DRILLS.iter().flat_map(|drill| drill.alarms.iter().copied());
        let known: Vec<&str> = drilled.chain(NOT_HERE.iter().map(|(id, _)| *id)).collect();
        assert_eq!(known.iter().copied().collect::<BTreeSet<_>>(), alarms.collect());
        assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "each once");
    }
}
