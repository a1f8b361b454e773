//! The planner: which node gives how many files to which. Pure.

use crate::state::Flow;
use messages::NodeId;

/// What the planner sees of an available node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeLoad {
    /// The node.
    pub id: NodeId,
    /// Its files.
    pub files: u64,
    /// All its files must leave.
    pub draining: bool,
    /// It takes files, and has room.
    pub receives: bool,
}

/// Plans the fewest moves after which the nodes that stay differ by at most
/// one file and draining nodes hold none. Nodes that can't receive give what
/// is too much and get nothing.
pub(super) fn plan(nodes: &[NodeLoad]) -> Vec<Flow> {
    let targets = targets(nodes);
    let mut givers = Vec::new();
    let mut takers = Vec::new();
    for (node, target) in nodes.iter().zip(targets) {
        if node.files > target {
            givers.push((node, node.files - target));
        } else if node.files < target {
            takers.push((node, target - node.files));
        }
    }
    // The fullest gives first, the emptiest receives first.
    givers.sort_by_key(|(node, surplus)| (std::cmp::Reverse(*surplus), node.id.clone()));
    takers.sort_by_key(|(node, deficit)| (std::cmp::Reverse(*deficit), node.id.clone()));
    let mut flows = Vec::new();
    let mut takers = takers.into_iter();
    let mut taker = takers.next();
    for (from, mut surplus) in givers {
        while surplus > 0
            && let Some((to, deficit)) = &mut taker
        {
            let files = surplus.min(*deficit);
            flows.push(Flow {
                from: from.id.clone(),
                to: to.id.clone(),
                files,
            });
            surplus -= files;
            *deficit -= files;
            if *deficit == 0 {
                taker = takers.next();
            }
        }
    }
    flows
}

/// How many files each node is to hold in the end.
fn targets(nodes: &[NodeLoad]) -> Vec<u64> {
    let mut targets: Vec<u64> = nodes
        .iter()
        .map(|n| if n.draining { 0 } else { n.files })
        .collect();
    // Nodes that can't receive keep at most the level; raise it until all fits.
    let mut level: Vec<usize> = (0..nodes.len()).filter(|i| !nodes[*i].draining).collect();
    let mut pool: u64 = nodes.iter().map(|n| n.files).sum();
    loop {
        let receivers = level.iter().filter(|i| nodes[**i].receives).count();
        if receivers == 0 {
            return nodes.iter().map(|n| n.files).collect();
        }
        let share = pool / level.len() as u64;
        // One that can't receive and lies below the level keeps what it has.
        let below = level
            .iter()
            .position(|i| !nodes[*i].receives && nodes[*i].files <= share);
        let Some(below) = below else { break };
        let node = level.swap_remove(below);
        pool -= nodes[node].files;
    }
    let share = pool / level.len() as u64;
    let mut extra = pool % level.len() as u64;
    // The one file more goes to those that hold most already: fewest moves.
    level.sort_by_key(|i| (std::cmp::Reverse(nodes[*i].files), *i));
    for node in level {
        let more = u64::from(extra > 0);
        extra -= more;
        targets[node] = share + more;
    }
    targets
}

#[cfg(test)]
mod tests;
