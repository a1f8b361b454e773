//! The operations of whoever operates the service.

use super::super::error_cases::{
    AWAY, BAD_FIELD, BAD_QUERY, ErrorCase, FORBIDDEN_NOW, GONE, LATE, NO_JSON, NO_NODE, NO_ROOM,
    OLD_HTTP, TAKEN, TOO_LONG,
};
use super::super::needs::Needs;
use super::super::operation::{
    Action, At, Content, Kind, Operation, Parameter, Success, parameter,
};
use super::super::paths::FSCK;
use super::super::patterns::{ID, NODE};
use super::super::schemas::Shape;
use http::Method;
use manager_callers::Verb;

const NODE_PARAMETER: Parameter = parameter(
    "node",
    At::Query,
    Kind::Fits {
        most: 253,
        pattern: NODE,
    },
    "The node's id.",
    "node-2",
);
const ID_PARAMETER: Parameter = parameter(
    "id",
    At::Query,
    Kind::Fits {
        most: 36,
        pattern: ID,
    },
    "The file's id.",
    "01a210eb-4e12-73ea-91ea-c90301660f8e",
);
const GENERATION: Parameter = parameter(
    "generation",
    At::Query,
    Kind::Number {
        least: 0,
        most: u32::MAX as u64,
    },
    "The copy's generation.",
    "1",
);
const LIMIT: Parameter = parameter(
    "limit",
    At::Query,
    Kind::Number {
        least: 1,
        most: u32::MAX as u64,
    },
    "Copies at the most; all of them unless told.",
    "100",
);

pub(super) static OPERATIONS: [Operation; 9] = [
    operation(
        Action::Drains,
        Method::GET,
        ("/drains", "listDrains"),
        (
            "List the drains",
            "What is left of each, by what the node reports and by what the records say.",
        ),
        (&[], &[]),
        &[found("The drains.", &[("application/json", Shape::Drains)])],
        &[BAD_QUERY, AWAY],
    ),
    operation(
        Action::Drain,
        Method::POST,
        ("/drains", "orderDrains"),
        (
            "Drain nodes",
            "Their files go to other nodes, and they take no new ones. All of them are drained, or \
         none where their files have no room elsewhere. The answer comes at once; `GET /drains` \
         says how far it is. The drain of an unavailable node begins when it is back.",
        ),
        (&[], &[("application/json", Shape::DrainOrder)]),
        &[found("The drains.", &[("application/json", Shape::Drains)])],
        &[
            BAD_FIELD,
            NO_NODE,
            LATE,
            FORBIDDEN_NOW,
            TOO_LONG,
            NO_JSON,
            AWAY,
            NO_ROOM,
        ],
    ),
    operation(
        Action::CancelDrain,
        Method::DELETE,
        ("/drains", "cancelDrain"),
        (
            "Cancel a drain",
            "The node takes files again. Those that have left it stay where they are.",
        ),
        (&[NODE_PARAMETER.required()], &[]),
        &[found("The drain.", &[("application/json", Shape::Drains)])],
        &[BAD_QUERY, NO_NODE, FORBIDDEN_NOW, AWAY],
    ),
    operation(
        Action::Abandon,
        Method::POST,
        ("/abandon", "abandonNode"),
        (
            "Give up a lost node",
            "Without `lose_files` nothing is changed: the answer says what it would cost, and which \
         volume is meant. With both, the files whose only copy is there are gone. A node that \
         is alive is refused.",
        ),
        (&[], &[("application/json", Shape::Abandon)]),
        &[found(
            "What it costs.",
            &[("application/json", Shape::Abandoned)],
        )],
        &[
            BAD_FIELD,
            NO_NODE,
            LATE,
            FORBIDDEN_NOW,
            TOO_LONG,
            NO_JSON,
            AWAY,
        ],
    ),
    operation(
        Action::Fsck,
        Method::GET,
        (FSCK, "checkFiles"),
        (
            "Compare disks and records",
            "Each difference is a line, as it is found; no line says that there is none. An answer \
         that breaks off says nothing. Empty lines mean that it goes on. It reads every record \
         and every directory, so a manager does one at a time.",
        ),
        (&[], &[]),
        &[found(
            "The differences.",
            &[("application/x-ndjson", Shape::Finding)],
        )],
        &[BAD_QUERY, AWAY, OLD_HTTP],
    ),
    operation(
        Action::Quarantine,
        Method::GET,
        ("/quarantine", "listQuarantine"),
        (
            "List what is in quarantine",
            "Copies on the disks of available nodes that no record lists. An answer that breaks off \
         is not complete.",
        ),
        (&[NODE_PARAMETER, LIMIT], &[]),
        &[found(
            "The copies.",
            &[("application/x-ndjson", Shape::Copy)],
        )],
        &[BAD_QUERY, NO_NODE, AWAY, OLD_HTTP],
    ),
    operation(
        Action::Adopt,
        Method::POST,
        ("/quarantine/adopt", "adoptCopy"),
        (
            "Make a copy in quarantine a file again",
            "Its name must be free, or its record have lost its bytes.",
        ),
        (&[], &[("application/json", Shape::CopyName)]),
        &[found(
            "It is a file.",
            &[("application/json", Shape::NamedFile)],
        )],
        &[
            BAD_FIELD, GONE, NO_NODE, LATE, TAKEN, TOO_LONG, NO_JSON, AWAY,
        ],
    ),
    operation(
        Action::AdoptAll,
        Method::POST,
        ("/quarantine/adopt-all", "adoptAllCopies"),
        (
            "Make all copies in quarantine files again",
            "The newest of each name, where the name is free or its record has lost its bytes. What \
         became of each is a line. Where the answer breaks off, what was adopted stays so.",
        ),
        (&[], &[("application/json", Shape::Adoptions)]),
        &[found(
            "What became of each.",
            &[("application/x-ndjson", Shape::Adoption)],
        )],
        &[BAD_FIELD, NO_NODE, LATE, TOO_LONG, NO_JSON, AWAY, OLD_HTTP],
    ),
    operation(
        Action::RemoveCopy,
        Method::DELETE,
        ("/quarantine", "removeCopy"),
        (
            "Remove a copy in quarantine for good",
            "Its bytes can't be had back.",
        ),
        (
            &[
                NODE_PARAMETER.required(),
                ID_PARAMETER.required(),
                GENERATION.required(),
            ],
            &[],
        ),
        &[found(
            "It is gone.",
            &[("application/json", Shape::NamedFile)],
        )],
        &[BAD_QUERY, GONE, NO_NODE, AWAY],
    ),
];

const fn found(about: &'static str, content: &'static [Content]) -> Success {
    Success {
        status: 200,
        about,
        content,
    }
}

const fn operation(
    action: Action,
    method: Method,
    (path, id): (&'static str, &'static str),
    (summary, about): (&'static str, &'static str),
    (parameters, body): (&'static [Parameter], &'static [Content]),
    success: &'static [Success],
    errors: &'static [ErrorCase],
) -> Operation {
    Operation {
        action,
        needs: Needs::Right(Verb::Admin),
        changes: !matches!(action, Action::Drains | Action::Fsck | Action::Quarantine),
        method,
        path,
        id,
        summary,
        about,
        parameters,
        body,
        success,
        errors,
    }
}
