// The service at a glance: totals, balance, what is under way, and the nodes.
import { useMemo } from "preact/hooks";
import type { DrainLine, NodeStatus, Status } from "./api";
import { emptied } from "./emptied";
import { problems } from "./findings";
import { byName, count, rate, size, some, span } from "./format";
import { status } from "./live";
import { Nodes } from "./Nodes";
import { hrefOf } from "./route";
import { Bar, Empty } from "./ui";

export function Overview() {
  const now = status.value;
  if (now === null) return <Loading />;
  return (
    <>
      <h1 class="sr">Overview</h1>
      <Totals status={now} />
      <div class="two">
        <Balance status={now} />
        <UnderWay status={now} />
      </div>
      <Nodes nodes={now.nodes} />
    </>
  );
}

function Loading() {
  return (
    <div aria-busy="true">
      <h1 class="sr">Overview</h1>
      <p class="sr">Loading the status</p>
      <div class="totals">
        {[1, 2, 3, 4, 5].map((key) => (
          <div key={key} class="card total skeleton" />
        ))}
      </div>
      <div class="card skeleton tall" />
    </div>
  );
}

function Totals({ status }: { status: Status }) {
  const here = status.nodes.filter((node) => node.state !== "unavailable");
  const free = here.reduce((sum, node) => sum + node.free, 0);
  const found = problems(status).length;
  const away = status.nodes.length - here.length;
  const pools = new Set(status.nodes.map((node) => node.pool)).size;
  return (
    <dl class="totals">
      <Total name="Files" value={count(status.files)} more={`${size(status.bytes)} stored`} />
      <Total
        name="Free"
        value={size(free)}
        more="on all nodes together"
        title="Nodes that share a disk count its space once each"
      />
      <Total
        name="Nodes available"
        value={`${count(here.length)} of ${count(status.nodes.length)}`}
        more={away === 0 ? `in ${some(pools, "pool")}` : `${some(away, "node")} unavailable`}
        bad={away > 0}
      />
      <Total
        name="Balance"
        value={status.skew === 0 ? "even" : `within ${count(status.skew)}`}
        more={
          status.skew === 0 ? "all nodes have as many files" : "most files on a node less fewest"
        }
      />
      <Total
        name="Problems"
        value={found === 0 ? "none" : count(found)}
        more={found === 0 ? "nothing needs you" : "see what to do"}
        bad={found > 0}
        {...(found === 0 ? {} : { href: hrefOf("problems") })}
      />
    </dl>
  );
}

function Total(props: {
  name: string;
  value: string;
  more: string;
  bad?: boolean;
  href?: string;
  title?: string;
}) {
  const more = props.href ? <a href={props.href}>{props.more}</a> : props.more;
  return (
    <div class={`card total ${props.bad ? "bad" : ""}`} title={props.title}>
      <dt>{props.name}</dt>
      <dd class="value">{props.value}</dd>
      <dd class="more">{more}</dd>
    </div>
  );
}

/** Labels stand below the columns while there is room for them. */
const LABELLED = 12;

function Balance({ status }: { status: Status }) {
  const nodes = useMemo(
    () => [...status.nodes].sort((a, b) => byName(a.pool, b.pool) || byName(a.id, b.id)),
    [status],
  );
  const most = Math.max(1, ...nodes.map((node) => node.files));
  return (
    <section class="card" aria-labelledby="balance">
      <header>
        <h2 id="balance">Balance</h2>
        <p class="hint">Files on each node</p>
      </header>
      {nodes.length === 0 ? (
        <Empty title="No node has joined">
          <p>
            A node joins with <code>node serve --manager http://HOST:9000</code>.
          </p>
        </Empty>
      ) : (
        <div class="chart" role="img" aria-label={summed(nodes)}>
          <div class="axis">
            <span>{count(most)}</span>
            <span>0</span>
          </div>
          <div class={`columns ${nodes.length > LABELLED ? "many" : ""}`}>
            {nodes.map((node) => (
              <div key={node.id} class={`column ${node.state}`} title={titled(node)}>
                <div class="room">
                  <div class="fill" style={{ height: `${(node.files / most) * 100}%` }} />
                </div>
                {nodes.length <= LABELLED && <span class="label">{node.id.split("/").pop()}</span>}
              </div>
            ))}
          </div>
        </div>
      )}
    </section>
  );
}

function titled(node: NodeStatus): string {
  const files = node.state === "unavailable" ? "unavailable" : some(node.files, "file");
  return `${node.id}: ${files}`;
}

function summed(nodes: NodeStatus[]): string {
  const here = nodes.filter((node) => node.state !== "unavailable");
  const files = here.map((node) => node.files);
  if (files.length === 0) return "No node is available";
  const least = count(Math.min(...files));
  return `From ${least} to ${some(Math.max(...files), "file")} on ${some(here.length, "node")}`;
}

function UnderWay({ status }: { status: Status }) {
  const quiet = status.moves.length === 0 && status.drains.length === 0;
  return (
    <section class="card" aria-labelledby="under-way">
      <header>
        <h2 id="under-way">Under way</h2>
        {status.moved_files > 0 && (
          <p class="hint">
            {some(status.moved_files, "file")} moved, {size(status.moved_bytes)}, since the start
          </p>
        )}
      </header>
      {quiet && (
        <Empty title="Nothing moves">
          <p>Files move when a node joins, and when one is drained.</p>
        </Empty>
      )}
      <ul class="moves">
        {status.moves.map((move) => (
          <li key={`${move.from} ${move.to}`}>
            <p class="what">
              <span class="id">{move.from}</span> → <span class="id">{move.to}</span>
            </p>
            <p class="hint">
              {some(move.files_left, "file")} left, {pace(move.rate, move.seconds_left)}
            </p>
          </li>
        ))}
        {status.drains.map((drain) => (
          <li key={`drain ${drain.node}`}>
            <p class="what">
              Drain of <span class="id">{drain.node}</span>
            </p>
            <p class="hint">{stage(drain)}</p>
            {drain.holds !== undefined && <p class="holds">Holds: {drain.holds}</p>}
            {drain.files_left !== undefined && <Left of={status} left={drain.files_left} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function stage(drain: DrainLine): string {
  if (drain.files_left === undefined) return "unavailable";
  if (emptied.value.has(drain.node))
    return "Empty. It can be stopped, and then given up at no cost";
  if (drain.files_left === 0) return "no file left, the records are being settled";
  return `${some(drain.files_left, "file")} left, ${pace(drain.rate, drain.seconds_left)}`;
}

/** What is left on a drained node, beside what the fullest node has. */
function Left({ of, left }: { of: Status; left: number }) {
  const most = Math.max(1, left, ...of.nodes.map((node) => node.files));
  return <Bar part={1 - left / most} kind="ok" />;
}

function pace(perSecond: number, seconds: number | null | undefined): string {
  if (perSecond === 0) return "starting";
  const end = seconds === undefined || seconds === null ? "" : `, ${span(seconds)} to go`;
  return `${rate(perSecond)} files/s${end}`;
}
