//! `dfs abandon`.

use super::AbandonArgs;
use crate::out::{Out, count, size};
use crate::outcome::Outcome;
use anyhow::Result;
use client::{Abandoned, Client};

/// [`Outcome::Failed`] where it only printed the cost.
pub(crate) async fn abandon(client: &Client, args: &AbandonArgs, out: &Out) -> Result<Outcome> {
    if let Some((volume, files)) = args.volume.zip(args.lose_files) {
        let gone = client.abandon(&args.node, volume, files).await?;
        out.done(&gone, || {
            format!("{} is given up: {}", gone.node, cost(&gone))
        });
        return Ok(Outcome::Done);
    }
    let lost = client.cost_of_abandoning(&args.node).await?;
    let costs = || {
        format!(
            "{} is unavailable; giving it up costs {}",
            lost.node,
            cost(&lost)
        )
    };
    out.result(&lost, costs)?;
    out.note(&format!(
        "nothing was changed; to do it: dfs abandon {} --volume {} --lose-files {}",
        args.node, lost.volume, lost.files
    ));
    Ok(Outcome::Failed)
}

fn cost(loss: &Abandoned) -> String {
    let mut text = format!("{}, {}", count(loss.files, "file"), size(loss.bytes));
    if !loss.names.is_empty() {
        let more = match loss.files > loss.names.len() as u64 {
            true => ", …",
            false => "",
        };
        text += &format!(" ({}{more})", loss.names.join(", "));
    }
    if loss.unfinished > 0 {
        text += &format!(", {} uploads and deletes under way", loss.unfinished);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_says_what_is_lost_and_what_may_be() {
        let mut loss = Abandoned {
            node: "n1".to_owned(),
            volume: uuid::Uuid::nil(),
            abandoned: false,
            files: 2,
            bytes: 300,
            names: vec!["a".to_owned(), "b".to_owned()],
            unfinished: 0,
        };
        assert_eq!(cost(&loss), "2 files, 300 B (a, b)");
        (loss.files, loss.unfinished) = (3, 4);
        let told = "3 files, 300 B (a, b, …), 4 uploads and deletes under way";
        assert_eq!(cost(&loss), told);
        (loss.files, loss.unfinished) = (0, 0);
        loss.names.clear();
        assert_eq!(cost(&loss), "0 files, 300 B");
    }
}
