/** How an agent is: what doctor checks, and what went through it in a day. */
import type { JSX } from "preact";
import type { HealthView } from "../../back/port.ts";
import { Chart } from "../parts/chart.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { Text } from "../parts/text.tsx";
import { useAsked } from "../parts/use-asked.ts";
import { milliseconds, size, visible, when } from "../parts/words.ts";
import { agent as shown } from "../state.ts";

/** To look asks the relay, which is written down and so a change of its own. Milliseconds. */
const LOOK_MS = 15_000;

export function Health({ agent }: { agent: string }): JSX.Element {
  const { value: health, problem } = useAsked(`health ${agent}`, (from) => from.call("health", { agent }), LOOK_MS);
  const link = shown.value?.link;
  return (
    <div class="page">
      <h2>Health</h2>
      {problem !== undefined && <ProblemBox problem={problem} />}
      <p>
        Link: {link?.state ?? "unknown"}
        {link !== undefined && link.detail !== "" && `, ${link.detail}`}
      </p>
      {health === undefined && problem === undefined && <p class="empty">Looking</p>}
      {health !== undefined && <All health={health} />}
    </div>
  );
}

function All({ health: { checks, hours, limits, versions, alerts } }: { health: HealthView }): JSX.Element {
  return (
    <>
      <section aria-label="Checks">
        <h3>Checks</h3>
        <ul class="checks">
          {checks.map(({ name, ok, text, hint }) => (
            <li key={name}>
              <span class={`tag ${ok ? "ok" : "stopped"}`}>{ok ? "ok" : "problem"}</span> <strong>{name}</strong>:{" "}
              {text}
              {hint !== undefined && <p class="meta">{hint}</p>}
            </li>
          ))}
        </ul>
      </section>
      <section aria-label="The last day">
        <h3>Messages of the last day</h3>
        <Chart
          hours={hours}
          values={[
            { name: "came", of: ({ came }) => came },
            { name: "sent", of: ({ sent }) => sent },
          ]}
          written={String}
          upTo="in each hour, at most"
        />
        <h3>From send to handled</h3>
        <p class="meta">
          How long after it was sent this agent knew that a message was handled: half of them sooner (p50), 19 of 20
          sooner (p95).
        </p>
        <Chart
          hours={hours}
          values={[
            { name: "p50", of: ({ p50 }) => p50 },
            { name: "p95", of: ({ p95 }) => p95 },
          ]}
          written={milliseconds}
          upTo="by the hour in which it was sent, at most"
        />
      </section>
      {alerts.length > 0 && (
        <section aria-label="Alerts">
          <h3>Alerts</h3>
          <ul>
            {alerts.map(({ at, kind, text, count }) => (
              <li key={`${at} ${kind}`}>
                <span class="meta">
                  {when(at)}
                  {count > 1 && `, ${count} times`}
                </span>
                <Text text={text} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <section aria-label="Limits of the relay">
        <h3>Limits of the relay, and versions</h3>
        <dl class="facts">
          {[...Object.entries(limits), ...Object.entries(versions)].map(([name, value]) => (
            <div key={name}>
              <dt>{name.replace(/_(?:ms|bytes)$/, "").replaceAll("_", " ")}</dt>
              <dd>{written(name, value)}</dd>
            </div>
          ))}
        </dl>
      </section>
    </>
  );
}

function written(name: string, value: number | string): string {
  if (typeof value === "string") return visible(value);
  if (name.includes("bytes")) return size(value);
  return name.endsWith("_ms") ? milliseconds(value) : value.toLocaleString();
}
