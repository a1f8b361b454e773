// What needs somebody, and what to do about it.
import { Compare } from "./Compare";
import { type Problem, problems } from "./findings";
import { count } from "./format";
import { status } from "./live";
import { GiveUp } from "./NodeOrders";
import { Quarantine } from "./Quarantine";
import { hrefOf } from "./route";
import { Empty, Icon } from "./ui";

export function Problems() {
  const now = status.value;
  const found = now === null ? [] : problems(now);
  return (
    <>
      <h1 class="view">Problems</h1>
      {now === null ? (
        <div class="card skeleton tall" aria-busy="true" />
      ) : found.length === 0 ? (
        <section class="card">
          <Empty title="Nothing needs you">
            <p>Every node is available, and no file is missing, damaged or in quarantine.</p>
          </Empty>
        </section>
      ) : (
        found.map((problem) => <One key={problem.id} problem={problem} all={now.quarantined} />)
      )}
      {now !== null && <Compare />}
    </>
  );
}

function One({ problem, all }: { problem: Problem; all: number }) {
  const { files, said, order } = problem;
  return (
    <section class={`card problem ${problem.bad ? "bad" : "warn"}`} aria-labelledby={problem.id}>
      <header>
        <Icon name="problems" />
        <h2 id={problem.id}>{problem.title}</h2>
      </header>
      <p>{problem.text}</p>
      {said && said.length > 0 && (
        <ul class="said">
          {said.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
      {files && (
        <ul class="names">
          {files.names.map((name) => (
            <li key={name}>
              <a href={hrefOf("files", name)}>{name}</a>
            </li>
          ))}
          {files.more > 0 && (
            <li class="hint">and {count(files.more)} more, which the comparison lists</li>
          )}
        </ul>
      )}
      {order === "quarantine" && <Quarantine all={all} />}
      {order !== undefined && order !== "quarantine" && (
        <p class="orders">
          <GiveUp node={order.giveUp} />
        </p>
      )}
    </section>
  );
}
